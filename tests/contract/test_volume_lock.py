"""The lock of a picture, on every volume."""

import asyncio
import signal

import pytest

from shared.pictures import PictureId, SourceUrl
from shared.volume import Locked, PictureStore
from tests.contract.volumes import PICTURE, LocalFiles, another_process_at_the_lock

OTHER = SourceUrl.parse("http://a.example/other.jpg")


@pytest.fixture
def volume(local_volume: LocalFiles) -> LocalFiles:
    return local_volume


async def test_in_one_process_the_second_waits_for_the_first(store: PictureStore) -> None:
    order = []

    async def work(name: str) -> None:
        async with store.lock(PICTURE):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(*(work(name) for name in "abc"))
    assert order == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


async def test_different_pictures_do_not_wait_for_each_other(store: PictureStore) -> None:
    async with asyncio.timeout(60), store.lock(PICTURE), store.lock(OTHER.picture):
        pass


async def test_several_are_held_at_once_and_nobody_waits_with_some_in_hand(store: PictureStore) -> None:
    beside = PictureId(PICTURE[:8] + "0" * 24)
    async with store.lock_all([OTHER.picture, PICTURE, beside]):
        with pytest.raises(Locked):
            async with store.lock_all([OTHER.picture]):
                pytest.fail("two hold it")
        async with store.lock_all([OTHER.picture], insist=True):
            pass
    async with store.lock(OTHER.picture):
        with pytest.raises(Locked):
            async with store.lock_all([PICTURE, OTHER.picture]):
                pytest.fail("two hold it")
    async with asyncio.timeout(60), store.lock_all([PICTURE, OTHER.picture]):
        pass


async def test_who_gives_up_waiting_leaves_the_lock_to_the_others(store: PictureStore) -> None:
    async def work() -> None:
        async with store.lock(PICTURE):
            pass

    async with store.lock(PICTURE):
        impatient, patient = asyncio.create_task(work()), asyncio.create_task(work())
        await asyncio.sleep(0)
        impatient.cancel()
    async with asyncio.timeout(60):
        await patient
        await work()


async def test_a_lock_is_given_back_when_the_work_fails(volume: LocalFiles) -> None:
    with pytest.raises(ZeroDivisionError):
        async with volume.write.pictures.lock(PICTURE):
            raise ZeroDivisionError
    async with another_process_at_the_lock(volume.settings) as (result, _):
        assert result == "held"


async def test_another_process_is_told_that_it_is_locked(volume: LocalFiles) -> None:
    async with volume.write.pictures.lock(PICTURE):
        async with another_process_at_the_lock(volume.settings) as (result, _):
            assert result == "locked"
        async with another_process_at_the_lock(volume.settings, OTHER) as (result, _):
            assert result == "held"


async def test_we_are_told_when_another_process_has_it_and_go_on_where_we_insist(
    volume: LocalFiles,
) -> None:
    store = volume.write.pictures
    async with another_process_at_the_lock(volume.settings) as (result, _):
        assert result == "held"
        with pytest.raises(Locked):
            async with store.lock(PICTURE):
                pytest.fail("two hold it")
        async with store.lock(PICTURE, insist=True):
            pass
    async with store.lock(PICTURE):
        pass


async def test_of_several_one_that_another_process_has_is_enough(volume: LocalFiles) -> None:
    async with another_process_at_the_lock(volume.settings):
        with pytest.raises(Locked):
            async with volume.write.pictures.lock_all([OTHER.picture, PICTURE]):
                pytest.fail("two hold it")
        async with volume.write.pictures.lock_all([OTHER.picture]):
            pass


async def test_a_lock_dies_with_its_holder(volume: LocalFiles) -> None:
    async with another_process_at_the_lock(volume.settings) as (result, process):
        assert result == "held"
        process.send_signal(signal.SIGKILL)
        await process.wait()
        async with volume.write.pictures.lock(PICTURE):
            pass
