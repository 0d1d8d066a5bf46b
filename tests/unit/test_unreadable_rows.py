"""Rows of another version: passed over and counted, and never in the way of those that can be read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from structlog.testing import capture_logs

from services.enricher.database.database import Database
from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.finder.resolving.opening import AT_MOST
from services.enricher.finder.resolving.table import ArtworkTable, Shown
from services.enricher.finder.tables import artwork
from services.enricher.keeper.catalog.table import CatalogTable
from services.enricher.keeper.dead_letters import LetterFilter
from services.enricher.keeper.dead_letters.table import LetterTable
from services.enricher.keeper.tables import cached_images, dead_letters
from services.enricher.wings import SHOWN_BY
from shared.pictures import Name
from shared.telemetry import Metrics
from shared.volume import Extent
from tests.unit.catalogs import NOON, holding, picture, source
from tests.unit.test_budget_of_disk import World, world
from tests.unit.test_dead_letters import died

MB = 1_000_000
DUE = NOON - timedelta(hours=1)


@dataclass
class Opened:
    database: Database
    metrics: Metrics

    def passed_over(self, table: str) -> float | None:
        return self.metrics.registry.get_sample_value("onesheet_unreadable_rows_total", {"table": table})

    async def put_artworks(self, count: int, **changed: object) -> None:
        rows = [
            {
                "kind": "movie",
                "content_id": f"tmdb:{number}",
                "role": "poster",
                "picture_id": picture(number),
                "source_url": str(source(number)),
                "pinned": False,
                "checked_at": DUE,
                "refresh_at": DUE,
            }
            | changed
            for number in range(count)
        ]
        await self.database.write(lambda connection: connection.execute(insert(artwork), rows))


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    metrics = Metrics()
    async with open_database(DatabaseSettings(), state_dir=tmp_path, metrics=metrics) as database:
        yield Opened(database, metrics)


async def over_budget(opened: Opened, kind: str) -> World:
    """By 18 MB, with two pictures of which the longer unused one is of that kind."""
    table = CatalogTable(opened.database, SHOWN_BY)
    one = world(table, budget_bytes=20 * MB)
    await one.stored(1, minutes_ago=120, size=19 * MB)
    await one.stored(2, minutes_ago=60, size=19 * MB)
    change = update(cached_images).where(cached_images.c.picture_id == picture(1)).values(kind=kind)
    await opened.database.write(lambda connection: connection.execute(change))
    return one


async def test_a_picture_of_an_unknown_kind_is_evicted_like_any_other(opened: Opened) -> None:
    one = await over_budget(opened, "channel")
    assert await one.budget.make_room()
    assert one.orders.pictures == [picture(1)]


async def test_a_picture_of_an_unknown_kind_is_looked_at_and_told_like_any_other(opened: Opened) -> None:
    table = CatalogTable(opened.database, SHOWN_BY)
    await opened.put_artworks(2, kind="channel")
    held = {picture(1): holding(1, cached=Extent(100, 10))}
    await table.note(held, held, now=NOON, source_urls={})
    entry = await table.of_picture(picture(1))
    assert entry
    assert entry.kind == "channel"
    await table.note([picture(1)], {}, now=NOON, source_urls={})
    assert (
        await table.totals({"day": NOON.date()}) == {}
    )  # what was added with that kind was taken away with it


async def test_names_that_cannot_be_read_keep_none_from_being_refreshed_however_many_are_due_before_it(
    opened: Opened,
) -> None:
    await opened.put_artworks(AT_MOST + 1, kind="channel", refresh_at=DUE - timedelta(days=1))
    await opened.put_artworks(2, role="poster")
    with capture_logs() as lines:
        due = await ArtworkTable(opened.database).due(NOON, at_most=AT_MOST)
    assert [str(known.name) for known in due] == ["movie/tmdb:0/poster", "movie/tmdb:1/poster"]
    assert opened.passed_over("artwork") == AT_MOST + 1
    [line] = lines
    assert (line["log_level"], line["table"]) == ("error", "artwork")


@pytest.mark.parametrize("changed", [{"kind": "channel"}, {"role": "hologram"}, {"source_url": "nowhere:1"}])
async def test_a_name_is_passed_over_whatever_of_it_cannot_be_read(
    opened: Opened, changed: dict[str, object]
) -> None:
    await opened.put_artworks(1, **changed)
    assert await ArtworkTable(opened.database).due(NOON, at_most=10) == []
    assert opened.passed_over("artwork") == 1


async def test_a_name_whose_row_cannot_be_read_is_looked_for_and_written_anew(opened: Opened) -> None:
    table = ArtworkTable(opened.database)
    await opened.put_artworks(1, source_url="nowhere:1")
    name = Name.parse("movie/tmdb:0/poster")
    assert await table.of_name(name) is None
    await table.put(name, Shown(source(5)), now=NOON, refresh_at=NOON)
    known = await table.of_name(name)
    assert known
    assert known.shown.source == source(5)


async def test_dead_letters_are_sent_again_around_one_that_cannot_be_read(opened: Opened) -> None:
    table = LetterTable(opened.database)
    await table.keep([died(1), died(2)])
    change = update(dead_letters).where(dead_letters.c.letter_id == died(1).id).values(history=[{"new": 1}])
    await opened.database.write(lambda connection: connection.execute(change))
    found = await table.next(LetterFilter(), after=0, limit=1)
    assert [letter.letter_id for letter in found] == [died(2).id]
    assert opened.passed_over("dead_letters") == 1


async def test_it_is_told_once_while_it_is_counted_each_time(opened: Opened) -> None:
    await opened.put_artworks(3, kind="channel")
    table = ArtworkTable(opened.database)
    with capture_logs() as lines:
        for _ in range(5):
            await table.due(NOON, at_most=10)
    assert opened.passed_over("artwork") == 15
    assert len(lines) == 1
