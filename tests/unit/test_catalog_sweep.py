"""Keeping the catalog right: records in any order, a sweep for what they missed, use, and refreshes that are due."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from services.enricher.keeper.catalog.indexer import AccessTimes, Indexer, Sweep
from services.enricher.keeper.catalog.opening import Refreshing
from services.enricher.keeper.catalog.table import CatalogFilter, CatalogTable
from shared.background import Background
from shared.contracts import Envelope, RefreshPicture
from shared.pictures import HostRules, PictureId, SourceUrl
from shared.queue import Delay, Lane
from shared.telemetry import Metrics
from shared.volume import Mark
from shared.volume.inventory import UNMARKED
from tests.unit.catalogs import (
    NOON,
    Clock,
    RememberedInventory,
    failed,
    holding,
    opened_table,
    picture,
    source,
)

HOUR = timedelta(hours=1)


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[CatalogTable]:
    async with opened_table(tmp_path) as (table, _):
        yield table


@pytest.fixture
def inventory() -> RememberedInventory:
    return RememberedInventory()


@pytest.fixture
def sweep(table: CatalogTable, inventory: RememberedInventory) -> Sweep:
    return Sweep(table, inventory, now=Clock(), alone=True)


async def known(table: CatalogTable) -> set[PictureId]:
    return {entry.picture for entry in await table.list(CatalogFilter(), limit=1000, offset=0)}


async def test_a_record_is_about_what_the_volume_has_when_it_is_read(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    looking = Indexer(table, inventory, now=Clock(), gathers_s=0)
    inventory.put(holding(1))
    await looking.look({picture(1): None}, NOON)
    await looking.look({picture(2): str(source(2))}, NOON)
    assert await known(table) == {picture(1)}
    inventory.held.clear()
    await looking.look({picture(1): None}, NOON)
    assert await known(table) == set()


async def test_records_that_come_together_are_one_round(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    looking = Indexer(table, inventory, now=Clock(), gathers_s=0)
    inventory.put(*(holding(number) for number in range(50)))
    await asyncio.gather(*(looking.look({picture(number % 50): None}, NOON) for number in range(200)))
    assert len(await known(table)) == 50
    assert len(inventory.looked_at) == 50


async def test_the_url_of_a_failure_is_the_one_that_was_said(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    looking = Indexer(table, inventory, now=Clock(), gathers_s=0)
    inventory.put(failed(1))
    await asyncio.gather(
        looking.look({picture(1): str(source(1))}, NOON), looking.look({picture(1): None}, NOON)
    )
    assert await table.source_url_of(picture(1)) == str(source(1))


async def test_how_far_behind_the_records_are_is_known_for_a_while(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    clock = Clock()
    looking = Indexer(table, inventory, now=clock, gathers_s=0)
    assert looking.lag == timedelta()
    await looking.look({picture(1): None}, NOON - HOUR)
    assert looking.lag == HOUR
    clock.advance(seconds=6)
    assert looking.lag == timedelta()


async def test_a_round_that_failed_is_told_to_all_and_the_next_works(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    looking = Indexer(table, inventory, now=Clock(), gathers_s=0)
    inventory.put(holding(1))
    inventory.away = True
    results = await asyncio.gather(
        *(looking.look({picture(1): None}, NOON) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [FileNotFoundError] * 3
    inventory.away = False
    await looking.look({picture(1): None}, NOON)
    assert await known(table) == {picture(1)}


async def test_a_sweep_finds_what_records_missed(
    table: CatalogTable, inventory: RememberedInventory, sweep: Sweep
) -> None:
    inventory.put(*(holding(number) for number in range(300)))
    swept = await sweep.all()
    assert (swept.pictures, swept.changed) == (300, 300)
    del inventory.held[picture(1)]
    inventory.put(holding(2, mark=2, mime="image/png"), holding(300))
    swept = await sweep.all()
    assert (swept.pictures, swept.changed) == (300, 3)
    assert await known(table) == {picture(number) for number in range(301)} - {picture(1)}
    changed = await table.of_picture(picture(2))
    assert changed
    assert changed.mime_type == "image/png"


async def test_a_sweep_looks_at_nothing_that_is_as_it_was(
    inventory: RememberedInventory, sweep: Sweep
) -> None:
    inventory.put(*(holding(number) for number in range(10)))
    await sweep.all()
    inventory.looked_at.clear()
    await sweep.all()
    assert inventory.looked_at == []


async def test_after_the_first_sweep_only_parts_that_changed_are_looked_at_and_all_of_each_shelf_in_turns(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    some = [holding(number) for number in range(60)]
    inventory.put(*some)
    inventory.shelves = tuple(sorted({one.picture[:2] for one in some}))
    sweep = Sweep(table, inventory, now=Clock(), wholes=1)
    await sweep.all()
    assert inventory.asked_for_marks == list(inventory.shelves)
    turns = []
    for _ in inventory.shelves:
        inventory.asked_for_marks.clear()
        await sweep.all()
        turns += inventory.asked_for_marks
    assert sorted(turns) == list(inventory.shelves)

    gone = next(one.picture for one in some if not one.picture.startswith(inventory.shelves[1]))
    del inventory.held[gone]
    inventory.mark_part(gone[:4], Mark(2))
    inventory.asked_for_marks.clear()
    await sweep.all()
    assert gone[:4] in inventory.asked_for_marks
    assert len(inventory.asked_for_marks) == 2
    assert await known(table) == {one.picture for one in some} - {gone}


async def test_a_part_that_is_still_changing_is_looked_at_each_time(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    inventory.shelves = ("00", "01")
    inventory.mark_part("01ab", UNMARKED)
    sweep = Sweep(table, inventory, now=Clock(), wholes=0)
    for expected in (["00", "01"], ["01ab"], ["01ab"]):
        inventory.asked_for_marks.clear()
        await sweep.all()
        assert inventory.asked_for_marks == expected


async def test_what_a_sweep_could_not_read_it_looks_at_the_next_time(
    table: CatalogTable, inventory: RememberedInventory
) -> None:
    inventory.shelves = ("00",)
    sweep = Sweep(table, inventory, now=Clock(), wholes=0)
    await sweep.all()
    inventory.mark_part("00ab", Mark(2))
    inventory.away_for_marks = True
    with pytest.raises(FileNotFoundError):
        await sweep.all()
    inventory.away_for_marks = False
    inventory.asked_for_marks.clear()
    await sweep.all()
    assert inventory.asked_for_marks == ["00ab"]


async def test_a_volume_that_is_away_costs_nothing(
    table: CatalogTable, inventory: RememberedInventory, sweep: Sweep
) -> None:
    inventory.put(holding(1))
    await sweep.all()
    inventory.away = True
    with pytest.raises(FileNotFoundError):
        await sweep.all()
    assert await known(table) == {picture(1)}


async def test_a_rebuilt_catalog_is_the_same(
    table: CatalogTable, inventory: RememberedInventory, sweep: Sweep
) -> None:
    inventory.put(*(holding(number) for number in range(20)), failed(20))
    await sweep.all()
    before = {number: await table.of_picture(picture(number)) for number in range(21)}
    totals = await table.totals({"day": NOON.date()})
    swept = await sweep.rebuild()
    assert swept.pictures == 21
    assert {number: await table.of_picture(picture(number)) for number in range(21)} == before
    assert await table.totals({"day": NOON.date()}) == totals


async def test_use_is_noted_together_and_once_a_minute(table: CatalogTable) -> None:
    held = {picture(1): holding(1)}
    await table.note(held, held, now=NOON, source_urls={})
    clock = Clock(NOON + HOUR)
    use = AccessTimes(table, now=clock)
    async with use.noting(Background(Metrics())):
        use.hear([picture(1), picture(2)])
        await use.note()
        clock.advance(seconds=30)
        use.hear([picture(1)])
    entry = await table.of_picture(picture(1))
    assert entry
    assert entry.last_accessed == NOON + HOUR


async def test_what_was_used_last_is_noted_at_the_end(table: CatalogTable) -> None:
    held = {picture(1): holding(1)}
    await table.note(held, held, now=NOON, source_urls={})
    use = AccessTimes(table, now=Clock(NOON + HOUR))
    async with use.noting(Background(Metrics())):
        use.hear([picture(1)])
    entry = await table.of_picture(picture(1))
    assert entry
    assert entry.last_accessed == NOON + HOUR


@dataclass
class Orders:
    sources: list[SourceUrl] = field(default_factory=list)

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        assert isinstance(envelope.payload, RefreshPicture)
        assert (lane, delay) == (Lane.PICTURES_LATER, None)
        self.sources.append(envelope.payload.source_url)


async def refreshed(table: CatalogTable, *hosts: str) -> list[SourceUrl]:
    orders = Orders()
    refreshing = Refreshing(
        table,
        orders,  # type: ignore[arg-type]  # all of the queue that is used
        HostRules.of(hosts),
        now=Clock(NOON + HOUR),
    )
    for _ in range(2):
        await refreshing.refresh()
    return orders.sources


async def test_what_is_due_is_refreshed_once_in_a_while(table: CatalogTable) -> None:
    url = "https://static-cdn.jtvnw.net/a.jpg"
    due = holding(1, fresh_until=NOON)
    assert due.manifest
    changeable = SourceUrl.parse(url)
    manifest = due.manifest.model_copy(update={"source_url": url})
    one = type(due)(
        changeable.picture, due.revision, due.tree, manifest, due.state, due.cached, due.kept, due.mark
    )
    never_changes = holding(2, fresh_until=NOON)
    held = {one.picture: one, never_changes.picture: never_changes}
    await table.note(held, held, now=NOON, source_urls={})
    assert await refreshed(table, "static-cdn.jtvnw.net", "image.tmdb.org") == [changeable]
    assert await refreshed(table, "image.tmdb.org") == []
