"""What becomes of a job whose handler raises, on both engines. The delays are scaled down."""

from datetime import UTC, datetime

import pytest

from shared.contracts import DeadLetter, Envelope
from shared.queue import Delay, Handler, Lane, NotBegun, Queue, Reject, Retry
from shared.queue.consuming import redrive
from tests.contract.conftest import Engine, Received, a_job

LANE = Lane.PICTURES_LATER


def raising_first(error: Exception, then: Handler) -> Handler:
    """A handler that fails once."""
    errors = [error]

    async def handle(envelope: Envelope) -> None:
        if errors:
            raise errors.pop()
        await then(envelope)

    return handle


def always_raising(error: Exception, seen: list[Envelope]) -> Handler:
    async def handle(envelope: Envelope) -> None:
        seen.append(envelope)
        raise error

    return handle


async def test_a_retry_that_does_not_count_keeps_the_attempt(queue: Queue) -> None:
    received, before = Received(), datetime.now(UTC)
    handler = raising_first(Retry(Delay.ONE_SECOND, "somebody else is at it", counted=False), received)
    async with queue.consume(LANE, handler, concurrency=1):
        await queue.publish(job := a_job(), LANE)
        again = await received.next()
    assert (again.id, again.trace_id, again.attempt, again.history) == (job.id, job.trace_id, 1, ())
    assert again.deferred_since is not None
    assert before <= again.deferred_since <= datetime.now(UTC)
    assert not again.redelivered


async def test_a_job_that_was_not_begun_comes_back_as_it_was_behind_the_others(queue: Queue) -> None:
    received = Received()
    handler = raising_first(NotBegun(Delay.ONE_SECOND, "its host has no seat"), received)
    async with queue.consume(LANE, handler, concurrency=1):
        for job in (first := a_job(1), second := a_job(2)):
            await queue.publish(job, LANE)
        assert [await received.next(), await received.next()] == [second, first]


async def test_a_deferred_job_remembers_when_it_was_first_put_off(queue: Queue) -> None:
    seen: list[Envelope] = []
    received = Received()

    async def twice_too_early(envelope: Envelope) -> None:
        seen.append(envelope)
        if len(seen) < 3:
            raise Retry(Delay.ONE_SECOND, "too early", counted=False)
        await received(envelope)

    async with queue.consume(LANE, twice_too_early, concurrency=1):
        await queue.publish(a_job(), LANE)
        await received.next()
    assert seen[1].deferred_since == seen[2].deferred_since is not None


async def test_a_retry_that_counts_is_another_attempt_with_its_history(queue: Queue) -> None:
    received = Received()
    handler = raising_first(Retry(Delay.ONE_SECOND, "upstream 502", counted=True), received)
    async with queue.consume(LANE, handler, concurrency=1):
        await queue.publish(job := a_job(), LANE)
        again = await received.next()
    assert (again.id, again.attempt) == (job.id, 2)
    assert [mishap.reason for mishap in again.history] == ["upstream 502"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("oops"), "KeyError: 'oops'"),
        (Retry(Delay.ONE_SECOND, "upstream 502", counted=True), "upstream 502"),
    ],
)
async def test_what_keeps_failing_is_dead_after_the_last_attempt(
    queue: Queue, error: Exception, reason: str
) -> None:
    letters, seen = Received(), list[Envelope]()
    async with (
        queue.consume(LANE, always_raising(error, seen), concurrency=1),
        queue.consume(Lane.DEAD, letters, concurrency=1),
    ):
        await queue.publish(job := a_job(), LANE)
        letter = await letters.next_letter()
    assert [envelope.attempt for envelope in seen] == [1, 2, 3, 4]
    assert (letter.lane, letter.reason) == (LANE.value, reason)
    assert [mishap.reason for mishap in letter.history] == [reason] * 4
    assert Envelope.model_validate_json(letter.body).id == job.id


async def test_a_rejected_job_is_dead_at_once(queue: Queue) -> None:
    letters, seen = Received(), list[Envelope]()
    async with (
        queue.consume(LANE, always_raising(Reject("not an image"), seen), concurrency=1),
        queue.consume(Lane.DEAD, letters, concurrency=1),
    ):
        await queue.publish(job := a_job(3), LANE)
        envelope = await letters.next()
    assert isinstance(envelope.payload, DeadLetter)
    assert (envelope.payload.lane, envelope.payload.reason) == (LANE.value, "not an image")
    assert [mishap.reason for mishap in envelope.payload.history] == ["not an image"]
    assert envelope.trace_id == job.trace_id
    assert len(seen) == 1


