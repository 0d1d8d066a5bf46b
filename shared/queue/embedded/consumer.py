"""Taking jobs from a lane of the embedded queue."""

import asyncio
from collections.abc import Mapping

import structlog

from shared.queue.embedded.changes import Put, Release, Settle, Taken
from shared.queue.embedded.worker import Worker
from shared.queue.port import Delay, Handler, Lane, QueueError
from shared.queue.running import Running
from shared.queue.settlement import Again, Dead, Done, Outcome, attempt

log = structlog.get_logger(__name__)


class LaneConsumer:
    def __init__(
        self, worker: Worker, lane: Lane, handler: Handler, *, concurrency: int, delays: Mapping[Delay, float]
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

    def take(self, message: Taken) -> None:
        self._handling += 1
        self._running.start(self._work(message))

    async def finish(self, grace_s: float) -> None:
        await self._running.finish(grace_s)

    async def _work(self, message: Taken) -> None:
        try:
            outcome = await self._attempt(message)
            await self._worker.ask(Settle(message.seq, self._follow_up(outcome)))
        except asyncio.CancelledError:
            await self._worker.ask(Release(message.seq))
            raise
        except QueueError as error:
            log.warning("outcome_not_stored", lane=self.lane.value, error=str(error))

    async def _attempt(self, message: Taken) -> Outcome:
        """Its place is free once the handler has ended: the next is taken by the turn that settles this one."""
        try:
            return await attempt(
                message.body.encode(), self.lane, self._handler, redelivered=message.redelivered
            )
        finally:
            self._handling -= 1
            self._worker.more_room()

    def _follow_up(self, outcome: Outcome) -> Put | None:
        match outcome:
            case Done():
                return None
            case Again(envelope, delay):
                return Put(self.lane, envelope.model_dump_json(), after_s=self._delays[delay])
            case Dead(letter):
                return Put(Lane.DEAD, letter.model_dump_json())
