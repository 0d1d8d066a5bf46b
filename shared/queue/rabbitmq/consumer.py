"""A consumer on a channel of its own, which takes its place again after every loss."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from aio_pika import Channel, Connection
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from shared.background import Background
from shared.queue.consuming import Running
from shared.queue.port import Handler, Lane, QueueError
from shared.queue.rabbitmq.link import CLOSE_TIMEOUT_S, Link, as_queue_errors
from shared.queue.rabbitmq.publisher import Publisher
from shared.queue.settlement import Again, Dead, Done, Outcome, attempt, bury
from shared.telemetry import utc_now

SUBSCRIBE_TIMEOUT_S = 5.0
PAUSE_S = 0.2

Place = tuple[AbstractQueue, str]
"""The queue and the consumer tag. Held on to: aio-pika keeps only weak references."""


async def nothing_to_finish() -> None:
    pass


class Subscription:
    """`subscribe` starts consuming on a fresh channel; `finish` waits, on leaving, for what was taken."""

    def __init__(
        self,
        link: Link[Connection],
        subscribe: Callable[[Channel], Awaitable[Place]],
        finish: Callable[[], Awaitable[None]] = nothing_to_finish,
    ) -> None:
        self._link = link
        self._subscribe = subscribe
        self._finish = finish
        self._subscribed = asyncio.Event()

    @asynccontextmanager
    async def lasting(self, background: Background, *, patience_s: float) -> AsyncIterator[None]:
        """Entered once it consumes, or after a while without: it then joins when the broker is back."""
        keeping = background.repeating("consuming", self._consume, every_s=PAUSE_S, expected=(QueueError,))
        try:
            async with keeping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await self._subscribed.wait()
                yield
        finally:
            await self._finish()

    async def _consume(self) -> None:
        with as_queue_errors("consuming"):
            await self._last(await self._link.session())

    async def _last(self, connection: Connection) -> None:
        """Consume until the channel is lost, the broker cancels the consumer, or we are told to leave."""
        lost = asyncio.Event()
        channel = connection.channel(publisher_confirms=False)
        assert isinstance(channel, Channel)
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                await channel.initialize()
                channel.close_callbacks.add(lambda *_: lost.set())
                underlay = await channel.get_underlay_channel()
                underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())
                queue, tag = await self._subscribe(channel)
            self._subscribed.set()
            await self._stay(lost, queue, tag)
        finally:
            await _close(channel)

    async def _stay(self, lost: asyncio.Event, queue: AbstractQueue, tag: str) -> None:
        try:
            await lost.wait()
        except asyncio.CancelledError:
            with suppress(QueueError), as_queue_errors("leaving"):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await queue.cancel(tag)
            await self._finish()
            raise


async def _close(channel: Channel) -> None:
    if channel.is_initialized:
        with suppress(QueueError), as_queue_errors("closing"):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await channel.close()


log = structlog.get_logger(__name__)

PAUSE_BEFORE_GIVING_BACK_S = 1.0
"""Without it, a message whose outcome cannot be published would come back at once, and use up its deliveries."""


class RabbitMqConsumer:
    """`subscribe` and `finish` are its two ends for a Subscription."""

    def __init__(
        self, publisher: Publisher, lane: Lane, handler: Handler, *, concurrency: int, grace_s: float
    ) -> None:
        self._publisher = publisher
        self._lane = lane
        self._handler = handler
        self._concurrency = concurrency
        self._grace_s = grace_s
        self._running = Running()
        self._leaving = False

    async def subscribe(self, channel: Channel) -> Place:
        await channel.set_qos(prefetch_count=self._concurrency)
        queue = await channel.get_queue(self._lane.value, ensure=False)
        return queue, await queue.consume(self._take)

    async def finish(self) -> None:
        await self._running.finish(self._grace_s)

    def leave(self) -> None:
        """Take no more: what the broker sends from now on goes back."""
        self._leaving = True

    async def _take(self, message: AbstractIncomingMessage) -> None:
        if self._leaving:
            await self._give_back(message)
        else:
            self._running.start(self._work(message))

    async def _work(self, message: AbstractIncomingMessage) -> None:
        try:
            outcome = await attempt(
                self._body(message), self._lane, self._handler, redelivered=was_redelivered(message)
            )
            await self._make_safe(outcome)
        except asyncio.CancelledError:
            await self._give_back(message)
            raise
        except QueueError as error:
            log.warning("outcome_not_published", lane=self._lane.value, error=str(error))
            await self._give_back_after_a_pause(message)
        except Exception:  # the outermost edge: what is neither acknowledged nor given back blocks a place
            log.exception("message_not_settled", lane=self._lane.value)
            await self._give_back_after_a_pause(message)
        else:
            await self._acknowledge(message)

    def _body(self, message: AbstractIncomingMessage) -> bytes:
        """What the broker itself put into `dead` is a message as it was: the letter is written here."""
        origin = given_up_in(message) if self._lane is Lane.DEAD else None
        if origin is None:
            return message.body
        lane, reason = origin
        return bury(message.body, lane, reason, utc_now()).model_dump_json().encode()

    async def _make_safe(self, outcome: Outcome) -> None:
        match outcome:
            case Done():
                return
            case Again(envelope, delay):
                await self._publisher.publish(envelope, self._lane, delay, limited=False)
            case Dead(letter):
                await self._publisher.publish(letter, Lane.DEAD, None, limited=False)

    async def _acknowledge(self, message: AbstractIncomingMessage) -> None:
        try:
            with as_queue_errors("acknowledging"):
                await message.ack()
        except QueueError as error:
            log.info("acknowledgement_lost", lane=self._lane.value, error=str(error))

    async def _give_back_after_a_pause(self, message: AbstractIncomingMessage) -> None:
        try:
            await asyncio.sleep(PAUSE_BEFORE_GIVING_BACK_S)
        finally:
            await self._give_back(message)

    async def _give_back(self, message: AbstractIncomingMessage) -> None:
        """On a lost channel there is nothing to do: the broker gives it to somebody by itself."""
        with suppress(QueueError), as_queue_errors("giving back"):
            await message.nack(requeue=True)


def was_redelivered(message: AbstractIncomingMessage) -> bool:
    return bool(message.redelivered) or bool(message.headers.get("x-delivery-count"))


def given_up_in(message: AbstractIncomingMessage) -> tuple[Lane, str] | None:
    """The lane whose queue gave the message up, and why; None when it was published to `dead`.

    A message that was put off before has an older death in a delay queue: so the latest one in a lane counts,
    not `x-first-death-queue`.
    """
    deaths = message.headers.get("x-death")
    if not isinstance(deaths, list):
        return None
    lanes = {lane.value: lane for lane in Lane}
    for death in deaths:
        if isinstance(death, dict) and (lane := lanes.get(_text(death.get("queue")))):
            return lane, f"given up by the broker: {_text(death.get('reason'))}"
    return None


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
