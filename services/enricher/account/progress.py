"""How far somebody is with a title, from the rows of what was watched; within the transaction of whoever changes those."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from services.enricher.account import tables
from services.enricher.account.rules import MediaKind, WatchStatus, series_status
from services.enricher.database.connection import AsyncConnection
from services.enricher.finder.providers.trakt.account import HistoryKind

DEFAULT_SESSION = "Default"
_entries, _series, _once = tables.library_entries, tables.series, tables.movie_watch_sessions
_sessions, _progress, _episodes = tables.watch_sessions, tables.episode_progress, tables.episodes


async def recompute(connection: AsyncConnection, entry_ids: Collection[int]) -> None:
    """How far somebody is with these titles, from what was watched."""
    for entry_id in entry_ids:
        query = select(_entries).where(_entries.c.id == entry_id)
        row = (await connection.execute(query)).one()
        status = (
            await _movie_status(connection, row)
            if row.media_type == MediaKind.MOVIE
            else await _series_status(connection, row)
        )
        changed = update(_entries).where(_entries.c.id == entry_id, _entries.c.watch_status != status)
        await connection.execute(changed.values(watch_status=status))


async def _movie_status(connection: AsyncConnection, entry: Any) -> WatchStatus:
    """Watched also where Trakt knows no day of it."""
    history = tables.trakt_history.c
    played = select(_once.c.id).where(_once.c.entry_id == entry.id).limit(1)
    undated = select(history.id).where(
        history.kind == HistoryKind.MOVIES, history.tmdb_id == entry.tmdb_id, history.watched_at.is_(None)
    )
    seen = (await connection.execute(played)).first() or (await connection.execute(undated.limit(1))).first()
    return WatchStatus.WATCHED if seen else WatchStatus.NOT_WATCHED


async def _series_status(connection: AsyncConnection, entry: Any) -> WatchStatus:
    watched = (
        select(_episodes.c.season_number, _episodes.c.episode_number)
        .join(_progress, _progress.c.episode_id == _episodes.c.id)
        .join(_sessions, _sessions.c.id == _progress.c.session_id)
        .where(_sessions.c.entry_id == entry.id)
        .distinct()
    )
    count = select(_series.c.episode_count).where(_series.c.id == entry.series_id)
    rows = (await connection.execute(watched)).all()
    return series_status(
        [(row.season_number, row.episode_number) for row in rows],
        (await connection.execute(count)).scalar_one_or_none(),
    )


async def default_session(connection: AsyncConnection, entry_id: int, now: datetime) -> int:
    """Of a series; made where it is missing."""
    query = select(_sessions.c.id).where(_sessions.c.entry_id == entry_id, _sessions.c.is_default.is_(True))
    found: int | None = (await connection.execute(query)).scalar_one_or_none()
    if found is not None:
        return found
    values = {"entry_id": entry_id, "name": DEFAULT_SESSION, "is_default": True, "created_at": now}
    made = insert(_sessions).values(values).returning(_sessions.c.id)
    return int((await connection.execute(made)).scalar_one())


async def episode_of(connection: AsyncConnection, series_id: int, season: int, episode: int) -> int:
    """The id of an episode's row; made where nobody knows it."""
    return (await episodes_of(connection, series_id, [(season, episode)]))[season, episode]


async def episodes_of(
    connection: AsyncConnection, series_id: int, wanted: Collection[tuple[int, int]]
) -> Mapping[tuple[int, int], int]:
    """The ids of a series' rows by season and episode, those that are wanted among them: made where nobody knows them."""
    query = select(_episodes.c.season_number, _episodes.c.episode_number, _episodes.c.id).where(
        _episodes.c.series_id == series_id
    )
    ids = {(season, episode): id_ for season, episode, id_ in await connection.execute(query)}
    missing = [
        {"series_id": series_id, "season_number": season, "episode_number": episode}
        for season, episode in dict.fromkeys(wanted)
        if (season, episode) not in ids
    ]
    if missing:
        await connection.execute(insert(_episodes), missing)
        ids = {(season, episode): id_ for season, episode, id_ in await connection.execute(query)}
    return ids
