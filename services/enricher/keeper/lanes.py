"""The lanes, watched: how full they are, how old what is taken is, and how fast they move."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from shared.background import Background
from shared.contracts import Envelope, LaneWork, ServiceStats
from shared.queue import Lane, LaneMeasure, Queue, QueueError
from shared.telemetry import Metrics

MEASURE_EVERY_S = 5.0
HEARD_LASTS_S = 15.0
"""So long what a service said of itself counts."""

INSTANCES_AT_MOST = 1000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Heard:
    at_s: float
    stats: ServiceStats


@dataclass(frozen=True, slots=True)
class _Measured:
    at_s: float
    waiting: int


class LaneWatch:
    def __init__(
        self, queue: Queue, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queue = queue
        self._metrics = metrics
        self._clock = clock
        self._heard: dict[str, _Heard] = {}
        self._before: dict[Lane, _Measured] = {}

    def hear(self, stats: ServiceStats) -> None:
        """What a service took in the last few seconds."""
        self._forget()
        if len(self._heard) < INSTANCES_AT_MOST:
            self._heard[stats.instance] = _Heard(self._clock(), stats)

    async def look(self, lane: Lane) -> LaneMeasure:
        """How the lane is: as the engine tells, and where it does not, as the services do. Raise QueueUnavailable."""
        self._forget()
        found = await self._queue.measure(lane)
        work = [heard.stats.lanes[lane] for heard in self._heard.values() if lane in heard.stats.lanes]
        if found.oldest_s is None:
            found = replace(found, oldest_s=max((one.oldest_s for one in work), default=None))
        if found.done_per_s is None and self._heard:
            found = replace(found, done_per_s=self._per_s(lane))
        if found.published_per_s is None and found.done_per_s is not None:
            growth = self._growth_per_s(lane, found.waiting)
            if growth is not None:
                found = replace(found, published_per_s=max(0.0, round(found.done_per_s + growth, 2)))
        return found

    async def measure(self) -> None:
        """For metrics, and to know later how it was."""
        for lane in Lane:
            try:
                waiting = await self._queue.depth(lane)
            except QueueError as error:
                _log.warning("lane not measured", lane=lane, error=str(error))
                continue
            self._metrics.lane_depth.labels(lane).set(waiting)
            self._before[lane] = _Measured(self._clock(), waiting)

    def _per_s(self, lane: Lane) -> float:
        said = (heard.stats for heard in self._heard.values())
        return round(
            sum(one.lanes.get(lane, LaneWork(jobs=0, oldest_s=0)).jobs / one.during_s for one in said), 2
        )

    def _growth_per_s(self, lane: Lane, waiting: int) -> float | None:
        before = self._before.get(lane)
        if before is None or self._clock() - before.at_s < 1.0:
            return 0.0 if before else None
        return (waiting - before.waiting) / (self._clock() - before.at_s)

    def _forget(self) -> None:
        old = self._clock() - HEARD_LASTS_S
        self._heard = {name: heard for name, heard in self._heard.items() if heard.at_s > old}


@asynccontextmanager
async def watching_lanes(watch: LaneWatch, queue: Queue, background: Background) -> AsyncIterator[None]:
    async def hear(event: Envelope) -> None:
        if isinstance(event.payload, ServiceStats):
            watch.hear(event.payload)

    measuring = background.repeating("measuring lanes", watch.measure, every_s=MEASURE_EVERY_S)
    async with measuring, queue.listen(hear):
        yield
