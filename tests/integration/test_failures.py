"""What becomes of a request when the source fails: one row for each way to fail."""

import asyncio
from datetime import timedelta

import pytest

from shared.contracts import FetchPicture
from shared.pictures import DOWNLOAD, FailureClass
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet
from tests.providers.behaviour import Behaviour
from tests.providers.gallery import picture_at
from tests.providers.variants import bomb, cut

POSTER = "/poster/1-300x450.jpg"


def poster() -> bytes:
    body = picture_at(POSTER)
    assert body is not None
    return body


REMEMBERED = [
    (Behaviour.failing(404), 404, FailureClass.GONE, timedelta(hours=1)),
    (Behaviour.failing(410), 404, FailureClass.GONE, timedelta(hours=1)),
    (Behaviour.failing(404, retry_after=1), 404, FailureClass.GONE, timedelta(hours=1)),
    (Behaviour.failing(401), 403, FailureClass.REFUSED, timedelta(minutes=15)),
    (Behaviour.failing(403), 403, FailureClass.REFUSED, timedelta(minutes=15)),
    (Behaviour.failing(451), 403, FailureClass.REFUSED, timedelta(minutes=15)),
    (Behaviour.error_page(), 415, FailureClass.UNSOUND, timedelta(hours=24)),
    (Behaviour(body=b"\x00" * 3000), 415, FailureClass.UNSOUND, timedelta(hours=24)),
    (Behaviour(body=cut(poster(), 0.5)), 415, FailureClass.UNSOUND, timedelta(hours=24)),
    (Behaviour(body=cut(poster(), 0.99)), 415, FailureClass.UNSOUND, timedelta(hours=24)),
    (Behaviour(body=bomb(1100)), 413, FailureClass.UNSOUND, timedelta(hours=24)),
    (Behaviour.failing(429, retry_after=120), 503, FailureClass.BUSY, timedelta(minutes=2)),
    (Behaviour.failing(429), 503, FailureClass.BUSY, timedelta(minutes=1)),
    (Behaviour.failing(503, retry_after=30), 503, FailureClass.BUSY, timedelta(seconds=30)),
    (Behaviour.failing(429, retry_after=10**7), 503, FailureClass.BUSY, timedelta(hours=1)),
]


@pytest.mark.parametrize(("behaviour", "status", "failure_class", "pause"), REMEMBERED)
async def test_a_failure_is_answered_remembered_and_asked_for_once(
    start: Start, behaviour: Behaviour, status: int, failure_class: FailureClass, pause: timedelta
) -> None:
    onesheet = await start(MAX_PIXELS="1000000")
    onesheet.host.behave(POSTER, behaviour)
    first = await onesheet.get(POSTER, size="small")
    again = await onesheet.get(POSTER, size="medium", format="jpg")
    for answer in (first, again):
        assert answer.status == status
        assert answer.problem["detail"]
        left_s = int(answer.headers["Retry-After"])
        assert pause.total_seconds() - 5 <= left_s <= pause.total_seconds()
        assert "public" not in answer.headers["Cache-Control"]
    assert onesheet.host.count(POSTER) == 1
    failure = (await onesheet.state(POSTER)).failures[DOWNLOAD]
    assert (failure.failure_class, failure.retry_at - failure.at) == (failure_class, pause)
    assert onesheet.count("onesheet_failures_total", failure_class=failure_class) == 1
    assert await onesheet.current(POSTER) is None


UPSTREAM = {
    "500": Behaviour.failing(500),
    "502": Behaviour.failing(502),
    "503 that does not say how long": Behaviour.failing(503),
    "reset": Behaviour(reset=True),
    "closed without an answer": Behaviour(no_answer=True),
    "cut off": Behaviour(cut_after_bytes=2000),
    "longer than it is": Behaviour(claimed_length=10**6),
    "empty": Behaviour.empty(),
    "no content": Behaviour(status=204, body=b""),
    "silent": Behaviour(delay_s=5),
}


