"""The disk's budget: who leaves, when, how many at once, and what keeps them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from services.enricher.keeper.catalog.budget import ORDER_LASTS, CatalogSettings, DiskBudget
from services.enricher.keeper.catalog.table import CatalogTable
from shared.contracts import Envelope, EvictPictures
from shared.pictures import PictureId
from shared.queue import Delay, Lane, QueueUnavailable
from shared.telemetry import Metrics
from shared.volume import NOTHING, Extent, FloorSettings
from shared.volume.inventory import Space
from tests.unit.catalogs import NOON, Clock, RememberedInventory, failed, holding, opened_table, picture

GIB = 1024**3
MINUTE = timedelta(minutes=1)


@dataclass
class Orders:
    """Of a queue, all that the budget uses."""

    down: bool = False
    jobs: list[EvictPictures] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        if self.down:
            raise QueueUnavailable("the queue is down")
        assert isinstance(envelope.payload, EvictPictures)
        assert delay is None
        self.jobs.append(envelope.payload)
        self.lanes.append(lane)

    @property
    def pictures(self) -> list[PictureId]:
        return [one.picture for job in self.jobs for one in job.pictures]


@dataclass
class World:
    table: CatalogTable
    inventory: RememberedInventory
    orders: Orders
    clock: Clock
    budget: DiskBudget
    lag: timedelta = timedelta()

    async def stored(self, *numbers: int, minutes_ago: float = 60, size: int = 100) -> None:
        at = self.clock.now - minutes_ago * MINUTE
        held = [holding(number, at=at, cached=Extent(size, 10)) for number in numbers]
        self.inventory.put(*held)
        known = {one.picture: one for one in held}
        await self.table.note(known, known, now=at, source_urls={})

    async def gone(self, *numbers: int) -> None:
        """As their records say."""
        await self.table.note([picture(number) for number in numbers], {}, now=self.clock.now, source_urls={})


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[CatalogTable]:
    async with opened_table(tmp_path) as (table, _):
        yield table


def world(
    table: CatalogTable,
    *,
    budget_bytes: int = 0,
    files: int = 0,
    floor_bytes: int = 0,
    videos: "Shelf | None" = None,
) -> World:
    settings = CatalogSettings(
        budget_gb=budget_bytes / GIB,
        budget_files=files,
        room=FloorSettings(free_gb=floor_bytes / GIB, free_files=0),
    )
    inventory, orders, clock = RememberedInventory(), Orders(), Clock()
    made: list[World] = []
    budget = DiskBudget(
        settings,
        table,
        inventory,
        orders,  # type: ignore[arg-type]  # all of the queue that is used
        beside=videos,
        lag=lambda: made[0].lag,
        metrics=Metrics(),
        now=clock,
    )
    made.append(World(table, inventory, orders, clock, budget))
    return made[0]


@dataclass
class Shelf:
    """Of videos, all that the budget knows."""

    bytes: int
    asked: list[Extent] = field(default_factory=list)

    async def extent(self) -> Extent:
        return Extent(self.bytes, 1)

    async def make_room(self, excess: Extent, *, came_before: datetime) -> bool:
        self.asked.append(excess)
        went, self.bytes = self.bytes > 0, 0
        return went


async def test_videos_count_and_leave_only_once_no_picture_can(opened: CatalogTable) -> None:
    shelf = Shelf(500)
    one = world(opened, budget_bytes=1000, videos=shelf)
    await one.stored(*range(6))
    assert (await one.budget.standing()).usage.disk.bytes >= 1100
    assert await one.budget.make_room()
    assert len(one.orders.pictures) == 2  # 95 % of 1000 are left
    assert shelf.asked == []
    await one.gone(*range(6))
    shelf.bytes = 1200
    assert await one.budget.make_room()
    assert [excess.bytes for excess in shelf.asked] == [250]
    assert not await one.budget.make_room()
    shelf.bytes = 0
    assert one.budget.obstacle is None


async def test_within_the_budget_nothing_leaves(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=1000)
    await one.stored(*range(9))
    assert not await one.budget.make_room()
    assert one.orders.jobs == []


async def test_far_from_the_budget_a_change_is_not_looked_at_before_its_time(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=1000)
    due = []
    for numbers in (range(8), range(8, 10), range(10, 11)):
        await one.stored(*numbers)
        one.budget.changed()
        due.append(one.budget.change.is_set())
        one.budget.change.clear()
        await one.budget.make_room()
    assert due == [True, False, True]  # at first nobody knows how it stands


async def test_before_it_is_exceeded_the_longest_unused_leave_until_there_is_some_room(
    opened: CatalogTable,
) -> None:
    one = world(opened, budget_bytes=1000)
    for number in range(10):
        await one.stored(number, minutes_ago=60 - number)
    assert await one.budget.make_room()
    assert one.orders.pictures == [picture(0)]
    assert not await one.budget.make_room()  # what is leaving counts as gone
    await one.gone(0)
    await one.stored(10, minutes_ago=40, size=60)
    assert not await one.budget.make_room()  # 96 %: below where it begins
    assert len(one.orders.jobs) == 1


async def test_once_begun_room_is_made_down_to_the_lower_mark(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10_000)
    await one.stored(*range(120))
    while await one.budget.make_room():
        assert len(one.orders.jobs) < 10
    assert len(one.orders.pictures) == 25  # 95 % of 10,000 are 95 of them


async def test_files_are_budgeted_too(opened: CatalogTable) -> None:
    one = world(opened, files=100)
    await one.stored(*range(10))
    await one.budget.make_room()
    assert len(one.orders.pictures) == 1


async def test_without_limits_nothing_ever_leaves(opened: CatalogTable) -> None:
    one = world(opened)
    await one.stored(*range(10), size=10**12)
    assert not await one.budget.make_room()


async def test_room_is_made_before_fetchers_stop_at_the_floor(opened: CatalogTable) -> None:
    one = world(opened, floor_bytes=1000)
    await one.stored(*range(10))
    one.inventory.left = Space(1051, None)
    assert not await one.budget.make_room()
    one.inventory.left = Space(1000, None)
    await one.budget.make_room()
    assert len(one.orders.pictures) == 1  # up to 110 %
    one.inventory.left = Space(0, None)
    await one.budget.make_room()
    assert len(one.orders.pictures) == 10


async def test_the_young_and_the_just_used_stay(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=100)
    await one.stored(1, minutes_ago=9)
    await one.stored(2)
    await opened.used([picture(2)], NOON - timedelta(seconds=59))
    assert not await one.budget.make_room()
    assert one.budget.obstacle is not None
    assert "younger than EVICTION_GRACE" in one.budget.obstacle
    one.clock.advance(minutes=1, seconds=2)
    await one.budget.make_room()
    assert set(one.orders.pictures) == {picture(1), picture(2)}
    assert one.budget.obstacle is None


async def test_an_order_carries_what_was_chosen(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    await one.stored(1)
    await one.budget.make_room()
    (chosen,) = one.orders.jobs[0].pictures
    entry = await opened.of_picture(picture(1))
    assert entry
    assert (chosen.revision, chosen.fetched_at) == (entry.revision, entry.cached_at)
    assert one.orders.lanes == [Lane.PICTURES_NOW]
    assert chosen.fetched_at == NOON - 60 * MINUTE


async def test_only_so_many_leave_at_once(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    for first in range(0, 700, 100):
        await one.stored(*range(first, first + 100))
    for _ in range(10):
        assert await one.budget.make_room()
    assert [len(job.pictures) for job in one.orders.jobs] == [100] * 3
    await one.gone(*range(700))
    assert not await one.budget.make_room()


async def test_what_got_lost_on_its_way_is_ordered_again(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    await one.stored(1)
    await one.budget.make_room()
    await one.budget.make_room()
    assert one.orders.pictures == [picture(1)]
    one.clock.advance(seconds=ORDER_LASTS.total_seconds() + 1)
    await one.budget.make_room()
    assert one.orders.pictures == [picture(1)] * 2


async def test_a_restart_orders_nothing_twice(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    await one.stored(1)
    await one.budget.make_room()
    again = world(opened, budget_bytes=10)
    await again.budget.make_room()
    assert again.orders.jobs == []


async def test_what_could_not_be_ordered_is_ordered_when_the_queue_is_back(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    await one.stored(1)
    one.orders.down = True
    with pytest.raises(QueueUnavailable):
        await one.budget.make_room()
    one.orders.down = False
    await one.budget.make_room()
    assert one.orders.pictures == [picture(1)]


async def test_a_catalog_far_behind_lets_nothing_go(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    await one.stored(1)
    one.lag = timedelta(minutes=6)
    assert not await one.budget.make_room()
    assert one.budget.obstacle is not None
    assert "too far behind" in one.budget.obstacle
    assert one.orders.jobs == []
    one.lag = timedelta(minutes=4)
    assert await one.budget.make_room()


async def test_a_volume_that_cannot_be_read_lets_nothing_go(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    await one.stored(1)
    one.inventory.away = True
    with pytest.raises(FileNotFoundError):
        await one.budget.make_room()
    assert one.orders.jobs == []


async def test_failures_go_a_day_after_their_end(opened: CatalogTable) -> None:
    one = world(opened)
    old, young = failed(1, at=NOON - timedelta(days=2)), failed(2)
    known = {old.picture: old, young.picture: young}
    await opened.note(known, known, now=NOON, source_urls={})
    await one.budget.tidy()
    await one.budget.tidy()
    (job,) = one.orders.jobs
    assert one.orders.lanes == [Lane.PICTURES_LATER]
    assert [(chosen.picture, chosen.revision) for chosen in job.pictures] == [(picture(1), None)]


async def test_what_goes_next_is_told_without_letting_it_go(opened: CatalogTable) -> None:
    one = world(opened, budget_bytes=10)
    await one.stored(1, minutes_ago=50)
    await one.stored(2)
    assert [entry.picture for entry in await one.budget.next(at_most=9)] == [picture(2), picture(1)]
    standing = await one.budget.standing()
    assert (standing.usage.disk, standing.excess.bytes) == (Extent(200, 20), 191)
    assert standing.usage.leaving == NOTHING
    assert one.orders.jobs == []
