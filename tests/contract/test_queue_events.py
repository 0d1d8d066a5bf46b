"""Events: for everybody who listens, kept for nobody. On both engines."""

import asyncio

from shared.contracts import Envelope
from shared.queue import Queue
from tests.contract.conftest import Received, a_job


async def test_an_event_reaches_every_listener_in_order(queue: Queue) -> None:
    one, two, events = Received(), Received(), [a_job(number) for number in range(20)]
    async with queue.listen(one), queue.listen(two):
        for event in events:
            await queue.announce(event)
        for listener in (one, two):
            assert [await listener.next() for _ in events] == events


async def test_a_listener_hears_nothing_from_before_and_nothing_from_after(queue: Queue) -> None:
    received = Received()
    await queue.announce(a_job(1))
    async with queue.listen(received):
        await queue.announce(event := a_job(2))
        assert await received.next() == event
    await queue.announce(a_job(3))
    assert received.count == 1


async def test_nobody_has_to_listen(queue: Queue) -> None:
    await queue.announce(a_job())
    await queue.ping()


async def test_a_listener_that_fails_hears_the_next_event(queue: Queue) -> None:
    received = Received()

    async def fail_once(envelope: Envelope) -> None:
        if envelope.trace_id == "trace-1":
            raise KeyError("oops")
        await received(envelope)

    async with queue.listen(fail_once):
        await queue.announce(a_job(1))
        await queue.announce(event := a_job(2))
        assert await received.next() == event


async def test_a_slow_listener_holds_up_nobody_else(queue: Queue) -> None:
    quick, stuck = Received(), asyncio.Event()

    async def hang(_: Envelope) -> None:
        await stuck.wait()

    async with queue.listen(hang), queue.listen(quick):
        for number in range(10):
            await queue.announce(a_job(number))
        for _ in range(10):
            await quick.next()
