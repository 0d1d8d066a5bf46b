"""The lanes, watched: how full they are, how long the oldest has waited, how fast they move; and what else waits."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from shared.background import Background
from shared.contracts import Envelope, ServiceStats
from shared.queue import Lane, LaneMeasure, Peers, Queue, QueueError
from shared.telemetry import Metrics

MEASURE_EVERY_S = 5.0
SAMPLES_AT_MOST = 1000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    came: int


class LaneHead:
    """How long the first message of a lane has waited, as far as can be told from how many came and went.

    RabbitMQ tells it of no quorum queue. This is right within the pause between two looks; a lane that was not empty when it
    was first looked at is older than that.
    """

    def __init__(self) -> None:
        self._went = 0
        self._samples: deque[_Sample] = deque()

    def went(self, jobs: int) -> None:
        """So many were taken."""
        self._went += jobs
        self._forget_what_went()

    def waits(self, waiting: int, at_s: float) -> None:
        """So many were there when somebody looked."""
        if not waiting:
            self._samples.clear()
        came = self._went + waiting
        if not self._samples or came > self._samples[-1].came:
            self._samples.append(_Sample(at_s, came))
        self._forget_what_went()
        if len(self._samples) > SAMPLES_AT_MOST:
            self._samples = deque(list(self._samples)[::2])

    def oldest_s(self, waiting: int, now_s: float) -> float | None:
        if not waiting:
            return None
        return round(now_s - self._samples[0].at_s, 1) if self._samples else 0.0

    def _forget_what_went(self) -> None:
        """The first that is left was looked at when what waits in front was not there yet."""
        while len(self._samples) > 1 and self._samples[1].came <= self._went:
            self._samples.popleft()


@dataclass(frozen=True, slots=True)
class _Measured:
    at_s: float
    waiting: int


class LaneWatch:
    def __init__(
        self, queue: Queue, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.peers = Peers(metrics, clock=clock)
        self._queue = queue
        self._metrics = metrics
        self._clock = clock
        self._heads: dict[Lane, LaneHead] = defaultdict(LaneHead)
        self._before: dict[Lane, _Measured] = {}
        self._is_blind = False

    def hear(self, stats: ServiceStats) -> None:
        """What a service took in the last few seconds."""
        self.peers.hear(stats)
        for lane in Lane:
            if work := stats.lanes.get(lane):
                self._heads[lane].went(work.jobs)

    async def look(self, lane: Lane) -> LaneMeasure:
        """How the lane is: as the engine tells, and where it does not, as can be told from what the services say. Raise
        QueueUnavailable.
        """
        found = await self._queue.measure(lane)
        if found.oldest_s is None:
            head = self._heads[lane]
            head.waits(found.waiting, self._clock())
            found = replace(found, oldest_s=head.oldest_s(found.waiting, self._clock()))
        said = self.peers.stats
        if found.done_per_s is None and said:
            done_per_s = sum(one.lanes[lane].jobs / one.during_s for one in said if lane in one.lanes)
            found = replace(found, done_per_s=round(done_per_s, 2))
        if found.published_per_s is None and found.done_per_s is not None:
            growth = self._growth_per_s(lane, found.waiting)
            if growth is not None:
                found = replace(found, published_per_s=max(0.0, round(found.done_per_s + growth, 2)))
        return found

    async def look_at_all(self) -> Sequence[LaneMeasure]:
        """In their order. Raise QueueUnavailable."""
        return await asyncio.gather(*map(self.look, Lane))

    async def put_off(self) -> int:
        """How many of all lanes come back later. Raise QueueUnavailable."""
        return await self._queue.put_off()

    async def measure(self) -> None:
        """For metrics, and to know later how it was. What cannot be measured is not told."""
        try:
            put_off = await self.put_off()
            lanes = await self.look_at_all()
        except QueueError as error:
            self._forget(error)
            return
        if self._is_blind:
            _log.info("lanes measured again")
        self._is_blind = False
        self._metrics.jobs_put_off.set(put_off)
        for lane, found in zip(Lane, lanes, strict=True):
            self._metrics.lane_depth.set(found.waiting, lane)
            self._metrics.lane_oldest_seconds.set(found.oldest_s or 0.0, lane)
            if found.consumers is not None:
                self._metrics.lane_consumers.set(found.consumers, lane)
            self._before[lane] = _Measured(self._clock(), found.waiting)

    def _forget(self, error: QueueError) -> None:
        if not self._is_blind:
            _log.warning("lanes not measured", error=str(error))
        self._is_blind = True
        self._metrics.jobs_put_off.forget()
        for lane in Lane:
            for gauge in (
                self._metrics.lane_depth,
                self._metrics.lane_oldest_seconds,
                self._metrics.lane_consumers,
            ):
                gauge.forget(lane)

    def _growth_per_s(self, lane: Lane, waiting: int) -> float | None:
        before = self._before.get(lane)
        if before is None or self._clock() - before.at_s < 1.0:
            return 0.0 if before else None
        return (waiting - before.waiting) / (self._clock() - before.at_s)


@asynccontextmanager
async def watching_lanes(watch: LaneWatch, queue: Queue, background: Background) -> AsyncIterator[None]:
    async def hear(event: Envelope) -> None:
        if isinstance(event.payload, ServiceStats):
            watch.hear(event.payload)

    measuring = background.repeating("measuring lanes", watch.measure, every_s=MEASURE_EVERY_S)
    async with measuring, queue.listen(hear, ServiceStats):
        yield
