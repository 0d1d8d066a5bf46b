"""The broker goes away and comes back: no confirmed job is lost, nobody hangs, everybody finds back."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from urllib.parse import quote, urlsplit

import pytest
from structlog.testing import capture_logs

from shared.contracts import Envelope
from shared.queue import Delay, Lane, Queue, QueueError, QueueUnavailable
from shared.queue.rabbitmq.engine import open_rabbitmq
from shared.queue.rabbitmq.link import Outage
from tests.contract.conftest import QUICK, OnRabbitMQ, Received, a_job
from tests.servers.rabbitmq import Broker, RabbitNode
from tests.servers.relay import Relay

LANE = Lane.PICTURES_NOW
PATIENCE_S = 60
"""Longer than this is for ever."""

A_MINUTE_S = 60
"""After which it is told again; so long a busy machine's broker may take to start."""

DECLARED_FOR_GOOD_S = 2.0
"""RabbitMQ writes down where a quorum queue lives about half a second after it was declared: one that is
killed before that does not find the queue again."""


@pytest.fixture
async def broker(fragile_rabbitmq: RabbitNode) -> OnRabbitMQ:
    """A virtual host on the node that may be killed, with all queues declared for good."""
    broker = OnRabbitMQ(fragile_rabbitmq.vhost())
    async with broker.open():
        await asyncio.sleep(DECLARED_FOR_GOOD_S)
    return broker


@pytest.fixture
async def relay(rabbitmq: Broker) -> AsyncIterator[Relay]:
    """Where a broker seems to be that goes away and comes back, without the seconds of the processor that a start takes."""
    async with Relay.before(rabbitmq.amqp_port) as relay:
        yield relay


async def test_no_confirmed_job_is_lost_when_the_broker_is_killed_among_publishes_nor_what_was_put_off(
    fragile_rabbitmq: RabbitNode, broker: OnRabbitMQ
) -> None:
    put_off = {delay: a_job(delay.value) for delay in Delay}
    confirmed: set[str] = set()
    seen: set[str] = set()

    async def see(envelope: Envelope) -> None:
        seen.add(envelope.id)

    async with broker.open(lane_limit=100_000) as queue:
        async with publishing(queue, confirmed):
            await until(lambda: len(confirmed) >= 100)
            for delay, job in put_off.items():
                await queue.publish(job, LANE, delay=delay)
                confirmed.add(job.id)
            fragile_rabbitmq.kill()
            before = len(confirmed)
            await asyncio.to_thread(fragile_rabbitmq.ensure_running)
            await until(lambda: len(confirmed) >= before + 100)
        async with queue.consume(LANE, see, concurrency=32):
            await until(lambda: confirmed <= seen)


async def test_a_consumer_finds_back_when_the_broker_is_restarted(
    fragile_rabbitmq: RabbitNode, broker: OnRabbitMQ
) -> None:
    done: list[str] = []

    async def work(envelope: Envelope) -> None:
        await asyncio.sleep(0.02)
        done.append(envelope.id)

    jobs = [a_job(number) for number in range(200)]
    async with broker.open() as queue:
        heard = Received()
        await asyncio.gather(*(queue.publish(job, LANE) for job in jobs))
        async with queue.listen(heard), queue.consume(LANE, work, concurrency=4):
            await until(lambda: len(done) >= 20)
            await asyncio.to_thread(fragile_rabbitmq.restart)
            await until(lambda: {job.id for job in jobs} <= set(done))
            await hears_again(queue, heard)
        assert await queue.depth(LANE) == 0
    assert len(done) <= len(jobs) + 2 * 4, "only what was running when the broker went is done twice"


async def hears_again(queue: Queue, heard: Received) -> None:
    """Each engine subscribes again in its own time; what was told before is lost, as events are."""
    while heard.count == 0:
        await queue.announce(a_job())
        await asyncio.sleep(0.05)


