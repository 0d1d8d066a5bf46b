"""Publishing: one connection, one channel with confirms for jobs, one without for events."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import structlog
from aio_pika import Connection, DeliveryMode, Message, exceptions
from aio_pika.abc import AbstractChannel
from yarl import URL

from shared.background import Background
from shared.contracts import Envelope
from shared.queue.port import Delay, Lane, LaneMeasure, QueueError, QueueUnavailable
from shared.queue.rabbitmq.link import Link, Outage, as_queue_errors
from shared.queue.rabbitmq.topology import EVENTS, JOBS, LaneGauge, Topology, delay_name

log = structlog.get_logger(__name__)

PUBLISH_TIMEOUT_S = 5.0
ANNOUNCE_TIMEOUT_S = 1.0


@dataclass
class Outlet:
    """What publishing holds on to while one connection lasts. aio-pika keeps only weak references."""

    connection: Connection
    confirming: AbstractChannel
    announcing: AbstractChannel
    lost: Callable[..., Any]
    """Called when one of the channels is closed by the broker."""
    asking: AbstractChannel | None = None
    """A channel of its own: a question that is given up, or about a missing queue, closes its channel."""
    is_refused: bool = False
    """Something was, on the channel with confirms."""
    renewed_s: float = -inf
    before: AbstractChannel | None = None
    """The one that had confirms before."""


class Publisher:
    def __init__(
        self,
        addresses: Sequence[URL],
        topology: Topology,
        *,
        lane_limit: int,
        timeout_s: float,
        outage: Outage,
    ) -> None:
        self._topology = topology
        self._timeout_s = timeout_s
        self._outage = outage
        self._link = Link(addresses, "onesheet publishing", self._prepare, outage)
        self._gauge = LaneGauge(self.depth, limit=lane_limit)
        self._asking = asyncio.Lock()

    async def open(self, background: Background) -> None:
        await self._link.open(background, self._timeout_s)

    async def close(self) -> None:
        await self._gauge.close()
        await self._link.close()

    async def publish(self, envelope: Envelope, lane: Lane, delay: Delay | None, *, limited: bool) -> None:
        """Return when the broker has confirmed it; raise a QueueError within the time-out when it has not."""
        message = Message(
            envelope.model_dump_json().encode(),
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        if self._link.away_for_s() > self._timeout_s:
            raise QueueUnavailable("the broker is away")  # known by now: nobody waits for it any more
        exchange_name = JOBS if delay is None else delay_name(delay)
        with as_queue_errors(f"publishing to {lane}"):
            async with asyncio.timeout(self._timeout_s):
                outlet = await self._link.session()
                if limited:
                    await self._gauge.admit(lane)
                channel = await self._confirming(outlet)
                exchange = await channel.get_exchange(exchange_name, ensure=False)
                try:
                    await exchange.publish(message, routing_key=lane.value, mandatory=True)
                except exceptions.DeliveryError as error:
                    outlet.is_refused = not isinstance(error, exceptions.PublishError)
                    raise

    async def _confirming(self, outlet: Outlet) -> AbstractChannel:
        """Another one where something was refused: a channel of RabbitMQ's that meets a quorum queue while its leader's node is
        down may refuse all that is for this queue ever after, whoever leads by then.

        The former is closed with the next one, when all that was published on it has ended.
        """
        now_s = asyncio.get_running_loop().time()
        if outlet.is_refused and now_s - outlet.renewed_s > self._timeout_s:
            outlet.is_refused, outlet.renewed_s = False, now_s
            former, outlet.before = outlet.before, outlet.confirming
            outlet.confirming = await _with_confirms(outlet.connection, outlet.lost)
            if former:
                former.close_callbacks.discard(outlet.lost)
                await former.close()
        return outlet.confirming

    async def announce(self, envelope: Envelope) -> None:
        """Write it to the socket and no more; while there is no connection it is lost."""
        outlet = self._link.current
        if outlet is None:
            self._outage.event_lost()
            return
        message = Message(envelope.model_dump_json().encode(), content_type="application/json")
        try:
            with as_queue_errors("announcing"):
                async with asyncio.timeout(ANNOUNCE_TIMEOUT_S):
                    exchange = await outlet.announcing.get_exchange(EVENTS, ensure=False)
                    await exchange.publish(message, routing_key="", mandatory=False)
        except QueueError as error:
            self._outage.event_lost()
            log.debug("event_lost", type=envelope.type, id=envelope.id, error=str(error))

    async def depth(self, lane: Lane) -> int:
        return (await self.measure(lane)).waiting

    async def measure(self, lane: Lane) -> LaneMeasure:
        return await self._declared(lane.value)

    async def put_off(self) -> int:
        delays = [await self._declared(delay_name(delay)) for delay in self._topology.delays]
        return sum(delay.waiting for delay in delays)

    async def _declared(self, queue_name: str) -> LaneMeasure:
        with as_queue_errors(f"asking for the depth of {queue_name}"):
            async with asyncio.timeout(self._timeout_s), self._asking:
                return await self._declare(await self._link.session(), queue_name)

    async def _declare(self, outlet: Outlet, queue_name: str) -> LaneMeasure:
        if outlet.asking is None:
            outlet.asking = await outlet.connection.channel(publisher_confirms=False)
        try:
            queue = await outlet.asking.declare_queue(queue_name, passive=True)
        except BaseException:
            outlet.asking = None
            raise
        found = queue.declaration_result
        return LaneMeasure(found.message_count or 0, consumers=found.consumer_count)

    async def _prepare(self, connection: Connection, lost: Callable[..., Any]) -> Outlet:
        async with connection.channel(publisher_confirms=False) as declaring:
            await self._topology.declare(declaring)
        outlet = Outlet(
            connection,
            confirming=await _with_confirms(connection, lost),
            announcing=await connection.channel(publisher_confirms=False),
            lost=lost,
        )
        outlet.announcing.close_callbacks.add(lost)
        return outlet


async def _with_confirms(connection: Connection, lost: Callable[..., Any]) -> AbstractChannel:
    channel = await connection.channel(on_return_raises=True)
    channel.close_callbacks.add(lost)
    return channel
