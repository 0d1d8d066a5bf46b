"""How full the lanes are, as far as one publisher needs to know to keep LANE_LIMIT.

The limit is kept by publishers and not by the queues, whose arguments cannot change. A lane is asked for
its depth about once a second and the own publishes since are added: several publishers together overshoot
by what they publish in that second.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.queue.port import Lane, QueueError, QueueFull

FRESH_FOR_S = 1.0
"""A reading older than this is renewed beside the publish that finds it."""
ASK_AGAIN_AFTER_S = 0.1
"""At the limit a publish waits for a new reading, but not for one more often than this."""


@dataclass
class Reading:
    at: float
    waiting: int


class LaneGauge:
    def __init__(self, ask: Callable[[Lane], Awaitable[int]], *, limit: int) -> None:
        self._ask = ask
        self._limit = limit
        self._readings: dict[Lane, Reading] = {}
        self._asking: dict[Lane, asyncio.Task[Reading]] = {}

    async def admit(self, lane: Lane) -> None:
        """Count one more message for the lane; raise QueueFull when it is at its limit."""
        if lane is Lane.DEAD:
            return
        reading = self._readings.get(lane)
        if reading is None or (reading.waiting >= self._limit and self._age(reading) >= ASK_AGAIN_AFTER_S):
            reading = await asyncio.shield(self._renewal(lane))
        elif self._age(reading) >= FRESH_FOR_S:
            self._renewal(lane)
        if reading.waiting >= self._limit:
            raise QueueFull(f"the lane {lane} holds its limit of {self._limit} messages")
        reading.waiting += 1

    async def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _age(self, reading: Reading) -> float:
        return asyncio.get_running_loop().time() - reading.at

    def _renewal(self, lane: Lane) -> asyncio.Task[Reading]:
        """The question under way for this lane: everybody who waits shares it."""
        if lane not in self._asking:
            task = asyncio.create_task(self._renew(lane))
            task.add_done_callback(lambda done: self._answered(lane, done))
            self._asking[lane] = task
        return self._asking[lane]

    async def _renew(self, lane: Lane) -> Reading:
        waiting = await self._ask(lane)
        reading = Reading(asyncio.get_running_loop().time(), waiting)
        self._readings[lane] = reading
        return reading

    def _answered(self, lane: Lane, task: asyncio.Task[Reading]) -> None:
        del self._asking[lane]
        if not task.cancelled() and isinstance(task.exception(), QueueError):
            return  # the publishes that find the broker away say so themselves
