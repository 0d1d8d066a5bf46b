"""Jobs that nobody waits for: which failures end them, and which bring them back, and when."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from services.fetcher.download.downloader import Downloader
from shared.contracts import Envelope, FetchPicture, LookAtPicture, RenderPicture
from shared.pictures import DOWNLOAD, STANDARD_SIZES, FailureClass, Format, Name, Rendition, SourceUrl
from shared.queue import Lane
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, until
from tests.providers.behaviour import Behaviour

POSTER = "/poster/1-60x90.jpg"
SMALL = Rendition.parse("small.webp")
STANDARD = tuple(Rendition(size, Format.WEBP) for size in STANDARD_SIZES if size != "large")
"""Of what stands upright."""


@pytest.fixture
async def onesheet(start: Start) -> Onesheet:
    """All standard renditions are made in `later`."""
    return await start(ENABLE_IMAGE_OPTIMIZATION="true")


async def fetch_later(onesheet: Onesheet, path: str = POSTER) -> None:
    job = FetchPicture(source_url=onesheet.source(path), rendition=SMALL)
    await onesheet.publish(job, Lane.PICTURES_LATER)


async def all_there(onesheet: Onesheet, paths: list[str]) -> None:
    for path in paths:
        await until(partial(onesheet.current, path))


async def dead(onesheet: Onesheet) -> int:
    return await onesheet.queue.depth(Lane.DEAD)


async def test_a_picture_is_there_before_anybody_asks(onesheet: Onesheet) -> None:
    await fetch_later(onesheet)
    await until(lambda: onesheet.holds(POSTER, SMALL))
    assert (await onesheet.get(POSTER, size="small", format="webp")).headers["X-Image-Cached"] == "true"


async def test_what_nobody_waits_for_is_all_made_of_one_decode(onesheet: Onesheet) -> None:
    await fetch_later(onesheet)
    await onesheet.jobs_done(FetchPicture)
    assert await onesheet.holds(POSTER, *STANDARD)
    assert onesheet.queue.jobs(RenderPicture) == []


async def test_what_lies_wide_is_shown_large_too_and_gets_it_ahead(onesheet: Onesheet) -> None:
    wide, large = "/backdrop/1-90x60.jpg", Rendition.parse("large.webp")
    await onesheet.get(wide, size="small", format="webp")
    await fetch_later(onesheet)
    await until(lambda: onesheet.holds(wide, large, *STANDARD))
    await onesheet.jobs_done(FetchPicture, 2)
    assert not await onesheet.holds(POSTER, large)


async def test_a_stored_original_gets_all_it_lacks_from_one_decode(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="true")
    await onesheet.get(POSTER)
    await until(lambda: onesheet.holds(POSTER, *STANDARD))
    revision = await onesheet.current(POSTER)
    assert revision
    for rendition in STANDARD:
        stored = await onesheet.volume.pictures.at(revision.picture, revision.id, str(rendition))
        assert stored
        assert stored.local
        await asyncio.to_thread(Path(stored.local.path).unlink)
    queued = len(onesheet.queue.jobs(RenderPicture))
    await fetch_later(onesheet)
    await onesheet.jobs_done(FetchPicture, 2)
    assert await onesheet.holds(POSTER, *STANDARD)
    assert len(onesheet.queue.jobs(RenderPicture)) == queued


async def test_a_job_that_comes_back_makes_its_own_rendition_and_queues_the_others(
    onesheet: Onesheet,
) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(500, times=1))
    await fetch_later(onesheet)
    await until(lambda: onesheet.holds(POSTER, *STANDARD))
    (rest,) = onesheet.queue.jobs(RenderPicture)
    assert set(rest.renditions) == set(STANDARD) - {SMALL}


async def test_nothing_is_begun_behind_the_back_of_who_waits(onesheet: Onesheet) -> None:
    """Neither its download nor its rendering, not even while the host of what is waited for takes its time."""
    awaited = "/poster/2-60x90.jpg"
    onesheet.host.behave(awaited, Behaviour(delay_s=0.4))
    waiting = asyncio.create_task(onesheet.get(awaited, size="small", format="webp"))
    await until(lambda: onesheet.host.count(awaited))
    await fetch_later(onesheet)
    assert (await waiting).status == 200
    assert onesheet.host.count(POSTER) == 0
    await until(lambda: onesheet.holds(POSTER, *STANDARD))


async def test_what_can_wait_is_begun_only_where_requests_let_it_in(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what somebody waits for does not stand at that door."""
    let_in = asyncio.Event()

    class Door:
        def __init__(self, heard: Callable[[], int]) -> None:
            self.heard = heard

        async def enter(self) -> None:
            assert self.heard() > 0
            await let_in.wait()

    monkeypatch.setattr("services.fetcher.worker.RushDoor", Door)
    onesheet = await start()
    awaited = "/poster/2-60x90.jpg"
    assert (await onesheet.get(awaited, size="small", format="webp")).status == 200
    await fetch_later(onesheet)
    assert (await onesheet.get(awaited, size="medium", format="webp")).status == 200
    assert onesheet.host.count(POSTER) == 0
    let_in.set()
    await until(lambda: onesheet.current(POSTER))


