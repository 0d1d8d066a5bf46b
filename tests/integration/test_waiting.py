"""Waiting for a miss: who waits how long, for how many jobs, and what ends it."""

import asyncio
from datetime import timedelta

import pytest

from shared.contracts import Envelope, FetchPicture, PictureFailed
from shared.pictures import Failure, FailureClass
from shared.telemetry import utc_now
from tests.contract.volumes import MEDIUM, commit
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, until
from tests.providers.behaviour import Behaviour

POSTER = "/poster/1-60x90.jpg"
IMAGE = {"Sec-Fetch-Dest": "image"}
PLAIN_HTTP_IMAGE = {"User-Agent": "Mozilla/5.0", "Accept": "image/webp,*/*"}
MEDIA_SERVER = {"User-Agent": "MediaServer/1", "Accept": "image/webp,*/*"}


def waiting(onesheet: Onesheet) -> float:
    return onesheet.count("onesheet_waiting")


@pytest.mark.parametrize(
    ("client", "waits", "status"),
    [
        (IMAGE, "MISS_WAIT", 200),
        (PLAIN_HTTP_IMAGE, "MISS_WAIT", 200),
        (MEDIA_SERVER, "MISS_WAIT_OTHERS", 503),
        ({"Sec-Fetch-Dest": "document", **PLAIN_HTTP_IMAGE}, "MISS_WAIT_OTHERS", 503),
        ({}, "MISS_WAIT_OTHERS", 503),
    ],
)
async def test_a_browsers_image_waits_as_long_as_its_setting_says_and_others_as_long_as_theirs(
    start: Start, client: dict[str, str], waits: str, status: int
) -> None:
    onesheet = await start(**{waits: "0.2"})
    onesheet.host.hold(POSTER)
    before = asyncio.get_running_loop().time()
    async with asyncio.timeout(40):
        answer = await onesheet.get(POSTER, size="small", headers=client)
    assert asyncio.get_running_loop().time() - before >= 0.2
    assert (answer.status, answer.headers.get("X-Image-Pending")) == (status, "1" if status == 200 else None)
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Retry-After"]) > 0


async def test_past_the_bound_the_answer_is_503_and_the_picture_is_still_fetched(start: Start) -> None:
    onesheet = await start(MISS_WAIT_OTHERS="0.1")
    onesheet.host.hold(POSTER)
    answer = await onesheet.get(POSTER, size="small")
    assert answer.status == 503
    assert answer.problem["detail"]
    onesheet.host.release(POSTER)
    await until(lambda: onesheet.current(POSTER))
    assert (await onesheet.get(POSTER, size="small")).headers["X-Image-Cached"] == "true"


async def test_one_job_however_many_ask_and_however_many_leave(start: Start) -> None:
    onesheet = await start(MISS_WAIT_OTHERS="0.1", MISS_WAIT="10")
    gate = onesheet.host.hold(POSTER)
    assert (await onesheet.get(POSTER, size="small", format="webp")).status == 503  # waited in vain
    patient = [
        asyncio.create_task(onesheet.get(POSTER, size="small", format="webp", headers=IMAGE))
        for _ in range(30)
    ]
    await until(lambda: waiting(onesheet) == 30)
    for task in patient[:10]:
        task.cancel()  # the tab is closed
    await gate.arrived()
    onesheet.host.release(POSTER)
    answers = await asyncio.gather(*patient[10:])
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len(onesheet.queue.jobs(FetchPicture)) == 1
    assert onesheet.host.count(POSTER) == 1
    await until(lambda: waiting(onesheet) == 0)


async def test_two_renditions_of_one_cold_picture_cost_one_download(onesheet: Onesheet) -> None:
    answers = await asyncio.gather(
        *(onesheet.get(POSTER, size=size, format="webp") for size in ("w45", "w92", "small"))
    )
    assert {answer.status for answer in answers} == {200}
    assert onesheet.host.count(POSTER) == 1


async def test_a_lost_event_still_wakes_the_waiter(onesheet: Onesheet) -> None:
    onesheet.queue.losing_events = True
    async with asyncio.timeout(40):
        assert (await onesheet.get(POSTER, size="small")).status == 200


async def test_so_does_a_failure_whose_event_is_lost(onesheet: Onesheet) -> None:
    onesheet.queue.losing_events = True
    onesheet.host.behave(POSTER, Behaviour.failing(404))
    async with asyncio.timeout(40):
        assert (await onesheet.get(POSTER, size="small")).status == 404


async def test_what_somebody_else_committed_wakes_the_waiter(start: Start) -> None:
    onesheet = await start(fetching=False)
    asking = asyncio.create_task(onesheet.get(POSTER, size="medium", format="webp"))
    await until(lambda: waiting(onesheet) == 1)
    await commit(onesheet.volume.pictures, b"one", MEDIUM, picture=onesheet.picture(POSTER))
    async with asyncio.timeout(40):
        assert (await asking).body == b"onemedium.webp"


