"""The lanes, watched: what the engine does not tell, the services do."""

from dataclasses import dataclass, field

from structlog.testing import capture_logs

from services.enricher.keeper.lanes import SAMPLES_AT_MOST, LaneHead, LaneWatch
from shared.contracts import LaneWork, ServiceStats
from shared.queue import Lane, LaneMeasure, QueueUnavailable
from shared.queue.peers import HEARD_LASTS_S
from shared.telemetry import Metrics

LANE = Lane.PICTURES_NOW


@dataclass
class Measured:
    """Of a queue, all that is measured."""

    measured: LaneMeasure = field(default_factory=lambda: LaneMeasure(10, consumers=2))

    postponed: int = 0
    down: bool = False

    async def measure(self, lane: Lane) -> LaneMeasure:
        if self.down:
            raise QueueUnavailable("the broker is away")
        return self.measured

    async def put_off(self) -> int:
        return self.postponed


@dataclass
class World:
    queue: Measured = field(default_factory=Measured)
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.watch = LaneWatch(
            self.queue,  # type: ignore[arg-type]  # all of the queue that is used
            self.metrics,
            clock=lambda: self.now_s,
        )

    def says(self, instance: str, jobs: int, oldest_s: float) -> None:
        work = {LANE.value: LaneWork(jobs=jobs, oldest_s=oldest_s)}
        self.watch.hear(ServiceStats(service="fetcher", instance=instance, during_s=5, lanes=work))


async def test_age_and_pace_are_what_the_services_say_together() -> None:
    world = World()
    await world.watch.measure()
    world.says("one", 20, 0.5)
    world.says("two", 30, 2.5)
    world.now_s += 5
    world.queue.measured = LaneMeasure(35, consumers=2)
    found = await world.watch.look(LANE)
    assert (found.done_per_s, found.published_per_s) == (10.0, 15.0)
    assert (found.waiting, found.consumers, found.exact) == (35, 2, False)


async def test_what_was_said_long_ago_does_not_count() -> None:
    world = World()
    world.says("one", 20, 0.5)
    world.now_s += HEARD_LASTS_S + 1
    assert (await world.watch.look(LANE)).done_per_s is None


async def test_what_the_engine_tells_is_not_guessed() -> None:
    world = World()
    world.says("one", 20, 0.5)
    exact = LaneMeasure(1, 2, 3, oldest_s=9, published_per_s=4, done_per_s=5, exact=True)
    world.queue.measured = exact
    assert await world.watch.look(LANE) == exact


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_a_lane_that_nobody_takes_from_grows_old_with_all_who_took_dead() -> None:
    world = World()
    world.queue.measured = LaneMeasure(0, consumers=0)
    await world.watch.measure()
    world.queue.measured = LaneMeasure(505, consumers=0)
    for _ in range(60):
        world.now_s += 5
        await world.watch.measure()
    assert value(world.metrics, "onesheet_lane_oldest_seconds", lane=LANE) == 300
    assert value(world.metrics, "onesheet_lane_depth", lane=LANE) == 505
    assert value(world.metrics, "onesheet_lane_consumers", lane=LANE) == 0
    assert (await world.watch.look(LANE)).oldest_s == 300


def test_the_oldest_is_as_old_as_what_came_in_its_place_whatever_came_and_went_since() -> None:
    """100 come each 10 s and 50 go: at the 100th second the 501st waits, which came in the fifth ten seconds."""
    head = LaneHead()
    for second in range(0, 101, 10):
        head.went(50 if second else 0)
        head.waits(second * 5 or 0, float(second))
    assert 50 <= (head.oldest_s(500, 100.0) or 0) <= 60


def test_an_emptied_lane_is_young_again_and_a_long_backlog_takes_little_memory() -> None:
    head = LaneHead()
    for second in range(SAMPLES_AT_MOST * 20):
        head.waits(second + 1, float(second))
    assert len(head._samples) <= SAMPLES_AT_MOST
    assert head.oldest_s(1, 20_000.0) == 20_000
    head.went(SAMPLES_AT_MOST * 20)
    head.waits(0, 20_001.0)
    assert head.oldest_s(0, 20_001.0) is None
    head.waits(3, 20_010.0)
    assert head.oldest_s(3, 20_020.0) == 19


async def test_what_cannot_be_measured_is_absent_and_told_once() -> None:
    world = World()
    world.queue.postponed = 16
    gauges = ("onesheet_lane_depth", "onesheet_lane_oldest_seconds", "onesheet_lane_consumers")
    with capture_logs() as lines:
        await world.watch.measure()
        assert value(world.metrics, "onesheet_jobs_put_off") == 16
        world.queue.down = True
        for _ in range(10):
            await world.watch.measure()
        assert [value(world.metrics, gauge, lane=LANE) for gauge in gauges] == [None] * 3
        assert value(world.metrics, "onesheet_jobs_put_off") is None
        world.queue.down = False
        await world.watch.measure()
    assert value(world.metrics, "onesheet_lane_depth", lane=LANE) == 10
    assert [line["event"] for line in lines] == ["lanes not measured", "lanes measured again"]
