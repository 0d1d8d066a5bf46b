"""The artwork table: what was found for a name, and that a pin stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from services.enricher.database.database import Database
from services.enricher.database.migrations import upgrade
from services.enricher.finder.resolving.table import ArtworkTable, KnownArtwork, Shown, Stored
from shared.pictures import Name, SourceUrl, Upload, picture_id

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
NAME = Name.parse("movie/tmdb:603/poster")
OTHER = Name.parse("movie/imdb:tt0133093/poster")
FIRST = Shown(SourceUrl.parse("https://image.tmdb.org/t/p/original/a.jpg"), "tmdb", "en", 5.3, 2000, 3000)
SECOND = Shown(SourceUrl.parse("https://image.tmdb.org/t/p/original/b.jpg"), "tmdb")
STORED = Stored("/original", "/thumbnail", "cache/ab/cd/abcd", NOON, 12345, 1999, 2999)


@pytest.fixture
def table(database: Database) -> ArtworkTable:
    return ArtworkTable(database)


async def put(
    table: ArtworkTable, shown: Shown = FIRST, name: Name = NAME, *, pinned: bool = False
) -> KnownArtwork:
    return await table.put(name, shown, now=NOON, refresh_at=LATER, pinned=pinned)


async def test_what_was_found_is_known_by_name_id_and_picture(table: ArtworkTable) -> None:
    known = await put(table)
    assert (known.name, known.shown, known.pinned, known.stored) == (NAME, FIRST, False, None)
    assert known == await table.of_name(NAME) == await table.of_id(known.id)
    assert [known] == await table.of_pictures([FIRST.source.picture])
    assert await table.source_of(FIRST.source.picture) == FIRST.source
    assert await table.of_name(OTHER) is None
    assert await table.source_of(SECOND.source.picture) is None


async def test_two_names_may_show_one_picture(table: ArtworkTable) -> None:
    assert [await put(table), await put(table, name=OTHER)] == await table.of_pictures([FIRST.source.picture])


async def test_several_are_put_and_asked_for_at_once_and_a_pin_among_them_stays(table: ArtworkTable) -> None:
    pinned = await put(table, pinned=True)
    known = await table.put_all({NAME: SECOND, OTHER: SECOND}, now=NOON, refresh_at=LATER)
    assert known[0] == pinned
    assert (known[1].name, known[1].shown, known[1].pinned) == (OTHER, SECOND, False)
    unknown = Name.parse("movie/tmdb:604/poster")
    assert await table.of_names([OTHER, unknown, NAME]) == [known[1], pinned]
    assert await table.of_names([]) == []


async def test_an_artwork_keeps_its_id_when_another_picture_takes_the_place(table: ArtworkTable) -> None:
    first, second = await put(table), await put(table, SECOND)
    assert (first.id, second.shown) == (second.id, SECOND)
    assert await table.of_pictures([FIRST.source.picture]) == []


async def test_what_is_stored_is_said_of_that_picture_alone_and_never_takes_the_sources_place(
    table: ArtworkTable,
) -> None:
    known = await put(table)
    await table.note_stored({known.id: STORED})
    again = await put(table)
    assert (again.stored, again.shown.source, again.shown.width) == (STORED, FIRST.source, 1999)
    assert (await put(table, SECOND)).stored is None


async def test_a_pin_stays_whatever_is_found_until_it_is_taken_back(table: ArtworkTable) -> None:
    pinned = await put(table, Shown.pinned(Upload("a" * 64)), pinned=True)
    assert await put(table, FIRST) == pinned
    await table.put_off(NAME, NOON)
    assert (await table.due(LATER, at_most=10), pinned.is_due(LATER)) == ([], False)
    await table.unpin(NAME, NOON)
    assert [known.name for known in await table.due(NOON, at_most=10)] == [NAME]
    assert (await put(table, FIRST)).shown == FIRST


async def test_a_pin_may_be_replaced_by_another(table: ArtworkTable) -> None:
    await put(table, FIRST, pinned=True)
    assert (await put(table, SECOND, pinned=True)).shown == SECOND


async def test_the_longest_due_come_first(table: ArtworkTable) -> None:
    await put(table)
    await put(table, name=OTHER)
    await table.put_off(OTHER, NOON)
    assert await table.due(NOON - timedelta(seconds=1), at_most=10) == []
    assert [known.name for known in await table.due(LATER, at_most=10)] == [OTHER, NAME]
    assert [known.name for known in await table.due(LATER, at_most=1)] == [OTHER]


async def test_what_was_removed_is_forgotten(table: ArtworkTable) -> None:
    known = await put(table)
    await table.remove(NAME)
    assert await table.of_id(known.id) is None


def test_posters_of_an_older_database_are_found_by_their_pictures(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/x.sqlite")
    with engine.begin() as connection:
        upgrade(connection, to="0002")
        for number, url in enumerate(("'https://image.tmdb.org/a.jpg'", "NULL")):
            columns = "title, media_type, poster_url, created_at, updated_at, plain_title, title_key"
            values = f"'x', 'movie', {url}, '2026-01-01', '2026-01-01', 'x', '{number}'"
            statement = (
                f"INSERT INTO media_items ({columns}, first_of_title, first_in_list) VALUES ({values}, 1, 1)"
            )
            connection.execute(text(statement))
        upgrade(connection)
        found = connection.execute(text("SELECT poster_picture FROM media_items ORDER BY id")).scalars().all()
    engine.dispose()
    assert found == [picture_id("https://image.tmdb.org/a.jpg"), None]
