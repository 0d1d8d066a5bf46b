"""Pictures asked for by what they show: resolved once, then served like all others, until they show another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256

import pytest

from services.proxy import hot_answers
from shared.contracts import (
    Envelope,
    FetchPicture,
    NameRefused,
    PictureFailed,
    PicturePurged,
    RefreshPicture,
    RefuseName,
    ResolvePicture,
    StoreUpload,
)
from shared.pictures import Name, Rendition, State, picture_id
from shared.queue import Lane
from shared.telemetry import utc_now
from tests.contract.volumes import MEDIUM, SMALL, SOURCE, commit
from tests.integration.conftest import Start
from tests.integration.onesheet import Answer, Onesheet, until
from tests.integration.resolving import Resolver, gone
from tests.providers.behaviour import Behaviour
from tests.providers.gallery import picture_at

POSTER, OTHER = "/poster/1-60x90.jpg", "/poster/2-60x90.jpg"
NAME = Name.parse("series/tvdb:81189/poster")
IMAGE = {"Sec-Fetch-Dest": "image"}


async def shown(onesheet: Onesheet, file: str = "small.webp", **headers: str) -> Answer:
    return await onesheet.ask(f"/api/v1/images/{NAME}/{file}", {}, headers)


def waiting(onesheet: Onesheet) -> float:
    return onesheet.count("onesheet_waiting")


@asynccontextmanager
async def resolved(onesheet: Onesheet, path: str = POSTER) -> AsyncIterator[Resolver]:
    async with Resolver.beside(onesheet) as resolver:
        resolver.known[NAME] = onesheet.source(path)
        yield resolver


async def test_a_cold_name_is_resolved_and_fetched_once_however_many_ask(onesheet: Onesheet) -> None:
    async with resolved(onesheet):
        answers = await asyncio.gather(*(shown(onesheet) for _ in range(30)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["X-Image-Cached"] for answer in answers} == {"false"}
    assert onesheet.queue.jobs(ResolvePicture) == [
        ResolvePicture(name=NAME, rendition=Rendition.parse("small.webp"))
    ]
    assert [lane for lane, each in onesheet.queue.published if isinstance(each.payload, ResolvePicture)] == [
        Lane.RESOLVE_NOW
    ]
    assert onesheet.host.count(POSTER) == 1


async def test_then_it_is_a_hit_that_may_change_in_a_day(onesheet: Onesheet) -> None:
    async with resolved(onesheet):
        await shown(onesheet)
    for _ in range(2):
        hit = await shown(onesheet)
        assert (hit.status, hit.headers["X-Image-Cached"]) == (200, "true")
        assert hit.headers["Cache-Control"] == "public, max-age=86400, stale-while-revalidate=604800"
        assert "X-Image-Source" not in hit.headers
    assert len(onesheet.queue.jobs(ResolvePicture)) == 1


async def test_the_event_wakes_the_waiter_before_it_looks_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.proxy.waiting_room.LOOK_AGAIN_S", 60.0)
    onesheet = await start()
    async with asyncio.timeout(40), resolved(onesheet):
        assert (await shown(onesheet)).status == 200


async def test_a_lost_event_costs_a_moment_and_not_the_answer(onesheet: Onesheet) -> None:
    onesheet.queue.losing_events = True
    async with asyncio.timeout(40), resolved(onesheet):
        assert (await shown(onesheet)).status == 200


async def test_who_waits_for_a_name_without_a_picture_is_told(onesheet: Onesheet) -> None:
    async with Resolver.beside(onesheet):
        answer = await shown(onesheet)
    assert answer.status == 404
    assert "No provider" in answer.problem["detail"]


async def test_a_failed_download_ends_the_waiting_for_its_name(onesheet: Onesheet) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(404))
    async with resolved(onesheet):
        assert (await shown(onesheet)).status == 404
    before = len(onesheet.queue.published)
    assert (await shown(onesheet)).status == 404
    assert len(onesheet.queue.published) == before


async def test_other_names_failures_end_nothing(start: Start) -> None:
    onesheet = await start(fetching=False, MISS_WAIT_OTHERS="0.5")
    asking = asyncio.create_task(shown(onesheet))
    await until(lambda: onesheet.queue.jobs(ResolvePicture))
    other = Name.parse("series/tvdb:81189/banner")
    for event in (
        NameRefused(name=other, failure=gone()),
        PictureFailed(picture=SOURCE.picture, rendition=None, failure=gone(), name=other),
        PictureFailed(picture=SOURCE.picture, rendition=MEDIUM, failure=gone(), name=NAME),
    ):
        await onesheet.queue.announce(Envelope.of(event, trace_id="a-test"))
    assert (await asking).status == 503


async def test_a_remembered_failure_is_answered_at_once_until_it_is_over(onesheet: Onesheet) -> None:
    await onesheet.publish(RefuseName(name=NAME, failure=gone()), Lane.PICTURES_NOW)
    await onesheet.jobs_done(RefuseName)
    assert (await shown(onesheet)).status == 404
    assert not onesheet.queue.jobs(ResolvePicture)
    over = gone().model_copy(update={"retry_at": utc_now() - timedelta(seconds=1)})
    await onesheet.volume.names.refuse(NAME, over)
    async with resolved(onesheet):
        assert (await shown(onesheet)).status == 200


async def test_a_failure_hides_nothing_that_the_name_shows(onesheet: Onesheet) -> None:
    await commit(onesheet.volume.pictures, b"one", SMALL)
    await onesheet.volume.names.point(NAME, SOURCE.picture)
    await onesheet.volume.names.refuse(NAME, gone())
    assert (await shown(onesheet)).body == b"onesmall.webp"
    assert (await shown(onesheet, "original")).status == 200


async def test_another_rendition_of_what_is_stored_is_made_without_resolving(onesheet: Onesheet) -> None:
    async with resolved(onesheet):
        await shown(onesheet)
    answer = await shown(onesheet, "w45.png")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert len(onesheet.queue.jobs(ResolvePicture)) == 1
    job = onesheet.queue.jobs(FetchPicture)[-1]
    assert (job.source_url, job.rendition) == (onesheet.source(POSTER), Rendition.parse("w45.png"))
    assert onesheet.host.count(POSTER) == 1


async def test_an_evicted_picture_is_found_again_by_its_name(onesheet: Onesheet) -> None:
    async with resolved(onesheet):
        await shown(onesheet)
        assert await onesheet.volume.pictures.remove(onesheet.picture(POSTER))
        answer = await shown(onesheet)
    assert (answer.status, answer.headers["X-Image-Cached"]) == (200, "false")
    assert len(onesheet.queue.jobs(ResolvePicture)) == 2


async def test_what_is_purged_before_it_was_seen_is_asked_for_again(start: Start) -> None:
    onesheet = await start(fetching=False)
    asking = asyncio.create_task(shown(onesheet))
    await until(lambda: len(onesheet.queue.jobs(ResolvePicture)) == 1)
    await onesheet.volume.names.point(NAME, SOURCE.picture)
    await onesheet.queue.announce(Envelope.of(PicturePurged(picture=SOURCE.picture), trace_id="a-test"))
    await until(lambda: len(onesheet.queue.jobs(ResolvePicture)) == 2)
    await commit(onesheet.volume.pictures, b"one", SMALL)
    assert (await asking).body == b"onesmall.webp"


async def test_a_name_that_shows_another_picture_is_noticed_in_a_second(
    onesheet: Onesheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_answers, "PASSED_LASTS_S", 0.1)
    assert hot_answers.PASSED_LASTS_S <= 1
    names = onesheet.volume.names
    other = picture_id("http://a.example/another.jpg")
    await commit(onesheet.volume.pictures, b"one", SMALL)
    await commit(onesheet.volume.pictures, b"two", SMALL, picture=other)
    for picture, body in ((SOURCE.picture, b"onesmall.webp"), (other, b"twosmall.webp")):
        await names.point(NAME, picture)
        await asyncio.sleep(0.15)  # what may pass unnoticed
        for _ in range(2):
            assert (await shown(onesheet)).body == body


async def test_past_the_bound_browsers_get_a_placeholder_and_others_503(start: Start) -> None:
    onesheet = await start(fetching=False, MISS_WAIT="0.1", MISS_WAIT_OTHERS="0.1")
    browser, other = await shown(onesheet, **IMAGE), await shown(onesheet)
    assert (browser.status, browser.headers["X-Image-Pending"]) == (200, "1")
    assert (other.status, other.headers["Cache-Control"]) == (503, "no-store")
    onesheet.queue.down = True
    assert (await shown(onesheet, "w45")).status == 503


async def test_what_is_stale_is_refreshed_behind_its_name(start: Start) -> None:
    onesheet = await start(fetching=False, ALLOWED_HOSTS="a.example")
    past = State(fresh_until=utc_now() - timedelta(hours=1))
    await commit(onesheet.volume.pictures, b"one", SMALL, state=past)
    await onesheet.volume.names.point(NAME, SOURCE.picture)
    assert (await shown(onesheet)).body == b"onesmall.webp"
    await until(lambda: onesheet.queue.jobs(RefreshPicture))
    assert onesheet.queue.jobs(RefreshPicture) == [RefreshPicture(source_url=SOURCE)]


async def test_nobody_is_asked_anew_for_a_host_that_is_not_allowed_any_more(start: Start) -> None:
    onesheet = await start(fetching=False, ALLOWED_HOSTS="b.example")
    past = State(fresh_until=utc_now() - timedelta(hours=1))
    await commit(onesheet.volume.pictures, b"one", SMALL, state=past)
    await onesheet.volume.names.point(NAME, SOURCE.picture)
    assert (await shown(onesheet)).body == b"onesmall.webp"
    await asyncio.sleep(0)
    assert onesheet.queue.jobs(RefreshPicture) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/images/profiles/profile_avatar_123.jpg", "streamer/123/profile"),
        ("/data/images/categories/just-chatting.jpg", "category/just-chatting/cover"),
        ("/data/images/artwork/somebody/stream_7.jpg", "stream/7/artwork"),
    ],
)
async def test_the_streamer_librarys_files_are_names(start: Start, path: str, name: str) -> None:
    onesheet = await start(fetching=False, MISS_WAIT_OTHERS="0.1")
    assert (await onesheet.ask(path, {})).status == 503
    original = Rendition.parse("original")
    assert onesheet.queue.jobs(ResolvePicture) == [ResolvePicture(name=Name.parse(name), rendition=original)]
    await commit(onesheet.volume.pictures, b"one", Rendition.parse("small.jpg"))
    await onesheet.volume.names.point(Name.parse(name), SOURCE.picture)
    small = await onesheet.ask(path, {"size": "small"})
    assert (small.status, small.body) == (200, b"onesmall.jpg")
    assert "Vary" not in small.headers


async def test_other_sizes_of_an_upload_are_made_by_its_name_and_by_its_path(onesheet: Onesheet) -> None:
    body = picture_at(POSTER)
    assert body
    inbox_id = await onesheet.volume.inbox.put(body)
    job = StoreUpload(inbox=inbox_id, sha256=sha256(body).hexdigest(), name=NAME)
    await onesheet.publish(job, Lane.PICTURES_NOW)
    await onesheet.jobs_done(StoreUpload)
    answer = await shown(onesheet, "w45.png")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    picture = await onesheet.volume.names.picture(NAME)
    current = await onesheet.volume.pictures.current(picture) if picture else None
    assert current
    by_path = await onesheet.ask(f"/p/{current.picture}/{current.id}/w92.png", {})
    assert (by_path.status, by_path.headers["Content-Type"]) == (200, "image/png")
    assert not onesheet.queue.jobs(ResolvePicture)
