"""The queue in this process, over one SQLite file."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from shared.contracts import Envelope
from shared.queue.embedded.changes import Put
from shared.queue.embedded.consumer import LaneConsumer
from shared.queue.embedded.lock import sole_owner
from shared.queue.embedded.worker import Worker
from shared.queue.listening import LISTENER_LIMIT, Listener
from shared.queue.port import Delay, Handler, Lane, LaneMeasure, QueueUnavailable
from shared.queue.running import CONSUMER_GRACE_S

REAL_DELAYS: Mapping[Delay, float] = MappingProxyType({delay: float(delay.value) for delay in Delay})


@asynccontextmanager
async def open_embedded(
    path: Path,
    *,
    lane_limit: int,
    consumer_grace_s: float = CONSUMER_GRACE_S,
    delays: Mapping[Delay, float] = REAL_DELAYS,
    listener_limit: int = LISTENER_LIMIT,
) -> AsyncIterator["EmbeddedQueue"]:
    """The queue in the file at `path`, made if it is not there. What was running waits again.

    Raises QueueUnavailable when another process has the file, or when it is no queue file of ours.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with sole_owner(path):
        worker = Worker(path)
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(worker.run(opened))
        try:
            await opened
            yield EmbeddedQueue(
                worker,
                lane_limit=lane_limit,
                consumer_grace_s=consumer_grace_s,
                delays=delays,
                listener_limit=listener_limit,
            )
        finally:
            worker.close()
            await running


class EmbeddedQueue:
    """See the port. A lane cannot be missing here, so that nothing is ever Unroutable."""

    def __init__(
        self,
        worker: Worker,
        *,
        lane_limit: int,
        consumer_grace_s: float,
        delays: Mapping[Delay, float],
        listener_limit: int,
    ) -> None:
        self._worker = worker
        self._lane_limit = lane_limit
        self._grace_s = consumer_grace_s
        self._delays = delays
        self._listener_limit = listener_limit
        self._listeners: list[Listener] = []

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        limit = None if lane is Lane.DEAD else self._lane_limit
        after_s = None if delay is None else self._delays[delay]
        await self._worker.ask(Put(lane, envelope.model_dump_json(), after_s, limit))

    @asynccontextmanager
    async def consume(self, lane: Lane, handler: Handler, *, concurrency: int) -> AsyncIterator[None]:
        consumer = LaneConsumer(self._worker, lane, handler, concurrency=concurrency, delays=self._delays)
        self._worker.join(consumer)
        try:
            yield
        finally:
            self._worker.leave(consumer)
            await consumer.finish(self._grace_s)

    async def announce(self, envelope: Envelope) -> None:
        for listener in self._listeners:
            listener.hear(envelope)

    @asynccontextmanager
    async def listen(self, handler: Handler) -> AsyncIterator[None]:
        listener = Listener(handler, limit=self._listener_limit)
        async with listener.listening():
            self._listeners.append(listener)
            try:
                yield
            finally:
                self._listeners.remove(listener)

    async def depth(self, lane: Lane) -> int:
        return self._worker.waiting(lane)

    async def measure(self, lane: Lane) -> LaneMeasure:
        return await self._worker.measure(lane)

    async def ping(self) -> None:
        if not self._worker.alive:
            raise QueueUnavailable("the queue file failed, or is closed")
