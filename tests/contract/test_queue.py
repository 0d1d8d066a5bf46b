"""The port's promises about jobs, on both engines."""

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from shared.contracts import Envelope
from shared.queue import Delay, Lane, Queue, QueueFull
from shared.telemetry import trace_id
from shared.telemetry.logs import known_trace_id
from tests.contract.conftest import QUICK, REAL, Engine, Received, a_job

LANE = Lane.PICTURES_NOW

TAKES_AND_NEVER_ENDS = """
import asyncio, sys
from pathlib import Path
from shared.queue import Lane, QueueSettings, open_queue

async def main():
    async def take(envelope):
        print(envelope.id, envelope.redelivered, flush=True)
        await asyncio.Event().wait()

    async with open_queue(QueueSettings(url=sys.argv[1]), state_dir=Path("/nowhere")) as queue:
        async with queue.consume(Lane.PICTURES_NOW, take, concurrency=1):
            await asyncio.Event().wait()

import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
asyncio.run(main())
"""


async def test_a_job_arrives_as_it_was_published(queue: Queue) -> None:
    received, job = Received(), a_job(7)
    async with queue.consume(LANE, received, concurrency=1):
        await queue.publish(job, LANE)
        assert await received.next() == job


async def test_a_job_waits_for_a_consumer(queue: Queue) -> None:
    received, job = Received(), a_job()
    await queue.publish(job, LANE)
    async with queue.consume(Lane.PICTURES_LATER, received, concurrency=1):
        assert await queue.depth(LANE) == 1
    async with queue.consume(LANE, received, concurrency=1):
        assert await received.next() == job


async def test_jobs_are_taken_in_their_order(queue: Queue) -> None:
    received, jobs = Received(), [a_job(number) for number in range(30)]
    for job in jobs:
        await queue.publish(job, LANE)
    async with queue.consume(LANE, received, concurrency=1):
        assert [await received.next() for _ in jobs] == jobs


async def test_the_depth_does_not_count_what_was_handed_out_or_put_off(queue: Queue) -> None:
    taken, release = asyncio.Event(), asyncio.Event()

    async def take(_: Envelope) -> None:
        taken.set()
        await release.wait()

    for number in range(3):
        await queue.publish(a_job(number), LANE)
    await queue.publish(a_job(3), LANE, delay=Delay.TEN_MINUTES)
    assert await queue.depth(LANE) == 3
    async with queue.consume(LANE, take, concurrency=1):
        await taken.wait()
        assert await queue.depth(LANE) == 2
        release.set()


async def test_a_handler_logs_with_the_trace_of_its_job(queue: Queue) -> None:
    seen: asyncio.Queue[object] = asyncio.Queue()

    async def look(_: Envelope) -> None:
        seen.put_nowait(trace_id())

    async with queue.consume(LANE, look, concurrency=1):
        for number in (1, 2):
            await queue.publish(a_job(number), LANE)
            assert await seen.get() == f"trace-{number}"
    assert known_trace_id() is None


async def test_no_more_run_at_once_than_the_concurrency_says(queue: Queue) -> None:
    at_once, most, done = 0, 0, asyncio.Semaphore(0)

    async def work(_: Envelope) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        done.release()

    for number in range(30):
        await queue.publish(a_job(number), LANE)
    async with queue.consume(LANE, work, concurrency=3):
        for _ in range(30):
            await done.acquire()
    assert most == 3


async def test_two_consumers_of_a_lane_share_its_jobs(queue: Queue) -> None:
    together = asyncio.Barrier(3)

    async def meet(_: Envelope) -> None:
        await together.wait()

    async with queue.consume(LANE, meet, concurrency=1), queue.consume(LANE, meet, concurrency=1):
        await queue.publish(a_job(1), LANE)
        await queue.publish(a_job(2), LANE)
        await together.wait()
    assert await queue.depth(LANE) == 0


async def test_leaving_waits_for_the_job_that_runs(engine: Engine) -> None:
    started, finished = asyncio.Event(), False

    async def work(_: Envelope) -> None:
        nonlocal finished
        started.set()
        await asyncio.sleep(0.3)
        finished = True

    async with engine.open() as queue:
        await queue.publish(a_job(), LANE)
        async with queue.consume(LANE, work, concurrency=1):
            await started.wait()
        assert finished
    async with engine.open() as queue:
        assert await queue.depth(LANE) == 0


