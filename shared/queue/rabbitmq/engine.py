"""The queue on RabbitMQ: one connection for publishing, one for consuming."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

import structlog
from aio_pika import Channel, Connection
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from shared.background import Background
from shared.contracts import Envelope, Message
from shared.queue.consuming import CONSUMER_GRACE_S, Listener
from shared.queue.port import Delay, Handler, Lane, LaneMeasure, QueueUnavailable
from shared.queue.rabbitmq.consumer import Place, RabbitMqConsumer, Subscription
from shared.queue.rabbitmq.link import Link, Outage, addresses_of, vhost_of
from shared.queue.rabbitmq.publisher import PUBLISH_TIMEOUT_S, Publisher
from shared.queue.rabbitmq.topology import (
    EVENTS,
    LISTENER,
    REAL_DELAYS,
    RENEWED_EVERY_S,
    Management,
    Topology,
    open_management,
)
from shared.telemetry import Metrics
from shared.telemetry.tracing import step

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_rabbitmq(
    url: str,
    *,
    lane_limit: int,
    management_url: str | None = None,
    publish_timeout_s: float = PUBLISH_TIMEOUT_S,
    consumer_grace_s: float = CONSUMER_GRACE_S,
    delays: Mapping[Delay, float] = REAL_DELAYS,
    background: Background | None = None,
) -> AsyncIterator["RabbitQueue"]:
    """The queue on the broker at `url`, which may be away for now: then it connects later.

    Raises QueueUnavailable when the broker is there and will never have us: wrong credentials, no such virtual
    host, queues declared with other arguments.
    """
    background = background or Background(Metrics())
    addresses = addresses_of(url)
    topology = Topology(delays)
    outage = Outage()
    publisher = Publisher(
        addresses, topology, lane_limit=lane_limit, timeout_s=publish_timeout_s, outage=outage
    )
    consuming = Link(addresses, "onesheet consuming", _as_it_is, outage)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(publisher.close)
        stack.push_async_callback(consuming.close)
        await asyncio.gather(publisher.open(background), consuming.open(background, publish_timeout_s))
        management = None
        if management_url:
            vhost = vhost_of(addresses[0])
            management = await stack.enter_async_context(open_management(management_url, vhost))
        yield RabbitQueue(
            publisher,
            consuming,
            management,
            outage,
            background,
            patience_s=publish_timeout_s,
            consumer_grace_s=consumer_grace_s,
        )


class RabbitQueue:
    """See the port."""

    def __init__(
        self,
        publisher: Publisher,
        consuming: Link[Connection],
        management: Management | None,
        outage: Outage,
        background: Background,
        *,
        patience_s: float,
        consumer_grace_s: float,
    ) -> None:
        self._publisher = publisher
        self._consuming = consuming
        self._management = management
        self._management_is_away = False
        self._outage = outage
        self._background = background
        self._patience_s = patience_s
        self._grace_s = consumer_grace_s

    def _patience(self) -> float:
        """Where the broker was away when we started, nobody waits for it a second time."""
        return self._patience_s if self._consuming.current else 0.0

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        with step("publish", envelope.trace_id, lane=lane, type=envelope.type):
            await self._publisher.publish(envelope, lane, delay, limited=True)

    async def publish_at_end(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        await self.publish(envelope, lane, delay=delay)

    @asynccontextmanager
    async def consume(self, lane: Lane, handler: Handler, *, concurrency: int) -> AsyncIterator[None]:
        consumer = RabbitMqConsumer(
            self._publisher, lane, handler, concurrency=concurrency, grace_s=self._grace_s
        )
        async with Subscription(self._consuming, consumer.subscribe, consumer.finish).lasting(
            self._background, patience_s=self._patience()
        ):
            try:
                yield
            finally:
                consumer.leave()

    async def announce(self, envelope: Envelope) -> None:
        await self._publisher.announce(envelope)

    def listen(self, handler: Handler, *kinds: type[Message]) -> AbstractAsyncContextManager[None]:
        return self._listening(Listener(handler, kinds=kinds))

    async def depth(self, lane: Lane) -> int:
        return await self._publisher.depth(lane)

    async def measure(self, lane: Lane) -> LaneMeasure:
        """What a passive declare says, of this moment; and where there is a management API that answers, what else that says."""
        live = await self._publisher.measure(lane)
        if not self._management:
            return live
        try:
            said = await self._management.measure(lane)
        except QueueUnavailable as error:
            if not self._management_is_away:
                log.warning("management_unreachable", error=str(error))
            self._management_is_away = True
            return live
        if self._management_is_away:
            log.info("management_answers_again")
        self._management_is_away = False
        if said is None:
            return live
        return replace(
            live,
            waiting=live.waiting + said.moving,
            in_hand=said.in_hand,
            published_per_s=said.published_per_s,
            done_per_s=said.done_per_s,
            others_old_s=RENEWED_EVERY_S,
        )

    async def put_off(self) -> int:
        return await self._publisher.put_off()

    @property
    def connected(self) -> bool:
        return self._outage.is_over

    async def ping(self) -> None:
        await self._publisher.depth(Lane.PICTURES_NOW)

    @asynccontextmanager
    async def _listening(self, listener: Listener) -> AsyncIterator[None]:
        async def hear(message: AbstractIncomingMessage) -> None:
            try:
                listener.hear(Envelope.model_validate_json(message.body))
            except ValidationError as error:
                log.warning("event_unreadable", error=str(error)[:300])

        async def subscribe(channel: Channel) -> Place:
            queue = await channel.declare_queue(exclusive=True, auto_delete=True, arguments=dict(LISTENER))
            await queue.bind(EVENTS, routing_key="")
            return queue, await queue.consume(hear, no_ack=True)

        async with (
            listener.listening(self._background),
            Subscription(self._consuming, subscribe).lasting(self._background, patience_s=self._patience()),
        ):
            yield


async def _as_it_is(connection: Connection, lost: object) -> Connection:  # noqa: ARG001 - as a Link calls it
    return connection
