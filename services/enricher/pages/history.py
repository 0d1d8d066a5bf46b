"""The last hour of all services, minute by minute, as they tell of themselves; and how it is drawn."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.contracts import Envelope, ServiceStats
from shared.queue import Queue
from shared.telemetry import utc_now

MINUTES = 60
HITS = frozenset({"hit", "hit by nginx"})
WAITING_COUNTS_FOR = timedelta(seconds=15)


@dataclass(slots=True)
class Minute:
    at: datetime
    jobs: Counter[str] = field(default_factory=Counter)
    """That were taken, by lane."""
    counted: Mapping[str, Counter[str]] = field(
        default_factory=lambda: {"served": Counter(), "failures": Counter(), "first_picture": Counter()}
    )


class History:
    def __init__(self, *, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._waiting: dict[str, tuple[datetime, int]] = {}

    @asynccontextmanager
    async def listening(self, queue: Queue) -> AsyncIterator[None]:
        async with queue.listen(self._hear_event, ServiceStats):
            yield

    def hear(self, stats: ServiceStats) -> None:
        minute = self._this_minute()
        for lane, work in stats.lanes.items():
            minute.jobs[lane] += work.jobs
        for what, counter in minute.counted.items():
            counter.update({name: round(count) for name, count in stats.counted.get(what, {}).items()})
        now = self._now()
        self._waiting[stats.instance] = now, stats.waiting
        self._waiting = {
            name: told for name, told in self._waiting.items() if now - told[0] < WAITING_COUNTS_FOR
        }

    @property
    def waiting(self) -> int:
        """Requests that wait for a picture, at all proxies."""
        now = self._now()
        return sum(count for at, count in self._waiting.values() if now - at < WAITING_COUNTS_FOR)

    def total(self, what: str) -> Counter[str]:
        """Of the last hour, by its label."""
        return sum((minute.counted[what] for minute in self.minutes()), Counter())

    def minutes(self) -> Sequence[Minute]:
        """Sixty, the present one last; empty where nobody told anything."""
        known = {minute.at: minute for minute in self._minutes}
        last = self._now().replace(second=0, microsecond=0)
        moments = [last - timedelta(minutes=back) for back in reversed(range(MINUTES))]
        return [known.get(at) or Minute(at) for at in moments]

    def jobs(self, lane: str) -> "Plot":
        """Taken a second. The present minute is left out, which is not over."""
        return Plot.of(minute.jobs[lane] / 60 for minute in self.minutes()[:-1])

    def rate(self, what: str) -> "Plot":
        """Counted a second, of all labels."""
        return Plot.of(minute.counted[what].total() / 60 for minute in self.minutes()[:-1])

    @property
    def hit_ratio(self) -> float | None:
        """With what nginx served, as far as it tells. None: nothing was asked for."""
        served = self.total("served")
        hits = sum(count for outcome, count in served.items() if outcome in HITS)
        asked = hits + served["miss"] + served["late"]
        return hits / asked if asked else None

    def first_picture_s(self, quantile: float) -> float | None:
        """So long a miss took at most, in this share of the cases; within the bounds that are counted by."""
        return quantile_of(self.total("first_picture"), quantile)

    async def _hear_event(self, event: Envelope) -> None:
        if isinstance(event.payload, ServiceStats):
            self.hear(event.payload)

    def _this_minute(self) -> Minute:
        at = self._now().replace(second=0, microsecond=0)
        if not self._minutes or self._minutes[-1].at < at:
            self._minutes.append(Minute(at))
        return self._minutes[-1]


def quantile_of(counts: Mapping[str, int], quantile: float) -> float | None:
    """`counts`: how many took at most so many seconds, and longer than the bound before."""
    bounds = sorted((float(bound), count) for bound, count in counts.items())
    wanted, below, lower = quantile * sum(counts.values()), 0, 0.0
    for bound, count in bounds:
        if count and below + count >= wanted:
            upper = bound if bound != float("inf") else lower
            return lower + (upper - lower) * (wanted - below) / count
        below, lower = below + count, bound
    return None


WIDTH, HEIGHT = 300.0, 60.0


@dataclass(frozen=True, slots=True)
class Plot:
    """A line through values at equal distances, as the path of an SVG that is WIDTH × HEIGHT."""

    line: str
    area: str
    most: float
    last: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Plot":
        heights = list(values)
        most = max(heights, default=0.0)
        step = WIDTH / max(1, len(heights) - 1)
        scale = (HEIGHT - 4) / most if most else 0.0
        points = [
            f"{place * step:.1f} {HEIGHT - 2 - height * scale:.1f}" for place, height in enumerate(heights)
        ]
        line = "M" + "L".join(points)
        return cls(
            line, f"{line}L{WIDTH:.0f} {HEIGHT:.0f}L0 {HEIGHT:.0f}Z", most, heights[-1] if heights else 0.0
        )
