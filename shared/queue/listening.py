"""One listener to events: a bounded queue and the task that hands them to its handler in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from shared.contracts import Envelope
from shared.queue.port import Handler
from shared.telemetry import traced

log = structlog.get_logger(__name__)

LISTENER_LIMIT = 10_000
"""Events that may wait for one listener; then the oldest are dropped."""


class Listener:
    def __init__(self, handler: Handler, *, limit: int = LISTENER_LIMIT) -> None:
        self._handler = handler
        self._waiting: asyncio.Queue[Envelope] = asyncio.Queue(limit)
        self._dropped = 0

    def hear(self, envelope: Envelope) -> None:
        """Never waits: the newest event is worth more than the oldest."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self._count_dropped()
        self._waiting.put_nowait(envelope)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hand events on while the context lasts."""
        task = asyncio.create_task(self._hand_on())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _hand_on(self) -> None:
        while True:
            envelope = await self._waiting.get()
            with traced(envelope.trace_id):
                try:
                    await self._handler(envelope)
                except Exception:
                    log.exception("event_handler_failed", type=envelope.type, id=envelope.id)

    def _count_dropped(self) -> None:
        """Logged at 1, 2, 4, 8 …: a listener that is too slow must not flood the log as well."""
        self._dropped += 1
        if self._dropped & (self._dropped - 1) == 0:
            log.warning("events_dropped", dropped=self._dropped)