@pytest.mark.parametrize("case", UPSTREAM)
async def test_a_broken_source_gets_one_more_try_and_is_then_left_alone(start: Start, case: str) -> None:
    onesheet = await start(READ_TIMEOUT="0.3")
    onesheet.host.behave(POSTER, UPSTREAM[case])
    before = asyncio.get_running_loop().time()
    answer = await onesheet.get(POSTER, size="small")
    assert asyncio.get_running_loop().time() - before >= 0.5
    assert answer.status == 502
    assert answer.problem["detail"]
    assert onesheet.host.count(POSTER) == 2
    assert (await onesheet.get(POSTER)).status == 502
    assert onesheet.host.count(POSTER) == 2
    assert (await onesheet.state(POSTER)).failures[DOWNLOAD].failure_class is FailureClass.UPSTREAM


async def test_a_source_that_drips_for_ever_is_given_up(start: Start) -> None:
    onesheet = await start(FETCH_TIMEOUT="0.3")
    onesheet.host.behave(POSTER, Behaviour(drip_bytes_per_s=1000))
    assert (await onesheet.get(POSTER, size="small")).status == 503  # nobody waits longer than a fetch lasts
    await onesheet.jobs_done(FetchPicture)
    answer = await onesheet.get(POSTER, size="small")
    assert answer.status == 502
    assert "in time" in answer.problem["detail"]
    assert onesheet.host.count(POSTER) == 2


@pytest.mark.parametrize("once", [Behaviour.failing(500, times=1), Behaviour(reset=True, times=1)])
async def test_a_source_that_only_hiccups_costs_half_a_second(onesheet: Onesheet, once: Behaviour) -> None:
    onesheet.host.behave(POSTER, once)
    answer = await onesheet.get(POSTER, size="small")
    assert answer.status == 200
    assert (await onesheet.state(POSTER)).failures == {}
    assert onesheet.host.count(POSTER) == 2


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(chunked=True)], ids=["told", "untold"])
async def test_a_body_over_the_limit_is_not_taken(start: Start, behaviour: Behaviour) -> None:
    onesheet = await start(MAX_BODY_MB="1")
    onesheet.host.put(POSTER, poster() + b"\x00" * 2**20)
    onesheet.host.behave(POSTER, behaviour)
    answer = await onesheet.get(POSTER, size="small")
    assert answer.status == 413
    assert "1 MB" in answer.problem["detail"]
    assert onesheet.host.count(POSTER) == 1


async def test_a_paused_host_is_asked_for_nothing_at_all(onesheet: Onesheet) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(429, retry_after=60))
    assert (await onesheet.get(POSTER)).status == 503
    published = len(onesheet.queue.published)
    others = [await onesheet.get(f"/poster/{number}-60x90.jpg", size="small") for number in range(2, 5)]
    assert {answer.status for answer in others} == {503}
    assert all(55 <= int(answer.headers["Retry-After"]) <= 60 for answer in others)
    assert len(onesheet.queue.published) == published
    assert onesheet.host.counts == {POSTER: 1}


async def test_what_is_stored_is_served_while_its_host_is_paused(onesheet: Onesheet) -> None:
    stored = "/poster/2-60x90.jpg"
    assert (await onesheet.get(stored, size="small")).status == 200
    onesheet.host.behave(POSTER, Behaviour.failing(429, retry_after=60))
    assert (await onesheet.get(POSTER)).status == 503
    assert (await onesheet.get(stored, size="small")).status == 200


async def test_a_rendition_of_what_is_stored_is_made_while_its_host_is_paused(onesheet: Onesheet) -> None:
    stored = "/poster/2-60x90.jpg"
    assert (await onesheet.get(stored, size="small")).status == 200
    onesheet.host.behave(POSTER, Behaviour.failing(429, retry_after=60))
    assert (await onesheet.get(POSTER)).status == 503
    assert (await onesheet.get(stored, size="w45")).status == 200
