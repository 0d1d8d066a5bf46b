"""Pinning by an operator: at once, for good, and undone without a gap."""

import pytest

from shared.contracts import (
    DropSpool,
    FetchPicture,
    LookAtPicture,
    PictureFailed,
    PictureStored,
    PinPicture,
    PurgePicture,
    RefreshPicture,
    UnpinPicture,
)
from shared.pictures import Name, Rendition, Tree, name_path
from shared.queue import Lane
from tests.integration.conftest import Start
from tests.integration.heard import Heard
from tests.integration.onesheet import Onesheet
from tests.integration.test_named_pictures import NAME, OTHER, OTHER_NAME, POSTER, SMALL, do, fetch, outcome
from tests.providers.behaviour import Behaviour
from tests.providers.drawing import encode, photo
from tests.providers.gallery import picture_at


def pin(onesheet: Onesheet, path: str = POSTER, name: Name = NAME) -> PinPicture:
    return PinPicture(name=name, source_url=onesheet.source(path))


async def tree(onesheet: Onesheet, path: str = POSTER) -> Tree | None:
    current = await onesheet.current(path)
    return current.tree if current else None


async def shown(onesheet: Onesheet, name: Name = NAME) -> str | None:
    picture = await onesheet.volume.names.picture(name)
    return next((path for path in (POSTER, OTHER) if onesheet.picture(path) == picture), None)


@pytest.mark.parametrize("stored_before", [True, False])
async def test_a_pinned_picture_is_kept_and_shown(onesheet: Onesheet, stored_before: bool) -> None:
    if stored_before:
        await onesheet.get(POSTER, size="small", format="webp")
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, pin(onesheet))
        assert (await heard.first(PictureStored, name=NAME)).picture == onesheet.picture(POSTER)
    assert (await tree(onesheet), await shown(onesheet)) == (Tree.KEEP, POSTER)
    assert outcome(onesheet, PinPicture, "pinned") == 1
    assert onesheet.host.count(POSTER) == 1
    assert onesheet.queue.jobs(LookAtPicture)[-1].picture == onesheet.picture(POSTER)
    assert (await onesheet.get(POSTER, size="small", format="webp")).status == 200


async def test_what_is_there_is_pinned_without_asking_for_what_was_too_large_to_keep(start: Start) -> None:
    onesheet = await start(MAX_IMAGE_FILE_SIZE_MB="1")
    onesheet.host.put(POSTER, encode(photo(1, (1200, 900)), "bmp"), content_type="image/bmp")
    await onesheet.get(POSTER, size="small", format="webp")
    await onesheet.jobs_done(DropSpool)
    await do(onesheet, pin(onesheet))
    assert await tree(onesheet) is Tree.KEEP
    assert onesheet.host.count(POSTER) == 1
    assert (await onesheet.get(POSTER, size="small", format="webp")).status == 200


async def test_renditions_and_refreshes_of_a_pinned_picture_stay_with_it(onesheet: Onesheet) -> None:
    await do(onesheet, pin(onesheet))
    await onesheet.get(POSTER, size="w92", format="webp")
    onesheet.host.put(POSTER, picture_at(OTHER) or b"")
    await do(onesheet, RefreshPicture(source_url=onesheet.source(POSTER)), Lane.PICTURES_LATER)
    current = await onesheet.current(POSTER)
    assert current
    assert current.tree is Tree.KEEP
    assert current.holds(Rendition.parse("w92.webp"))
    assert (await onesheet.get(POSTER)).body == picture_at(OTHER)


async def test_a_picture_that_cannot_be_fetched_leaves_the_name_what_it_shows(onesheet: Onesheet) -> None:
    await do(onesheet, fetch(onesheet))
    onesheet.host.behave(OTHER, Behaviour.failing(404))
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, pin(onesheet, OTHER))
        assert (await heard.first(PictureFailed)).picture == onesheet.picture(OTHER)
    assert outcome(onesheet, PinPicture, "failed") == 1
    assert await shown(onesheet) == POSTER
    assert await onesheet.volume.names.failure(NAME) is None
    assert await tree(onesheet, OTHER) is None


async def test_another_pin_of_the_same_name_lets_the_first_go(onesheet: Onesheet) -> None:
    await do(onesheet, pin(onesheet))
    await do(onesheet, pin(onesheet, OTHER))
    assert await shown(onesheet) == OTHER
    assert (await tree(onesheet), await tree(onesheet, OTHER)) == (Tree.CACHE, Tree.KEEP)
    await do(onesheet, pin(onesheet))
    assert await shown(onesheet) == POSTER
    assert (await tree(onesheet), await tree(onesheet, OTHER)) == (Tree.KEEP, Tree.CACHE)


async def test_what_two_names_have_pinned_is_kept_for_the_other(onesheet: Onesheet) -> None:
    await do(onesheet, pin(onesheet))
    await do(onesheet, pin(onesheet, name=OTHER_NAME))
    await do(onesheet, UnpinPicture(name=NAME))
    assert await tree(onesheet) is Tree.KEEP
    await do(onesheet, UnpinPicture(name=OTHER_NAME))
    assert await tree(onesheet) is Tree.CACHE


async def test_an_unpinned_name_shows_the_picture_until_another_is_found(onesheet: Onesheet) -> None:
    await do(onesheet, pin(onesheet))
    await do(onesheet, UnpinPicture(name=NAME))
    assert outcome(onesheet, UnpinPicture, "unpinned") == 1
    assert (await tree(onesheet), await shown(onesheet)) == (Tree.CACHE, POSTER)
    link = onesheet.layout.root / name_path(NAME)
    assert (link / "current" / "original.jpg").read_bytes() == picture_at(POSTER)  # as nginx follows it
    await do(onesheet, fetch(onesheet, OTHER))
    assert await shown(onesheet) == OTHER


@pytest.mark.parametrize("pointed", [True, False])
async def test_unpinning_what_is_not_pinned_does_no_harm(onesheet: Onesheet, pointed: bool) -> None:
    if pointed:
        await do(onesheet, fetch(onesheet))
    await do(onesheet, UnpinPicture(name=NAME))
    assert outcome(onesheet, UnpinPicture, "was not pinned") == 1
    assert await shown(onesheet) == (POSTER if pointed else None)


async def test_a_purge_takes_a_pinned_picture_too(onesheet: Onesheet) -> None:
    await do(onesheet, fetch(onesheet))
    await do(onesheet, pin(onesheet))
    await do(onesheet, PurgePicture(picture=onesheet.picture(POSTER)))
    assert await tree(onesheet) is None
    await do(onesheet, FetchPicture(source_url=onesheet.source(OTHER), rendition=SMALL, name=NAME))
    assert await shown(onesheet) == OTHER