async def test_what_is_made_ahead_comes_back_behind_what_is_fetched_for_a_page(
    onesheet: Onesheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.fetcher.worker.AHEAD_PATIENCE_S", 0.05)
    awaited, ahead = "/poster/2-60x90.jpg", "/poster/3-60x90.jpg"
    onesheet.host.behave(awaited, Behaviour(delay_s=0.4))
    await onesheet.get(POSTER, size="small", format="webp")
    waiting = asyncio.create_task(onesheet.get(awaited, size="small", format="webp"))
    await until(lambda: onesheet.count("onesheet_jobs_total", type="RenderPicture", outcome="retry"))
    name = Name.parse("movie/tmdb:3/poster")
    job = FetchPicture(source_url=onesheet.source(ahead), rendition=SMALL, name=name)
    await onesheet.publish(job, Lane.PICTURES_LATER)
    await waiting
    await until(lambda: onesheet.holds(POSTER, *STANDARD))
    await until(lambda: onesheet.holds(ahead, *STANDARD))


async def test_while_others_are_waited_for_what_is_made_ahead_is_queued_behind_them_and_taken_once(
    onesheet: Onesheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    awaited, goes_on, get = "/poster/2-60x90.jpg", asyncio.Event(), Downloader.get

    async def held(self: Downloader, source: SourceUrl, *given: Any, **named: Any) -> Any:
        if str(source).endswith(awaited):
            await goes_on.wait()
        return await get(self, source, *given, **named)

    monkeypatch.setattr(Downloader, "get", held)
    waiting = asyncio.create_task(onesheet.get(awaited, size="small", format="webp"))
    await until(lambda: onesheet.queue.jobs(FetchPicture))
    await onesheet.get(POSTER, size="small", format="webp")
    await until(lambda: onesheet.queue.jobs(RenderPicture))
    goes_on.set()
    await waiting
    for path in (POSTER, awaited):
        await until(partial(onesheet.holds, path, *STANDARD))
    ahead = [one for _, one in onesheet.queue.published if isinstance(one.payload, RenderPicture)]
    assert [one.deferred_since is not None for one in ahead] == [True, False]
    assert onesheet.count("onesheet_jobs_total", type="RenderPicture", outcome="retry") == 0


async def test_of_what_has_a_name_the_size_that_its_page_shows_is_there_first(onesheet: Onesheet) -> None:
    job = FetchPicture(
        source_url=onesheet.source(POSTER), rendition=SMALL, name=Name.parse("movie/tmdb:3/poster")
    )
    await onesheet.publish(job, Lane.PICTURES_LATER)
    await onesheet.jobs_done(FetchPicture)
    (rest,) = onesheet.queue.jobs(RenderPicture)
    assert set(rest.renditions) == set(STANDARD) - {SMALL}
    await until(lambda: onesheet.holds(POSTER, *STANDARD))


async def test_while_somebody_waits_the_asked_one_is_made_first(onesheet: Onesheet) -> None:
    await onesheet.get(POSTER, size="small", format="webp")
    await until(lambda: onesheet.holds(POSTER, *STANDARD))
    (rest,) = onesheet.queue.jobs(RenderPicture)
    assert set(rest.renditions) == set(STANDARD) - {SMALL}


async def test_a_broken_source_is_tried_four_times_with_growing_pauses_and_then_dead(
    onesheet: Onesheet,
) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(500))
    await fetch_later(onesheet)
    await until(lambda: dead(onesheet))
    times = [asked.at for asked in onesheet.host.requests]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) == 3
    assert all(
        pause >= delay - 0.01 for pause, delay in zip(pauses, (0.1, 0.15, 0.2), strict=True)
    )  # what stands here for 10 s, 1 min and 10 min
    assert (await onesheet.state(POSTER)).failures[DOWNLOAD].failure_class is FailureClass.UPSTREAM


