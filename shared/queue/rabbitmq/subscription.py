"""A consumer on a channel of its own, which takes its place again after every loss."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from aio_pika import Channel, Connection
from aio_pika.abc import AbstractQueue

from shared.queue.port import QueueError
from shared.queue.rabbitmq.link import CLOSE_TIMEOUT_S, Link
from shared.queue.rabbitmq.trouble import as_queue_errors

log = structlog.get_logger(__name__)

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
    async def lasting(self, *, patience_s: float) -> AsyncIterator[None]:
        """Entered once it consumes, or after a while without: it then joins when the broker is back."""
        keeper = asyncio.create_task(self._keep())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._subscribed.wait()
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._finish()

    async def _keep(self) -> None:
        while True:
            try:
                with as_queue_errors("consuming"):
                    await self._last(await self._link.session())
            except QueueError as error:
                log.warning("consumer_lost", error=str(error))
            except Exception:  # the outermost edge: a lane without its consumer would fill up in silence
                log.exception("consumer_broke")
            await asyncio.sleep(PAUSE_S)

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
