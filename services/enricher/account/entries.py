"""Entries: somebody's titles with what was watched of them; read for pages, and changed by hand.

What a person changes is `here`, and what came from Trakt's history, `trakt`: of the two only the latter goes when it is gone there.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from services.enricher.account import tables
from services.enricher.account.progress import default_session, episode_of, recompute
from services.enricher.account.rules import (
    MediaKind,
    PersonalRating,
    WatchStatus,
    day_of,
)
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from shared.telemetry import utc_now

HERE, TRAKT = "here", "trakt"
_entries, _movies, _series = tables.library_entries, tables.movies, tables.series
_once, _sessions = tables.movie_watch_sessions, tables.watch_sessions
_progress, _episodes = tables.episode_progress, tables.episodes

Told = Callable[[AsyncConnection, "Change"], Any]
"""Hears of each change by a person, in the transaction that makes it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a person changed of a title. `what` says how, in JSON."""

    kind: str
    media_type: MediaKind
    tmdb_id: int
    what: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    media_type: MediaKind
    tmdb_id: int
    imdb_id: str | None
    item_id: int | None
    title: str
    released_on: date | None
    poster_path: str | None
    reason: str
    added_at: datetime
    watch_status: WatchStatus
    rating: int | None
    trakt_rating: int | None
    watchlisted_at: datetime | None
    last_watched_on: date | None
    times_watched: int


@dataclass(frozen=True, slots=True)
class Watched:
    """Once that a movie, or an episode, was watched."""

    id: int
    watched_on: date | None
    watched_at: datetime | None
    origin: str
    name: str = ""
    season: int | None = None
    episode: int | None = None


@dataclass(frozen=True, slots=True)
class EpisodeState:
    season: int
    episode: int
    title: str | None
    aired_on: date | None
    still_path: str | None
    watched: Sequence[Watched]


@dataclass(frozen=True, slots=True)
class Credit:
    tmdb_id: int
    name: str
    part: str
    character: str | None
    job: str | None
    profile_path: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """None: whether or not."""

    media_type: MediaKind | None = None
    watched: bool | None = None
    watchlist: bool | None = None
    rating: int | None = None
    tmdb_id: int | None = None
    text: str = ""
    """Words that its title has."""


class Unknown(Exception):
    """There is no such entry, session or episode."""


class Entries:
    """Every method is one transaction. Raises Unknown and DatabaseUnavailable."""

    def __init__(
        self,
        database: Database,
        zone: tzinfo,
        *,
        told: Told,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._zone = zone
        self._told = told
        self._now = now

    async def page(self, chosen: Filter, *, limit: int, offset: int) -> tuple[int, Sequence[Entry]]:
        """How many there are, and some of them, the newest first."""
        where = list(_conditions(chosen))
        counted = _with_titles(select(func.count()).select_from(_entries)).where(*where)
        query = _read().where(*where).order_by(_entries.c.id.desc()).limit(limit).offset(offset)

        async def reading(connection: AsyncConnection) -> tuple[int, Sequence[Entry]]:
            total = (await connection.execute(counted)).scalar_one()
            return total, [_entry(row) for row in await connection.execute(query)]

        return await self._database.read(reading)

    def noon(self, day: date) -> datetime:
        """Of a day where its user lives: for what was watched nobody knows when."""
        return datetime.combine(day, time(12), self._zone)

    async def entry(self, entry_id: int) -> Entry:
        return await self._database.read(lambda connection: _known(connection, entry_id))

    async def of_title(self, kind: MediaKind, tmdb_id: int) -> Entry | None:
        query = _read().where(_entries.c.media_type == kind, _entries.c.tmdb_id == tmdb_id)

        async def reading(connection: AsyncConnection) -> Entry | None:
            row = (await connection.execute(query)).first()
            return _entry(row) if row else None

        return await self._database.read(reading)

    async def known(self, kind: MediaKind, tmdb_ids: Collection[int]) -> frozenset[int]:
        """Those of them that have an entry."""
        query = select(_entries.c.tmdb_id).where(_entries.c.media_type == kind)

        async def reading(connection: AsyncConnection) -> frozenset[int]:
            return frozenset((await connection.execute(query)).scalars()) & frozenset(tmdb_ids)

        return await self._database.read(reading)

    async def sessions(self, entry_id: int) -> Sequence[Watched]:
        """Of a movie, the newest first."""
        query = (
            select(_once).where(_once.c.entry_id == entry_id).order_by(_once.c.watched_on.desc(), _once.c.id)
        )

        async def reading(connection: AsyncConnection) -> Sequence[Watched]:
            return [
                Watched(row.id, row.watched_on, row.watched_at, row.origin, row.name)
                for row in await connection.execute(query)
            ]

        return await self._database.read(reading)

    async def episodes(self, entry_id: int) -> Sequence[EpisodeState]:
        """Those that are known of a series, in their order."""
        query = (
            select(_episodes, _progress.c.id.label("progress_id"))
            .add_columns(_progress.c.watched_on, _progress.c.watched_at, _progress.c.origin)
            .join(_entries, _entries.c.series_id == _episodes.c.series_id)
            .outerjoin(_progress, _progress.c.episode_id == _episodes.c.id)
            .where(_entries.c.id == entry_id)
            .order_by(_episodes.c.season_number, _episodes.c.episode_number, _progress.c.id)
        )

        async def reading(connection: AsyncConnection) -> Sequence[EpisodeState]:
            found: dict[int, EpisodeState] = {}
            for row in await connection.execute(query):
                place = (row.season_number, row.episode_number)
                known = found.get(row.id) or EpisodeState(*place, row.title, row.aired_on, row.still_path, ())
                once = Watched(row.progress_id, row.watched_on, row.watched_at, row.origin or "")
                watched = (*known.watched, once) if row.progress_id else known.watched
                found[row.id] = EpisodeState(*place, row.title, row.aired_on, row.still_path, watched)
            return list(found.values())

        return await self._database.read(reading)

    async def credits(self, entry_id: int) -> Sequence[Credit]:
        links, people = tables.media_contributors, tables.contributors
        query = (
            select(people.c.tmdb_id, people.c.name, links.c.part, links.c.character, links.c.job)
            .add_columns(people.c.profile_path)
            .join(links, links.c.contributor_id == people.c.id)
            .where(links.c.entry_id == entry_id)
            .order_by(links.c.part, links.c.place, links.c.id)
        )

        async def reading(connection: AsyncConnection) -> Sequence[Credit]:
            return [Credit(*row) for row in await connection.execute(query)]

        return await self._database.read(reading)

    async def add_session(self, entry_id: int, watched_at: datetime, name: str) -> Entry:
        """A movie was watched at this moment."""

        async def writing(connection: AsyncConnection) -> Entry:
            entry = await _known(connection, entry_id, MediaKind.MOVIE)
            day = day_of(watched_at, self._zone)
            values = {"entry_id": entry_id, "name": name, "watched_on": day, "watched_at": watched_at}
            await connection.execute(insert(_once).values(values | {"origin": HERE}))
            await self._told(connection, _played(entry, watched_at))
            return await _after(connection, entry_id)

        return await self._database.write(writing)

    async def remove_session(self, session_id: int) -> Entry:
        """Of a movie; what came from Trakt does not come again with the next sync."""

        async def writing(connection: AsyncConnection) -> Entry:
            row = (await connection.execute(select(_once).where(_once.c.id == session_id))).first()
            if row is None:
                raise Unknown("There is no such session.")
            entry = await _known(connection, row.entry_id)
            await connection.execute(delete(_once).where(_once.c.id == session_id))
            await self._told(connection, _unplayed(entry, row))
            return await _after(connection, entry.id)

        return await self._database.write(writing)

    async def watch_episode(self, entry_id: int, season: int, episode: int, watched_at: datetime) -> Entry:
        """An episode was watched at this moment; one that nobody knows yet, too."""

        async def writing(connection: AsyncConnection) -> Entry:
            entry = await _known(connection, entry_id, MediaKind.SERIES)
            series_id = await _series_id(connection, entry_id)
            episode_id = await episode_of(connection, series_id, season, episode)
            values: dict[str, Any] = {"session_id": await default_session(connection, entry_id, self._now())}
            day = day_of(watched_at, self._zone)
            values |= {"episode_id": episode_id, "watched_on": day, "watched_at": watched_at, "origin": HERE}
            await connection.execute(insert(_progress).values(values))
            await self._told(connection, _played(entry, watched_at, season, episode))
            return await _after(connection, entry_id)

        return await self._database.write(writing)

    async def unwatch_episode(self, entry_id: int, season: int, episode: int) -> Entry:
        """Nobody has watched it, however often it was."""

        async def writing(connection: AsyncConnection) -> Entry:
            entry = await _known(connection, entry_id, MediaKind.SERIES)
            episode_id = await episode_of(connection, await _series_id(connection, entry_id), season, episode)
            mine = _progress.c.episode_id == episode_id
            rows = (await connection.execute(select(_progress).where(mine))).all()
            await connection.execute(delete(_progress).where(mine))
            for row in rows:
                await self._told(connection, _unplayed(entry, row, season, episode))
            return await _after(connection, entry_id)

        return await self._database.write(writing)

    async def rate(
        self, entry_id: int, rating: PersonalRating | None, trakt_rating: int | None = None
    ) -> Entry:
        """In one scale, and so in the other; None: not any more."""

        async def writing(connection: AsyncConnection) -> Entry:
            entry = await _known(connection, entry_id)
            there = trakt_rating or (rating.on_trakt(entry.trakt_rating) if rating else None)
            values = {"rating": rating, "trakt_rating": there, "rating_from": HERE}
            await connection.execute(update(_entries).where(_entries.c.id == entry_id).values(values))
            change = Change("rating", entry.media_type, entry.tmdb_id, {"rating": there})
            await self._told(connection, change)
            return await _known(connection, entry_id)

        return await self._database.write(writing)

    async def want(self, entry_id: int, *, wanted: bool) -> Entry:
        """On the watchlist, or not."""

        async def writing(connection: AsyncConnection) -> Entry:
            entry = await _known(connection, entry_id)
            if bool(entry.watchlisted_at) == wanted:
                return entry
            at = self._now() if wanted else None
            values = {"watchlisted_at": at, "watchlist_from": HERE if wanted else None}
            await connection.execute(update(_entries).where(_entries.c.id == entry_id).values(values))
            change = Change("watchlist", entry.media_type, entry.tmdb_id, {"wanted": wanted})
            await self._told(connection, change)
            return await _known(connection, entry_id)

        return await self._database.write(writing)


async def _series_id(connection: AsyncConnection, entry_id: int) -> int:
    query = select(_entries.c.series_id).where(_entries.c.id == entry_id)
    series_id: int = (await connection.execute(query)).scalar_one()
    return series_id


async def _known(connection: AsyncConnection, entry_id: int, kind: MediaKind | None = None) -> Entry:
    row = (await connection.execute(_read().where(_entries.c.id == entry_id))).first()
    if row is None or (kind and row.media_type != kind):
        raise Unknown("There is no such entry." if row is None else f"The entry is no {kind}.")
    return _entry(row)


async def _after(connection: AsyncConnection, entry_id: int) -> Entry:
    await recompute(connection, [entry_id])
    return await _known(connection, entry_id)


def _played(
    entry: Entry, watched_at: datetime, season: int | None = None, episode: int | None = None
) -> Change:
    what = {"watched_at": watched_at.isoformat(), "season": season, "episode": episode}
    return Change("played", entry.media_type, entry.tmdb_id, what)


def _unplayed(entry: Entry, row: Any, season: int | None = None, episode: int | None = None) -> Change:
    at = row.watched_at.isoformat() if row.watched_at else None
    what = {"trakt_id": row.trakt_id, "watched_at": at, "season": season, "episode": episode}
    return Change("unplayed", entry.media_type, entry.tmdb_id, what)


def _read() -> Any:
    last_movie = select(func.max(_once.c.watched_on)).where(_once.c.entry_id == _entries.c.id)
    last_episode = (
        select(func.max(_progress.c.watched_on))
        .join(_sessions, _sessions.c.id == _progress.c.session_id)
        .where(_sessions.c.entry_id == _entries.c.id)
    )
    times = select(func.count()).select_from(_once).where(_once.c.entry_id == _entries.c.id)
    return _with_titles(
        select(
            _entries,
            _TITLE.label("title"),
            func.coalesce(_movies.c.imdb_id, _series.c.imdb_id).label("imdb_id"),
            func.coalesce(_movies.c.released_on, _series.c.first_aired_on).label("released_on"),
            func.coalesce(_movies.c.poster_path, _series.c.poster_path).label("poster_path"),
            func.coalesce(last_movie.scalar_subquery(), last_episode.scalar_subquery()).label(
                "last_watched_on"
            ),
            times.scalar_subquery().label("times_watched"),
        )
    )


_TITLE = func.coalesce(_movies.c.title, _series.c.title)


def _with_titles(query: Any) -> Any:
    of_movies = query.outerjoin(_movies, _movies.c.id == _entries.c.movie_id)
    return of_movies.outerjoin(_series, _series.c.id == _entries.c.series_id)


def _entry(row: Any) -> Entry:
    values = {name: getattr(row, name) for name in Entry.__slots__}
    kinds = {"media_type": MediaKind(row.media_type), "watch_status": WatchStatus(row.watch_status)}
    return Entry(**values | kinds)


def _conditions(chosen: Filter) -> Sequence[ColumnElement[bool]]:
    columns, found = _entries.c, list[ColumnElement[bool]]()
    if chosen.media_type:
        found.append(columns.media_type == chosen.media_type)
    if chosen.watched is not None:
        is_watched = columns.watch_status == WatchStatus.WATCHED
        found.append(is_watched if chosen.watched else ~is_watched)
    if chosen.watchlist is not None:
        missing = columns.watchlisted_at.is_(None)
        found.append(~missing if chosen.watchlist else missing)
    if chosen.rating is not None:
        found.append(columns.rating == chosen.rating)
    if chosen.tmdb_id is not None:
        found.append(columns.tmdb_id == chosen.tmdb_id)
    found += [_TITLE.icontains(word, autoescape=True) for word in chosen.text.split()]
    return found
