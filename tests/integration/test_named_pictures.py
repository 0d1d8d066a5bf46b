"""Jobs about names: what a name points at, and what is remembered where it can point at nothing."""

from datetime import timedelta

import pytest

from shared.contracts import (
    FetchPicture,
    Message,
    NameRefused,
    PictureFailed,
    PictureStored,
    PinPicture,
    PointName,
    RefuseName,
    RenderPicture,
)
from shared.pictures import Failure, FailureClass, Name, Rendition, Upload
from shared.queue import Lane
from shared.telemetry import utc_now
from tests.integration.conftest import Start
from tests.integration.heard import Heard
from tests.integration.onesheet import Onesheet, until
from tests.providers.behaviour import Behaviour
from tests.providers.gallery import picture_at

POSTER, OTHER = "/poster/1-60x90.jpg", "/poster/2-60x90.jpg"
NAME = Name.parse("series/tvdb:81189/poster")
OTHER_NAME = Name.parse("series/tmdb:1396/poster")
SMALL, W342 = Rendition.parse("small.webp"), Rendition.parse("w342.webp")


async def do(onesheet: Onesheet, job: Message, lane: Lane = Lane.PICTURES_NOW) -> None:
    done = sum(type(before) is type(job) for before in onesheet.queue.jobs(type(job)))
    await onesheet.publish(job, lane)
    await onesheet.jobs_done(type(job), done + 1)


def fetch(onesheet: Onesheet, path: str = POSTER, rendition: Rendition = SMALL) -> FetchPicture:
    return FetchPicture(source_url=onesheet.source(path), rendition=rendition, name=NAME)


def outcome(onesheet: Onesheet, kind: type[Message], outcome: str) -> float:
    return onesheet.count("onesheet_jobs_total", type=kind.__name__, outcome=outcome)


async def test_a_picture_is_fetched_and_then_the_name_points_at_it(onesheet: Onesheet) -> None:
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, fetch(onesheet))
        stored = await heard.first(PictureStored)
    assert (stored.picture, stored.name, stored.renditions) == (onesheet.picture(POSTER), NAME, (SMALL,))
    assert await onesheet.volume.names.picture(NAME) == onesheet.picture(POSTER)


async def test_what_was_there_is_told_by_its_name(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    for rendition in (SMALL, SMALL, W342):  # fetched, was there, rendered
        async with Heard.from_now(onesheet) as heard:
            await do(onesheet, fetch(onesheet, rendition=rendition))
            await heard.first(PictureStored, name=NAME)
    assert onesheet.host.count(POSTER) == 1


async def test_two_names_of_one_source_are_one_picture_and_one_download(onesheet: Onesheet) -> None:
    await do(onesheet, fetch(onesheet))
    await do(onesheet, fetch(onesheet).model_copy(update={"name": OTHER_NAME}))
    shown = [await onesheet.volume.names.picture(name) for name in (NAME, OTHER_NAME)]
    assert shown == [onesheet.picture(POSTER)] * 2
    assert onesheet.host.count(POSTER) == 1


async def test_a_source_that_fails_while_somebody_waits_refuses_the_name(onesheet: Onesheet) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(404))
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, fetch(onesheet))
        failed = await heard.first(PictureFailed)
        assert (failed.name, failed.rendition, failed.failure.failure_class) == (
            NAME,
            None,
            FailureClass.GONE,
        )
        assert await onesheet.volume.names.failure(NAME) == failed.failure
        await do(onesheet, fetch(onesheet))  # remembered
        await until(lambda: len(heard.all(PictureFailed)) > 1)
        assert [event.name for event in heard.all(PictureFailed)] == [NAME, NAME]
    assert onesheet.host.count(POSTER) == 1
    assert await onesheet.volume.names.picture(NAME) is None


async def test_what_nobody_waits_for_refuses_no_name(onesheet: Onesheet) -> None:
    """It was a guess of a page's; whoever asks by name may be told a better source."""
    onesheet.host.behave(POSTER, Behaviour.failing(404))
    await do(onesheet, fetch(onesheet), Lane.PICTURES_LATER)
    assert await onesheet.volume.names.failure(NAME) is None


async def test_a_source_that_is_gone_leaves_the_name_what_it_shows(onesheet: Onesheet) -> None:
    await do(onesheet, fetch(onesheet))
    onesheet.host.behave(OTHER, Behaviour.failing(404))
    await do(onesheet, fetch(onesheet, OTHER))
    assert await onesheet.volume.names.picture(NAME) == onesheet.picture(POSTER)
    assert await onesheet.volume.names.failure(NAME) is not None
    onesheet.host.behave(OTHER, Behaviour())
    await do(onesheet, fetch(onesheet))
    assert await onesheet.volume.names.failure(NAME) is None  # forgotten as soon as it is pointed