@pytest.mark.parametrize(
    "body", [b"not JSON", b'{"id": "1", "type": "NobodyKnows", "version": 1, "payload": {}}']
)
async def test_a_body_nobody_can_read_is_dead(engine: Engine, body: bytes) -> None:
    letters, received = Received(), Received()
    await engine.put_raw(LANE, body)
    async with (
        engine.open() as queue,
        queue.consume(LANE, received, concurrency=1),
        queue.consume(Lane.DEAD, letters, concurrency=1),
    ):
        letter = await letters.next_letter()
        assert (letter.lane, letter.body) == (LANE.value, body.decode())
        assert letter.reason.startswith("unreadable: ")
        with pytest.raises(ValueError):
            await redrive(queue, letter)
    assert received.count == 0


async def test_rubbish_among_the_dead_letters_arrives_as_a_letter(engine: Engine) -> None:
    letters = Received()
    await engine.put_raw(Lane.DEAD, b"rubbish")
    async with engine.open() as queue, queue.consume(Lane.DEAD, letters, concurrency=1):
        assert (await letters.next_letter()).body == "rubbish"


async def test_one_dead_letter_is_redriven_and_only_that_one_and_only_once(queue: Queue) -> None:
    letters, received = Received(), Received()
    jobs = [a_job(number) for number in range(3)]
    async with queue.consume(LANE, always_raising(Reject("no"), []), concurrency=1):
        for job in jobs:
            await queue.publish(job, LANE)
        async with queue.consume(Lane.DEAD, letters, concurrency=1):
            by_id = {
                Envelope.model_validate_json(x.body).id: x
                for x in [await letters.next_letter() for _ in jobs]
            }
    await redrive(queue, by_id[jobs[1].id])
    async with queue.consume(LANE, received, concurrency=1):
        assert await received.next() == jobs[1]
    assert (await queue.depth(LANE), await queue.depth(Lane.DEAD), received.count) == (0, 0, 1)


async def test_a_redriven_job_starts_over(queue: Queue) -> None:
    received = Received()
    worn = a_job().retried("once", datetime.now(UTC)).deferred(datetime.now(UTC))
    letter = DeadLetter(lane=LANE.value, reason="x", died_at=datetime.now(UTC), body=worn.model_dump_json())
    async with queue.consume(LANE, received, concurrency=1):
        await redrive(queue, letter)
        again = await received.next()
    assert (again.id, again.trace_id, again.attempt) == (worn.id, worn.trace_id, 1)
    assert (again.history, again.deferred_since) == ((), None)


@pytest.mark.parametrize(
    "error", [KeyError("the database is away"), Reject("no"), Retry(Delay.ONE_SECOND, "", counted=True)]
)
async def test_a_dead_letter_cannot_die_again(queue: Queue, error: Exception) -> None:
    letters = Received()
    async with queue.consume(LANE, always_raising(Reject("no"), []), concurrency=1):
        await queue.publish(a_job(), LANE)
        async with queue.consume(Lane.DEAD, raising_first(error, letters), concurrency=1):
            assert (await letters.next_letter()).lane == LANE.value
    assert await queue.depth(Lane.DEAD) == 0


async def test_retries_and_dead_letters_pass_a_full_lane(engine: Engine) -> None:
    letters, taken = Received(), Received()

    async def put_off_then_reject(envelope: Envelope) -> None:
        await taken(envelope)
        if envelope.deferred_since is None:
            raise Retry(Delay.ONE_SECOND, "later", counted=False)
        raise Reject("no")

    async with engine.open(lane_limit=2) as queue:
        await queue.publish(a_job(1), LANE)
        await queue.publish(a_job(2), LANE)
        async with (
            queue.consume(LANE, put_off_then_reject, concurrency=1),
            queue.consume(Lane.DEAD, letters, concurrency=1),
        ):
            for _ in range(2):
                await letters.next_letter()
