"""Taking jobs from a lane of the embedded queue."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import structlog

from shared.background import Background
from shared.contracts import Envelope, Message
from shared.locks import sole_owner
from shared.queue.consuming import CONSUMER_GRACE_S, LISTENER_LIMIT, Listener, Running
from shared.queue.embedded.store import Put, Release, TakenMessage
from shared.queue.embedded.worker import BegunMessage, StoreThread
from shared.queue.port import Delay, Handler, Lane, LaneMeasure, QueueError, QueueFull, QueueUnavailable
from shared.queue.settlement import Again, Dead, Done, Outcome, attempt
from shared.telemetry import Metrics
from shared.telemetry.tracing import step

log = structlog.get_logger(__name__)


class EmbeddedConsumer:
    def __init__(
        self,
        worker: StoreThread,
        lane: Lane,
        handler: Handler,
        *,
        concurrency: int,
        delays: Mapping[Delay, float],
    ) -> None:
        self.lane = lane
        self._worker = worker
        self._handler = handler
        self._concurrency = concurrency
        self._delays = delays
        self._handling = 0
        self._running = Running()

    @property
    def free(self) -> int:
        return self._concurrency - self._handling

    def take(self, message: TakenMessage) -> None:
        self._handling += 1
        self._running.start(self._work(message))

    def begin(self, message: BegunMessage) -> None:
        self._handling += 1
        self._running.start(self._work_on_begun(message))

    async def finish(self, grace_s: float) -> None:
        await self._running.finish(grace_s)

    async def _work(self, message: TakenMessage) -> None:
        gathering = _begin_gathering()
        try:
            outcome = await self._attempt(message.body, message.envelope, redelivered=message.redelivered)
            await self._worker.settle(message.seq, (*gathering.end(), *self._follow_ups(outcome)))
        except asyncio.CancelledError:
            await self._worker.ask(Release(message.seq))
            raise
        except QueueError as error:
            log.warning("outcome_not_stored", lane=self.lane.value, error=str(error))

    async def _work_on_begun(self, message: BegunMessage) -> None:
        """Of one that could not be written, whoever published it was told, and nothing is left to settle."""
        gathering = _begin_gathering()
        try:
            outcome = await self._attempt(message.body, message.envelope, redelivered=False)
            if (seq := await asyncio.shield(message.number)) is not None:
                await self._worker.settle(seq, (*gathering.end(), *self._follow_ups(outcome)))
            else:
                await asyncio.gather(*map(self._worker.ask, gathering.end()))
        except asyncio.CancelledError:
            if (seq := await message.number) is not None:
                await self._worker.ask(Release(seq))
            raise
        except QueueError as error:
            log.warning("outcome_not_stored", lane=self.lane.value, error=str(error))

    async def _attempt(self, body: str, known: Envelope | None, *, redelivered: bool) -> Outcome:
        """Its place is free once the handler has ended: the next is taken by the turn that settles this one."""
        try:
            return await attempt(
                body.encode(), self.lane, self._handler, redelivered=redelivered, known=known
            )
        finally:
            self._handling -= 1
            self._worker.more_room()

    def _follow_ups(self, outcome: Outcome) -> tuple[Put, ...]:
        match outcome:
            case Done():
                return ()
            case Again(envelope, delay):
                return (Put(self.lane, envelope.model_dump_json(), after_s=self._delays[delay]),)
            case Dead(letter):
                return (Put(Lane.DEAD, letter.model_dump_json()),)


@dataclass(slots=True)
class _AtEnd:
    """What a job publishes at its end, until that has come."""

    puts: list[Put] = field(default_factory=list)
    ended: bool = False

    def end(self) -> Sequence[Put]:
        self.ended = True
        return self.puts


_at_end: ContextVar[_AtEnd | None] = ContextVar("published at the end of a job", default=None)


def _begin_gathering() -> _AtEnd:
    """For the job that the running task is about to do."""
    gathering = _AtEnd()
    _at_end.set(gathering)
    return gathering


REAL_DELAYS: Mapping[Delay, float] = MappingProxyType({delay: float(delay.value) for delay in Delay})


@asynccontextmanager
async def open_embedded(
    path: Path,
    *,
    lane_limit: int,
    consumer_grace_s: float = CONSUMER_GRACE_S,
    delays: Mapping[Delay, float] = REAL_DELAYS,
    listener_limit: int = LISTENER_LIMIT,
    background: Background | None = None,
) -> AsyncIterator["EmbeddedQueue"]:
    """The queue in the file at `path`, made if it is not there. What was running waits again.

    Raises QueueUnavailable when another process has the file, or when it is no queue file of ours.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    refusal = QueueUnavailable(
        f"Another process already has the queue file {path}. Services in processes of their own share a broker: give"
        " all of them the same QUEUE_URL=amqp://…. Or stop the other one."
    )
    with sole_owner(path, refusal=refusal):
        worker = StoreThread(path)
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(worker.run(opened))
        try:
            await asyncio.shield(opened)  # who is told to end meanwhile does not cancel what the thread tells
            yield EmbeddedQueue(
                worker,
                lane_limit=lane_limit,
                consumer_grace_s=consumer_grace_s,
                delays=delays,
                listener_limit=listener_limit,
                background=background or Background(Metrics()),
            )
        finally:
            worker.close()
            await running