async def test_a_retry_of_the_queue_does_not_wait_for_what_clients_wait_for(onesheet: Onesheet) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(500, times=2))
    await fetch_later(onesheet)
    await onesheet.jobs_done(FetchPicture, 3)
    assert onesheet.host.count(POSTER) == 3
    assert (await onesheet.state(POSTER)).failures == {}
    assert await dead(onesheet) == 0


@pytest.mark.parametrize(
    "behaviour", [Behaviour.failing(404), Behaviour.failing(403), Behaviour.error_page()]
)
async def test_what_will_not_get_better_ends_the_job_at_once(
    onesheet: Onesheet, behaviour: Behaviour
) -> None:
    onesheet.host.behave(POSTER, behaviour)
    await fetch_later(onesheet)
    await onesheet.jobs_done(FetchPicture)
    await fetch_later(onesheet)  # remembered: not even asked
    await onesheet.jobs_done(FetchPicture, 2)
    assert onesheet.host.count(POSTER) == 1
    assert await dead(onesheet) == 0


async def test_a_busy_host_is_asked_again_when_it_said_without_counting(onesheet: Onesheet) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(429, retry_after=1, times=1))
    await fetch_later(onesheet)
    await fetch_later(onesheet, "/poster/2-60x90.jpg")
    await until(lambda: onesheet.current(POSTER))
    await until(lambda: onesheet.current("/poster/2-60x90.jpg"))
    assert onesheet.host.count(POSTER) == 2  # however often the job came back meanwhile
    asked = [request.at for request in onesheet.host.requests if request.path == POSTER]
    assert asked[1] - asked[0] >= 0.95
    assert onesheet.count("onesheet_jobs_total", type="FetchPicture", outcome="failed") > 4
    assert await dead(onesheet) == 0


async def test_a_rendition_of_nothing_is_nothing_to_do(onesheet: Onesheet) -> None:
    job = RenderPicture(source_url=onesheet.source(POSTER), renditions=(SMALL,))
    await onesheet.publish(job, Lane.PICTURES_LATER)
    await onesheet.jobs_done(RenderPicture)
    assert onesheet.host.requests == []
    assert await onesheet.current(POSTER) is None


async def test_a_job_done_twice_does_the_work_once(onesheet: Onesheet) -> None:
    for _ in range(3):
        await fetch_later(onesheet)
    await onesheet.jobs_done(FetchPicture, 3)
    assert onesheet.host.count(POSTER) == 1


async def test_the_same_renditions_ordered_twice_at_once_are_made_once(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    await onesheet.get("/poster/1.jpg", size="small", format="webp")
    job = RenderPicture(
        source_url=onesheet.source("/poster/1.jpg"), renditions=(Rendition.parse("large.webp"),)
    )
    for _ in range(2):
        await onesheet.publish(job, Lane.PICTURES_LATER)

    await onesheet.jobs_done(RenderPicture, 2)
    outcomes = [{"type": "RenderPicture", "outcome": outcome} for outcome in ("rendered", "was there")]
    assert [onesheet.count("onesheet_jobs_total", **labels) for labels in outcomes] == [1, 1]


async def test_waiting_for_a_host_with_too_few_connections_is_no_failure_of_the_picture(start: Start) -> None:
    onesheet = await start(HOST_CONCURRENCY="1", FETCH_TIMEOUT="0.5")
    paths = [f"/poster/{number}-60x90.jpg" for number in range(4)]
    for path in paths:
        onesheet.host.behave(path, Behaviour(delay_s=0.3))
    for path in paths:
        await fetch_later(onesheet, path)
    await all_there(onesheet, paths)
    assert [onesheet.host.count(path) for path in paths] == [1] * len(paths)
    assert onesheet.count("onesheet_failures_total", failure_class="upstream") == 0
    assert await dead(onesheet) == 0


async def test_a_job_that_comes_back_for_a_picture_that_is_there_queues_what_it_owes(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    await onesheet.get(POSTER, size="small", format="webp")
    await onesheet.jobs_done(FetchPicture)
    job = FetchPicture(source_url=onesheet.source(POSTER), rendition=SMALL)
    envelope = Envelope.of(job, trace_id="a-test")
    records = len(onesheet.queue.jobs(LookAtPicture))
    await onesheet.queue.publish(envelope, Lane.PICTURES_LATER)
    await onesheet.jobs_done(FetchPicture, 2)
    assert len(onesheet.queue.jobs(LookAtPicture)) == records
    again = envelope.model_copy(update={"deferred_since": envelope.occurred_at})
    await onesheet.queue.publish(again, Lane.PICTURES_LATER)
    await onesheet.jobs_done(FetchPicture, 3)
    assert len(onesheet.queue.jobs(LookAtPicture)) == records + 1
