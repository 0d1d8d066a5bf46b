"""The lanes, watched: what the engine does not tell, the services do."""

from dataclasses import dataclass, field

from services.enricher.keeper.lanes import HEARD_LASTS_S, LaneWatch
from shared.contracts import LaneWork, ServiceStats
from shared.queue import Lane, LaneMeasure
from shared.telemetry import Metrics

LANE = Lane.PICTURES_NOW


@dataclass
class Measured:
    """Of a queue, all that is measured."""

    measured: LaneMeasure = field(default_factory=lambda: LaneMeasure(10, consumers=2))

    async def depth(self, lane: Lane) -> int:
        return self.measured.waiting

    async def measure(self, lane: Lane) -> LaneMeasure:
        return self.measured


@dataclass
class World:
    queue: Measured = field(default_factory=Measured)
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.watch = LaneWatch(
            self.queue,  # type: ignore[arg-type]  # all of the queue that is used
            Metrics(),
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
    assert (found.oldest_s, found.done_per_s, found.published_per_s) == (2.5, 10.0, 15.0)
    assert (found.waiting, found.consumers, found.exact) == (35, 2, False)


async def test_what_was_said_long_ago_does_not_count() -> None:
    world = World()
    world.says("one", 20, 0.5)
    world.now_s += HEARD_LASTS_S + 1
    found = await world.watch.look(LANE)
    assert (found.oldest_s, found.done_per_s) == (None, None)


async def test_what_the_engine_tells_is_not_guessed() -> None:
    world = World()
    world.says("one", 20, 0.5)
    exact = LaneMeasure(1, 2, 3, oldest_s=9, published_per_s=4, done_per_s=5, exact=True)
    world.queue.measured = exact
    assert await world.watch.look(LANE) == exact