async def test_without_a_broker_nothing_hangs_and_one_that_is_late_is_waited_for(
    vhost: str, relay: Relay
) -> None:
    url = relay.url(vhost)
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(
            open_rabbitmq(url, lane_limit=100, publish_timeout_s=0.5, delays=QUICK)
        )
        await accepted(queue)
        relay.cut()
        for ask in (lambda: queue.publish(a_job(), LANE), lambda: queue.depth(LANE), queue.ping):
            await raises_in_time(ask)
        await queue.announce(a_job())
        async with asyncio.timeout(PATIENCE_S):
            await stack.aclose()
    received = Received()
    async with (
        open_rabbitmq(url, lane_limit=100, publish_timeout_s=0.2, delays=QUICK) as queue,
        queue.consume(LANE, received, concurrency=1),
    ):
        relay.mend()
        async with publishing(queue, set()):
            await received.next()


async def accepted(queue: Queue) -> None:
    """A broker that has just started may take longer for the first job than the queue waits."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(QueueUnavailable):
                return await queue.publish(a_job(), LANE)
            await asyncio.sleep(0.01)  # it may say so at once, and connects meanwhile


async def raises_in_time(ask: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(QueueUnavailable):
            await ask()


async def test_an_outage_is_told_when_it_begins_and_when_it_ends_and_not_in_between(
    vhost: str, relay: Relay
) -> None:
    with capture_logs() as lines:
        async with OnRabbitMQ(relay.url(vhost)).open() as queue:
            relay.cut()
            await until(lambda: lines[-1]["event"] == "queue_connection_lost")
            await raises_in_time(queue.ping)
            await queue.announce(a_job())
            relay.mend()
            await until(lambda: sum(line["event"] == "queue_connected" for line in lines) == 2)
    told = [line for line in lines if line["event"].startswith("queue_")]
    told = [line for line in told if line["event"] != "queue_unreachable" or line["away_s"] < A_MINUTE_S]
    assert [line["event"] for line in told] == [
        "queue_connected",
        "queue_connection_lost",
        "queue_connected",
    ]
    assert told[-1]["away_s"] > 0
    assert told[-1]["events_lost"] == 1
    assert not [line for line in lines if line["event"] == "event_lost"]


def test_a_broker_that_stays_away_is_told_of_once_a_minute() -> None:
    now_s = 0.0
    with capture_logs() as lines:
        outage = Outage(clock=lambda: now_s)
        outage.begin("publishing")
        outage.begin("consuming")
        for second in range(130):
            now_s = float(second)
            outage.failed("a.example", QueueUnavailable("refused"))
        outage.connected("publishing", "a.example")
        assert lines[-1]["event"] == "queue_unreachable", "half a connection is none"
        outage.connected("consuming", "a.example")
    assert [(line["event"], line["away_s"]) for line in lines] == [
        ("queue_unreachable", 0),
        ("queue_unreachable", 60),
        ("queue_unreachable", 120),
        ("queue_connected", 129),
    ]


async def test_a_severed_connection_is_made_again(rabbitmq: Broker) -> None:
    received, url = Received(), rabbitmq.vhost()
    async with OnRabbitMQ(url).open() as queue, queue.consume(LANE, received, concurrency=1):
        await queue.publish(a_job(1), LANE)
        await received.next()
        await sever_all(rabbitmq, urlsplit(url).path[1:])
        async with publishing(queue, confirmed := set[str]()):
            await received.next()
            await until(lambda: len(confirmed) > 10)


async def sever_all(node: Broker, vhost: str) -> None:
    """The management API lists a connection some seconds after it was made."""
    connections: list[dict[str, str]] = []

    def both_listed() -> bool:
        connections[:] = node.manage("GET", f"/api/vhosts/{vhost}/connections")
        return len(connections) == 2

    await until(both_listed)
    for connection in connections:
        await asyncio.to_thread(node.manage, "DELETE", f"/api/connections/{quote(connection['name'])}")


class publishing:  # noqa: N801 - reads as a context manager function
    """Ten publishers that go on whatever happens, and remember what the queue confirmed."""

    def __init__(self, queue: Queue, confirmed: set[str]) -> None:
        self._queue = queue
        self._confirmed = confirmed
        self.errors = Counter[str]()

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(self._publish()) for _ in range(10)]

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _publish(self) -> None:
        while True:
            job = a_job()
            try:
                await self._queue.publish(job, LANE)
            except QueueError as error:
                self.errors[str(error)] += 1
                await asyncio.sleep(0.02)
            else:
                self._confirmed.add(job.id)
                await asyncio.sleep(0.001)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not holds():  # noqa: ASYNC110 - what is waited for happens on a broker, or in a set
            await asyncio.sleep(0.02)
