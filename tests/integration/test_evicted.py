"""An immutable path whose picture was evicted: found again by its id, or said to be nothing."""

import asyncio

import pytest

from shared.contracts import Envelope, FetchPicture, PictureFailed, ResolvePicture
from shared.pictures import Rendition
from tests.contract.volumes import SMALL, commit
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, until
from tests.integration.resolving import Resolver, gone

POSTER = "/poster/1-60x90.jpg"
REVISION = "0123456789abcdef"


def path_of(onesheet: Onesheet, revision: str = REVISION, file: str = "small.webp") -> str:
    return f"/p/{onesheet.picture(POSTER)}/{revision}/{file}"


async def test_it_is_fetched_again_from_where_it_came(onesheet: Onesheet) -> None:
    assert (await onesheet.get(POSTER, size="small", format="webp")).status == 200
    current = await onesheet.current(POSTER)
    assert current
    assert await onesheet.volume.pictures.remove(current.picture)
    async with Resolver.beside(onesheet) as resolver:
        resolver.known[current.picture] = onesheet.source(POSTER)
        answer = await onesheet.ask(path_of(onesheet, current.id), {})
    assert (answer.status, answer.history, answer.headers["X-Image-Cached"]) == (200, 0, "false")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert onesheet.queue.jobs(ResolvePicture) == [
        ResolvePicture(picture=current.picture, rendition=Rendition.parse("small.webp"))
    ]


async def test_where_it_has_another_revision_by_now_its_client_is_sent_there(onesheet: Onesheet) -> None:
    async with Resolver.beside(onesheet) as resolver:
        resolver.known[onesheet.picture(POSTER)] = onesheet.source(POSTER)
        answer = await onesheet.ask(path_of(onesheet), {})
    assert (answer.status, answer.history) == (200, 1)


async def test_one_that_nobody_knows_is_404_and_nothing_is_kept_of_it(onesheet: Onesheet) -> None:
    async with Resolver.beside(onesheet):
        for _ in range(2):
            answer = await onesheet.ask(path_of(onesheet), {})
            assert answer.status == 404
            assert answer.problem["detail"] == "Nobody knows this picture."
    assert [picture async for picture in onesheet.volume.pictures.pictures()] == []


async def test_who_knows_where_a_picture_comes_from_is_not_told_that_others_do_not(start: Start) -> None:
    onesheet = await start(fetching=False)
    by_source = asyncio.create_task(onesheet.get(POSTER, size="small", format="webp"))
    await until(lambda: onesheet.queue.jobs(FetchPicture))
    async with Resolver.beside(onesheet):
        assert (await onesheet.ask(path_of(onesheet), {})).status == 404
    await commit(onesheet.volume.pictures, b"one", SMALL, picture=onesheet.picture(POSTER))
    assert (await by_source).body == b"onesmall.webp"


async def test_few_may_wait_for_it_and_they_take_nobody_elses_seat(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.proxy.waiting_room.GUESSES_AT_MOST", 2)
    onesheet = await start(MISS_WAIT_OTHERS="5", FETCH_TIMEOUT="5")
    guesses = [
        asyncio.create_task(onesheet.ask(path_of(onesheet, file=f"{size}.webp"), {}))
        for size in ("w45", "w92")
    ]
    await until(lambda: onesheet.count("onesheet_waiting") == 2)
    crowded_out = await onesheet.ask(path_of(onesheet), {})
    assert crowded_out.status == 503
    assert "Too many" in crowded_out.problem["detail"]
    assert (await onesheet.get("/poster/2-60x90.jpg", size="small")).status == 200
    failed = PictureFailed(picture=onesheet.picture(POSTER), rendition=None, failure=gone())
    await onesheet.queue.announce(Envelope.of(failed, trace_id="a-test"))
    assert {answer.status for answer in await asyncio.gather(*guesses)} == {404}