async def test_a_failure_that_could_not_be_written_down_still_reaches_the_waiter(start: Start) -> None:
    onesheet = await start(fetching=False)
    asking = asyncio.create_task(onesheet.get(POSTER, size="medium", format="webp"))
    await until(lambda: onesheet.queue.jobs(FetchPicture))
    failure = Failure.after(None, FailureClass.OURS, "The disk is full.", now=utc_now())
    event = PictureFailed(picture=onesheet.picture(POSTER), rendition=None, failure=failure)
    await onesheet.queue.announce(Envelope.of(event, trace_id="a-test"))
    async with asyncio.timeout(40):
        answer = await asking
    assert answer.status == 503
    assert "disk is full" in answer.problem["detail"]


async def test_a_question_that_nobody_answers_is_asked_again_in_the_end(start: Start) -> None:
    onesheet = await start(fetching=False, FETCH_TIMEOUT="0.3", MISS_WAIT_OTHERS="0.1")
    for _ in range(2):
        assert (await onesheet.get(POSTER)).status == 503
    assert len(onesheet.queue.jobs(FetchPicture)) == 1
    await asyncio.sleep(0.3)  # FETCH_TIMEOUT itself
    assert (await onesheet.get(POSTER)).status == 503
    assert len(onesheet.queue.jobs(FetchPicture)) == 2


async def test_with_the_queue_down_what_is_stored_is_served_and_a_miss_is_503(onesheet: Onesheet) -> None:
    assert (await onesheet.get(POSTER, size="small")).status == 200
    onesheet.queue.down = True
    assert (await onesheet.get(POSTER, size="small")).status == 200
    miss = await onesheet.get("/poster/2-60x90.jpg", size="small")
    assert miss.status == 503
    assert int(miss.headers["Retry-After"]) > 0
    assert miss.problem["detail"]
    ready = await onesheet.ask("/readyz", {})
    assert ready.status == 503
    assert b'"queue": "the queue is down"' in ready.body
    assert (await onesheet.ask("/readyz/stored", {})).status == 200, "what a load balancer goes by"
    onesheet.queue.down = False
    assert (await onesheet.get("/poster/2-60x90.jpg", size="small")).status == 200
    assert (await onesheet.ask("/readyz", {})).status == 200


async def test_no_more_wait_than_may(start: Start) -> None:
    onesheet = await start(MAX_WAITING="4")  # of which one host has half
    onesheet.host.hold(POSTER)
    asking = [asyncio.create_task(onesheet.get(POSTER, size="small")) for _ in range(2)]
    await until(lambda: waiting(onesheet) == 2)
    crowded_out = await onesheet.get("/poster/2-60x90.jpg", size="small")
    assert crowded_out.status == 503
    assert "Too many" in crowded_out.problem["detail"]
    assert len(onesheet.queue.jobs(FetchPicture)) == 1
    onesheet.host.release(POSTER)
    assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
    assert (await onesheet.get("/poster/2-60x90.jpg", size="small")).status == 200


async def test_a_failure_that_is_over_is_tried_again(onesheet: Onesheet) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(404, times=1))
    assert (await onesheet.get(POSTER, size="small")).status == 404
    published = len(onesheet.queue.published)
    assert (await onesheet.get(POSTER, size="small")).status == 404
    assert len(onesheet.queue.published) == published
    state = await onesheet.state(POSTER)
    past = {
        key: failure.model_copy(update={"retry_at": utc_now() - timedelta(seconds=1)})
        for key, failure in state.failures.items()
    }
    await onesheet.volume.pictures.put_state(
        onesheet.picture(POSTER), state.model_copy(update={"failures": past})
    )
    assert (await onesheet.get(POSTER, size="small")).status == 200
    assert (await onesheet.state(POSTER)).failures == {}


async def test_how_long_a_first_picture_took_is_measured_by_what_it_ended_in(start: Start) -> None:
    onesheet = await start(MISS_WAIT="0.1")
    counted = "onesheet_first_picture_seconds_count"
    assert (await onesheet.get(POSTER, size="small")).status == 200
    assert (await onesheet.get(POSTER, size="small")).status == 200
    assert onesheet.count(counted, outcome="miss") == 1, "a hit is none"
    onesheet.host.hold("/poster/2-60x90.jpg")
    await onesheet.get("/poster/2-60x90.jpg", size="small", headers={"Sec-Fetch-Dest": "image"})
    assert onesheet.count(counted, outcome="late") == 1
    onesheet.host.release("/poster/2-60x90.jpg")
