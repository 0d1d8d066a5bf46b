"""The table `tmdb_cache`: what is swept out of it, and what stays."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Row, select

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.finder.metadata.cache import OLDEST
from services.enricher.finder.metadata.tmdb_cache import STALE_KEPT, TmdbShelf
from services.enricher.finder.tables import tmdb_cache
from shared.background import Background
from shared.telemetry import Metrics

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def rows(database: Database) -> dict[str, Row[tuple[str, str, datetime, datetime]]]:
    async def all_of_them(connection: AsyncConnection) -> dict[str, Row[tuple[str, str, datetime, datetime]]]:
        found = await connection.execute(select(tmdb_cache).order_by(tmdb_cache.c.cache_key))
        return {row.cache_key: row for row in found}

    return await database.read(all_of_them)


async def test_what_was_put_is_written_at_the_latest_at_the_end(database: Database) -> None:
    async with TmdbShelf(database, max_bytes=1000).open(Background(Metrics())) as shelf:
        shelf.put("movie:1", "{}", expires_at=NOON + HOUR, fetched_at=NOON)
        shelf.put("movie:1", '{"id":1}', expires_at=NOON + HOUR, fetched_at=NOON)
        shelf.put("movie:2", None, expires_at=NOON + HOUR, fetched_at=NOON)
    stored = await rows(database)
    assert [(row.cache_value, row.expires_at) for row in stored.values()] == [
        ('{"id":1}', NOON + HOUR),
        (None, NOON + HOUR),
    ]


async def test_a_sweep_keeps_what_expired_for_a_while_and_nothing_that_is_too_old(database: Database) -> None:
    shelf = TmdbShelf(database, max_bytes=1000, now=lambda: NOON)
    shelf.put("fresh", "{}", expires_at=NOON + HOUR, fetched_at=NOON)
    shelf.put("expired", "{}", expires_at=NOON - STALE_KEPT + HOUR, fetched_at=NOON - STALE_KEPT)
    shelf.put("long expired", "{}", expires_at=NOON - STALE_KEPT - HOUR, fetched_at=NOON - STALE_KEPT - HOUR)
    shelf.put("too old", "{}", expires_at=NOON + HOUR, fetched_at=NOON - OLDEST - HOUR)
    await shelf.sweep()
    assert list(await rows(database)) == ["expired", "fresh"]
    assert await shelf.clear_expired() == 1
    assert list(await rows(database)) == ["fresh"]


async def test_beyond_the_bytes_there_may_be_the_oldest_goes(database: Database) -> None:
    shelf = TmdbShelf(database, max_bytes=300, now=lambda: NOON)
    for number in range(5):
        fetched_at = NOON - number * HOUR
        shelf.put(f"movie:{number}", "x" * 90, expires_at=NOON + HOUR, fetched_at=fetched_at)
    await shelf.sweep()
    assert list(await rows(database)) == ["movie:0", "movie:1", "movie:2"]


def test_nothing_is_kept_longer_than_tmdb_allows() -> None:
    assert STALE_KEPT + timedelta(days=7) < OLDEST < timedelta(days=180)
