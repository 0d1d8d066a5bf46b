"""The library: adding, removing, listing, each title once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, delete, select, text
from sqlalchemy.dialects import sqlite

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.library import ItemIds, Library, LibraryEntry, MediaType, Page, Selection, Window
from services.enricher.library.library import MANY, TakenIn
from services.enricher.library.listing import counted, windowed
from services.enricher.library.lists import OnList
from services.enricher.library.same_title import KnownEntry, by_title, plain
from services.enricher.library.tables import media_items

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MOVIE, TV = MediaType.MOVIE, MediaType.TV
DUNE = LibraryEntry("Dune", MOVIE, 2021)


@pytest.fixture
def library(database: Database) -> Library:
    return Library(database, now=lambda: NOON)


def titles(page: Page) -> list[str]:
    return [item.title for item in page.items]


async def test_an_added_item_is_listed_with_what_was_said_of_it(library: Library) -> None:
    entry = replace(
        DUNE, ids=ItemIds("tt1160419", 438631, 5), full_path="/m/Dune.mkv", list_source="watchlist"
    )
    added = await library.add(replace(entry, status="available", overseerr_id=7, last_synced=NOON))
    assert (await library.page()).items == (added,)
    assert (added.title, added.media_type, added.year) == ("Dune", MOVIE, 2021)
    assert (added.imdb_id, added.tmdb_id, added.tvdb_id) == ("tt1160419", 438631, 5)
    assert (added.full_path, added.paths) == ("/m/Dune.mkv", ("/m/Dune.mkv",))
    assert (added.list_source, added.status, added.overseerr_id) == ("watchlist", "available", 7)
    assert added.last_synced == added.created_at == added.updated_at == NOON
    assert await library.item(added.id) == added


async def test_the_newest_come_first_page_by_page_and_window_by_window(library: Library) -> None:
    await library.add_all(
        [LibraryEntry(f"Film {number}", MOVIE, 2000, full_path=f"/{number}") for number in range(7)]
    )
    second = await library.page(window=Window.of_page(2, 3))
    assert titles(second) == ["Film 3", "Film 2", "Film 1"]
    assert (second.total, second.number, second.pages) == (7, 2, 3)
    assert titles(await library.page(window=Window(limit=2, offset=5))) == ["Film 1", "Film 0"]
    assert titles(await library.page(window=Window(limit=2, offset=50))) == []


async def test_items_are_filtered_by_type_and_by_list(library: Library) -> None:
    await library.add_all(
        [
            LibraryEntry("A", MOVIE, list_source="x"),
            LibraryEntry("B", TV, list_source="x"),
            LibraryEntry("C", MOVIE, list_source="y"),
            LibraryEntry("D", TV),
        ]
    )
    assert titles(await library.page(Selection(MOVIE))) == ["C", "A"]
    assert titles(await library.page(Selection(None, "x"))) == ["B", "A"]
    both = await library.page(Selection(TV, "x"))
    assert (titles(both), both.total) == (["B"], 1)


async def test_one_title_on_two_lists_is_one_item_and_on_both(library: Library) -> None:
    await library.add_all([replace(DUNE, list_source="x"), replace(DUNE, list_source="y", status="wanted")])
    [item] = (await library.page()).items
    for source in ("x", "y"):
        [listed] = (await library.page(Selection(list_source=source))).items
        assert listed == item
    assert item.status == "wanted"


@pytest.mark.parametrize("many", [1, MANY])
async def test_what_another_program_knows_is_added_and_completes_and_done_again_changes_nothing(
    library: Library, many: int
) -> None:
    """However many there are, for many are looked for in another way."""
    known = await library.add(replace(DUNE, list_source="a:1", status="requested", ids=ItemIds(tmdb=5)))
    entries = [
        replace(DUNE, list_source="a:1", status="skipped", overseerr_id=7, ids=ItemIds(tmdb=5)),
        *(LibraryEntry(f"Film {number}", MOVIE, list_source="a:1") for number in range(many)),
    ]
    extras = [{"created_at": NOON - timedelta(days=1)}] * len(entries)
    named = {"a:1": OnList("a", "1", "First")}
    dry = await library.take_in(entries, extras, named, dry_run=True)
    assert dry == await library.take_in(entries, extras, named) == TakenIn(many, 1, 0)
    before = await library.page()
    assert await library.take_in(entries, extras, named) == TakenIn(0, 0, many + 1)
    assert await library.page() == before
    item = await library.item(known.id)
    assert item
    assert (item.status, item.overseerr_id, item.list_sources[0].display_name) == ("requested", 7, "First")
    later = [replace(entries[0], status="available", last_synced=NOON + timedelta(hours=1))]
    await library.take_in([replace(later[0], last_synced=NOON)], [{}], {})
    await library.take_in(later, [{}], {})
    changed = await library.item(known.id)
    assert changed
    assert (changed.status, changed.created_at) == ("available", NOON)


async def test_every_path_of_a_title_is_kept(library: Library) -> None:
    await library.add(replace(DUNE, full_path="/a"))
    added = await library.add(replace(DUNE, full_path="/b", ids=ItemIds(tmdb=5)))
    assert (added.full_path, added.paths, added.tmdb_id) == ("/a", ("/a", "/b"), 5)
    assert (await library.page()).total == 1


async def test_the_same_path_again_replaces_what_it_says_and_keeps_what_it_leaves_out(
    library: Library,
) -> None:
    first = await library.add(replace(DUNE, full_path="/a", ids=ItemIds("tt1", 5), status="available"))
    again = await library.add(LibraryEntry("Dune: Part One", MOVIE, full_path="/a"))
    assert (again.id, again.title, again.year, again.status) == (
        first.id,
        "Dune: Part One",
        2021,
        "available",
    )
    assert (again.imdb_id, again.tmdb_id) == ("tt1", 5)
    corrected = await library.add(LibraryEntry("Dune: Part One", MOVIE, full_path="/a", ids=ItemIds("tt2")))
    assert (corrected.imdb_id, corrected.tmdb_id) == ("tt2", None)


async def test_the_same_title_of_the_same_list_again_is_one_entry(
    library: Library, database: Database
) -> None:
    for _ in range(3):
        await library.add(replace(DUNE, list_source="x"))
        await library.add(replace(DUNE, list_source="x", ids=ItemIds(imdb="tt1")))

    async def rows(connection: AsyncConnection) -> int:
        return len((await connection.execute(select(media_items.c.id))).all())

    assert await database.read(rows) == 2


async def test_a_removed_item_goes_with_all_its_places(library: Library) -> None:
    await library.add(replace(DUNE, full_path="/a"))
    item = await library.add(replace(DUNE, full_path="/b"))
    assert await library.remove(item.id) == item
    assert (await library.page()).total == 0
    assert await library.remove(item.id) is None
    assert (await library.add(DUNE)).id > item.id


async def test_an_id_that_comes_later_joins_what_was_two(library: Library) -> None:
    one = await library.add(LibraryEntry("Dune", MOVIE, 2021, full_path="/a"))
    await library.add(LibraryEntry("Duna", MOVIE, 2021, ids=ItemIds(imdb="tt1"), full_path="/b"))
    await library.identify({one.id: ItemIds(imdb="tt1")})
    [item] = (await library.page()).items
    assert (item.id, item.paths, item.imdb_id) == (one.id, ("/a", "/b"), "tt1")


async def test_who_comes_by_one_link_joins_those_behind_another(library: Library) -> None:
    first = await library.add(LibraryEntry("Dune: Part One", MOVIE, 2021, ItemIds("tt1"), full_path="/a"))
    await library.add(LibraryEntry("Dune", MOVIE, 2021, ItemIds("tt1"), full_path="/b"))
    joined = await library.add(LibraryEntry("Dune", MOVIE, 2021, full_path="/c"))
    assert (joined.id, joined.paths) == (first.id, ("/a", "/b", "/c"))
    assert (await library.page()).total == 1


async def test_posters_are_stored_in_one_write(library: Library) -> None:
    items = [await library.add(LibraryEntry(name, MOVIE)) for name in "ab"]
    await library.store_posters({item.id: f"/api/images/proxy?url={item.title}" for item in items})
    page = await library.page()
    assert [item.poster_url for item in page.items] == ["/api/images/proxy?url=b", "/api/images/proxy?url=a"]
    assert page.items[0].poster_cached_at == NOON
    await library.store_posters({})
    assert await library.page() == page


paths = st.sampled_from([f"/{number}" for number in range(8)])
names = st.sampled_from(["a", "b", "c"])
entries = st.builds(
    LibraryEntry,
    title=names,
    media_type=st.just(MOVIE),
    year=st.sampled_from([None, 2000]),
    ids=st.builds(ItemIds, st.sampled_from([None, "tt1", "tt2"]), st.sampled_from([None, 1, 2])),
    full_path=paths,
    list_source=st.sampled_from([None, "x"]),
)
steps = st.lists(st.one_of(entries, entries, paths), min_size=3, max_size=12)


@given(steps)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_however_they_came_about_titles_are_those_of_the_entries(
    in_a_file: Database, done: Sequence[LibraryEntry | str]
) -> None:
    """What is asked of the database for it is asked on both engines above."""
    database, library = in_a_file, Library(in_a_file, now=lambda: NOON)
    await database.write(lambda connection: connection.execute(delete(media_items)))
    for step in done:
        if isinstance(step, LibraryEntry):
            await library.add(step)
        else:
            await library.remove_entries(await _ids_at(database, step))
    rows = await _rows(database)
    expected = by_title(
        [
            KnownEntry(
                r.id,
                MediaType(r.media_type),
                ItemIds(r.imdb_id, r.tmdb_id, r.tvdb_id),
                plain(r.title),
                r.year,
            )
            for r in rows
        ]
    )
    oldest = {key: min(entry.id for entry in group) for key, group in expected.items()}
    assert {r.id: r.title_key for r in rows} == {e.id: key for key, group in expected.items() for e in group}
    assert {r.id for r in rows if r.first_of_title} == set(oldest.values())
    assert [item.id for item in (await library.page()).items] == sorted(oldest.values(), reverse=True)
    on_list = {r.title_key for r in rows if r.list_source == "x"}
    assert (await library.page(Selection(list_source="x"))).total == len(on_list)


@given(st.lists(entries, unique_by=lambda one: one.full_path))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_entries_that_come_together_make_the_titles_that_they_make_one_by_one(
    in_a_file: Database, added: Sequence[LibraryEntry]
) -> None:
    database, library = in_a_file, Library(in_a_file, now=lambda: NOON)
    found = []
    for together in (True, False):
        await database.write(lambda connection: connection.execute(delete(media_items)))
        if together:
            await library.add_all(added)
        else:
            for entry in added:
                await library.add(entry)
        found.append(
            [(r.full_path, r.title_key, r.first_of_title, r.first_in_list) for r in await _rows(database)]
        )
    assert found[0] == found[1]


async def test_a_new_title_is_written_once_whatever_there_is(in_a_file: Database) -> None:
    library = Library(in_a_file, now=lambda: NOON)
    await library.add_all([DUNE, LibraryEntry("Heat", MOVIE, 1995)])
    new = [LibraryEntry(f"Film {number}", MOVIE, 2000, full_path=f"/{number}") for number in range(20)]
    assert await _changes_by(in_a_file, lambda: library.add_all(new)) == len(new)


async def _changes_by(database: Database, writing: Callable[[], Awaitable[None]]) -> int:
    """Rows that were inserted, changed or removed, each as often as it was."""
    counted_so_far = text("SELECT total_changes()")

    async def reading(connection: AsyncConnection) -> int:
        return int((await connection.execute(counted_so_far)).scalar_one())

    before = await database.write(reading)
    await writing()
    return await database.write(reading) - before


async def _ids_at(database: Database, path: str) -> list[int]:
    return [row.id for row in await _rows(database) if row.full_path == path]


async def _rows(database: Database) -> list[Row[Any]]:
    async def reading(connection: AsyncConnection) -> list[Row[Any]]:
        return list(await connection.execute(select(media_items)))

    return await database.read(reading)


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(MOVIE), Selection(None, "x"), Selection(MOVIE, "x")]
)
async def test_a_page_reads_indexes_and_sorts_nothing(in_a_file: Database, selection: Selection) -> None:
    for statement in (windowed(selection, Window(50, 90_000)), counted(selection)):
        query = str(statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))

        async def plan(connection: AsyncConnection, query: str = query) -> list[str]:
            return [row.detail for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))]

        steps = await in_a_file.read(plan)
        assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN media_items")]
        assert any("USING COVERING INDEX" in step for step in steps)