async def test_a_job_that_outlasts_the_grace_is_given_back(engine: Engine) -> None:
    started, received = asyncio.Event(), Received()

    async def hang(_: Envelope) -> None:
        started.set()
        await asyncio.Event().wait()

    async with engine.open(consumer_grace_s=0.05) as queue:
        await queue.publish(job := a_job(), LANE)
        async with queue.consume(LANE, hang, concurrency=1):
            await started.wait()
        async with queue.consume(LANE, received, concurrency=1):
            again = await received.next()
    assert again.id == job.id
    assert again.redelivered
    assert again.attempt == 1


async def test_a_job_whose_consumer_was_killed_comes_back(engine: Engine) -> None:
    received = Received()
    async with engine.open(delays=REAL) as queue:
        await queue.publish(job := a_job(), LANE)
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TAKES_AND_NEVER_ENDS, engine.url, stdout=subprocess.PIPE
    )
    assert victim.stdout is not None
    assert (await victim.stdout.readline()).decode().split() == [job.id, "False"]
    victim.send_signal(signal.SIGKILL)
    await victim.wait()
    async with engine.open(delays=REAL) as queue, queue.consume(LANE, received, concurrency=1):
        again = await received.next()
    assert again.id == job.id
    assert again.redelivered


async def test_a_job_that_was_done_does_not_come_back(engine: Engine) -> None:
    received = Received()
    for job in (a_job(1), a_job(2)):
        async with engine.open() as queue, queue.consume(LANE, received, concurrency=1):
            await queue.publish(job, LANE)
            assert (await received.next()).id == job.id
    assert received.count == 2


async def test_a_full_lane_refuses_and_accepts_again_when_it_is_drained(engine: Engine) -> None:
    received = Received()
    async with engine.open(lane_limit=5) as queue:
        for number in range(5):
            await queue.publish(a_job(number), LANE)
        with pytest.raises(QueueFull):
            await queue.publish(a_job(5), LANE)
        await queue.publish(a_job(6), Lane.PICTURES_LATER)
        async with queue.consume(LANE, received, concurrency=5):
            for _ in range(5):
                await received.next()
            await accepted_again(queue)


async def accepted_again(queue: Queue) -> None:
    """A publisher may believe for a moment that the lane is full."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await queue.publish(a_job(9), LANE)
            except QueueFull:
                await asyncio.sleep(0.02)


async def test_the_limit_is_kept_by_a_publisher_that_finds_the_lane_full(engine: Engine) -> None:
    async with engine.open() as queue:
        for number in range(5):
            await queue.publish(a_job(number), LANE)
    async with engine.open(lane_limit=5) as queue:
        with pytest.raises(QueueFull):
            await queue.publish(a_job(5), LANE)


TOLD_APART = QUICK | {Delay.ONE_SECOND: 1, Delay.TEN_SECONDS: 3}


async def test_each_delay_puts_off_as_long_as_it_says(engine: Engine) -> None:
    """At least; and of two the shorter one comes first, whichever was put off first."""
    arrived: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    async def note(envelope: Envelope) -> None:
        arrived.put_nowait((envelope.id, time.monotonic()))

    long, short = a_job(10), a_job(1)
    async with engine.open(delays=TOLD_APART) as queue, queue.consume(LANE, note, concurrency=2):
        before = time.monotonic()
        await queue.publish(long, LANE, delay=Delay.TEN_SECONDS)
        await queue.publish(short, LANE, delay=Delay.ONE_SECOND)
        for job, delay_s in ((short, 1), (long, 3)):
            job_id, at = await arrived.get()
            assert job_id == job.id
            assert at - before >= delay_s


async def test_all_delays_lead_back_to_the_lane_they_were_meant_for(queue: Queue) -> None:
    received, elsewhere = Received(), Received()
    jobs = {delay: a_job(delay.value) for delay in Delay}
    for delay, job in reversed(jobs.items()):
        await queue.publish(job, Lane.RESOLVE_LATER, delay=delay)
    async with (
        queue.consume(Lane.RESOLVE_LATER, received, concurrency=1),
        queue.consume(LANE, elsewhere, concurrency=1),
    ):
        assert [await received.next() for _ in jobs] == list(jobs.values())
    assert elsewhere.count == 0


async def test_what_is_put_off_outlives_the_queue(engine: Engine) -> None:
    received, job = Received(), a_job()
    async with engine.open() as queue:
        await queue.publish(job, LANE, delay=Delay.TEN_MINUTES)
    async with engine.open() as queue, queue.consume(LANE, received, concurrency=1):
        assert await received.next() == job


async def test_the_queue_answers(queue: Queue) -> None:
    await queue.ping()