async def test_where_only_the_rendition_fails_the_name_shows_the_rest(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    await onesheet.get(POSTER)
    failure = Failure.after(None, FailureClass.UNSOUND, "as a test", now=utc_now())
    state = await onesheet.state(POSTER)
    await onesheet.volume.pictures.put_state(onesheet.picture(POSTER), state.failed(str(SMALL), failure))
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, fetch(onesheet))
        failed = await heard.first(PictureFailed)
    assert (failed.name, failed.rendition) == (NAME, SMALL)
    assert await onesheet.volume.names.picture(NAME) == onesheet.picture(POSTER)
    assert await onesheet.volume.names.failure(NAME) is None


async def test_a_name_is_refused_until_the_failures_end(onesheet: Onesheet) -> None:
    failure = Failure.after(None, FailureClass.GONE, "No provider has one.", now=utc_now())
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, RefuseName(name=NAME, failure=failure))
        refused = await heard.first(NameRefused)
    assert (refused.name, refused.failure) == (NAME, failure)
    remembered = await onesheet.volume.names.failure(NAME)
    assert remembered == failure
    assert remembered.is_over(utc_now() + timedelta(hours=1, seconds=1))
    assert outcome(onesheet, RefuseName, "refused") == 1


async def test_a_refused_name_goes_on_showing_what_it_shows(onesheet: Onesheet) -> None:
    await do(onesheet, fetch(onesheet))
    failure = Failure.after(None, FailureClass.GONE, "No provider has one.", now=utc_now())
    await do(onesheet, RefuseName(name=NAME, failure=failure))
    assert await onesheet.volume.names.picture(NAME) == onesheet.picture(POSTER)


@pytest.mark.parametrize("by_id", [True, False])
async def test_a_name_is_pointed_at_what_is_stored(onesheet: Onesheet, by_id: bool) -> None:
    await do(onesheet, fetch(onesheet))
    source, picture = onesheet.source(POSTER), onesheet.picture(POSTER)
    job = (
        PointName(name=OTHER_NAME, picture=picture)
        if by_id
        else PointName(name=OTHER_NAME, source_url=source)
    )
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, job)
        stored = await heard.first(PictureStored, name=OTHER_NAME)
    assert stored.picture == picture
    assert SMALL in stored.renditions
    assert await onesheet.volume.names.picture(OTHER_NAME) == picture


async def test_a_name_is_not_pointed_at_nothing(onesheet: Onesheet) -> None:
    await do(onesheet, fetch(onesheet))
    await do(onesheet, PointName(name=NAME, picture=onesheet.picture(OTHER)))
    assert outcome(onesheet, PointName, "nothing to point at") == 1
    assert await onesheet.volume.names.picture(NAME) == onesheet.picture(POSTER)


async def test_a_pin_wins_over_whatever_is_found_later(onesheet: Onesheet) -> None:
    await do(onesheet, PinPicture(name=NAME, source_url=onesheet.source(POSTER)))
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, fetch(onesheet, OTHER))
        assert (await heard.first(PictureStored, picture=onesheet.picture(OTHER))).name is None
    await do(onesheet, PointName(name=NAME, picture=onesheet.picture(OTHER)))
    assert outcome(onesheet, PointName, "pinned elsewhere") == 1
    assert await onesheet.volume.names.picture(NAME) == onesheet.picture(POSTER)
    assert (await onesheet.get(OTHER, size="small", format="webp")).status == 200


async def test_of_an_upload_that_is_not_stored_nothing_is_asked_for_anywhere(onesheet: Onesheet) -> None:
    upload = Upload("ab" * 32)
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, FetchPicture(source_url=upload, rendition=SMALL, name=NAME))
        failed = await heard.first(PictureFailed)
    assert (failed.picture, failed.failure.failure_class) == (upload.picture, FailureClass.GONE)
    await do(onesheet, RenderPicture(source_url=upload, renditions=(SMALL,)), Lane.PICTURES_LATER)
    assert outcome(onesheet, RenderPicture, "nothing to render") == 1
    assert onesheet.host.requests == []
    assert (await onesheet.get(str(upload))).status == 400


async def test_the_picture_behind_a_name_is_whole_when_it_is_pointed(onesheet: Onesheet) -> None:
    await do(onesheet, fetch(onesheet))
    picture = await onesheet.volume.names.picture(NAME)
    assert picture
    found = await onesheet.volume.pictures.find(picture, (Rendition.parse("original"),))
    assert found
    assert await found.content.whole() == picture_at(POSTER)