class EmbeddedQueue:
    """See the port. A lane cannot be missing here, so that nothing is ever Unroutable."""

    def __init__(
        self,
        worker: StoreThread,
        *,
        lane_limit: int,
        consumer_grace_s: float,
        delays: Mapping[Delay, float],
        listener_limit: int,
        background: Background,
    ) -> None:
        self._worker = worker
        self._lane_limit = lane_limit
        self._grace_s = consumer_grace_s
        self._delays = delays
        self._listener_limit = listener_limit
        self._background = background
        self._listeners: list[Listener] = []

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        with step("publish", envelope.trace_id, lane=lane, type=envelope.type):
            await self._worker.ask(self._put(envelope, lane, delay))

    async def publish_at_end(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        gathering = _at_end.get()
        if gathering is None or gathering.ended:
            await self.publish(envelope, lane, delay=delay)
        elif (waiting := self._worker.waiting(lane)) >= self._lane_limit:
            raise QueueFull(f"the lane {lane} holds {waiting} messages, which is its limit")
        else:
            gathering.puts.append(self._put(envelope, lane, delay))

    def _put(self, envelope: Envelope, lane: Lane, delay: Delay | None) -> Put:
        limit, known = (None, None) if lane is Lane.DEAD else (self._lane_limit, envelope)
        after_s = None if delay is None else self._delays[delay]
        return Put(lane, envelope.model_dump_json(), after_s, limit, known)

    @asynccontextmanager
    async def consume(self, lane: Lane, handler: Handler, *, concurrency: int) -> AsyncIterator[None]:
        consumer = EmbeddedConsumer(self._worker, lane, handler, concurrency=concurrency, delays=self._delays)
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
    async def listen(self, handler: Handler, *kinds: type[Message]) -> AsyncIterator[None]:
        listener = Listener(handler, kinds=kinds, limit=self._listener_limit)
        async with listener.listening(self._background):
            self._listeners.append(listener)
            try:
                yield
            finally:
                self._listeners.remove(listener)

    async def depth(self, lane: Lane) -> int:
        return self._worker.waiting(lane)

    async def measure(self, lane: Lane) -> LaneMeasure:
        return await self._worker.measure(lane)

    async def put_off(self) -> int:
        return await self._worker.put_off()

    @property
    def connected(self) -> bool:
        return self._worker.alive

    async def ping(self) -> None:
        if not self.connected:
            raise QueueUnavailable("the queue file failed, or is closed")
