"""What Trakt has of a title becomes what is here of it: sessions, episodes, a rating, a mark. All of a title in one transaction, and
done again it does nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from services.enricher.account import tables
from services.enricher.account.entries import HERE, TRAKT
from services.enricher.account.mirror import OfTitle, TitleId, of_title, settle
from services.enricher.account.progress import default_session, episodes_of, recompute
from services.enricher.account.rules import (
    MediaKind,
    PersonalRating,
    Play,
    day_of,
    earliest,
    watched_days,
)
from services.enricher.account.titles import Details, SeasonDetails, store, store_again, store_seasons
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from shared.telemetry import utc_now

ADDED_HERE = "Added here"
_entries, _once = tables.library_entries, tables.movie_watch_sessions
_progress, _episodes = tables.episode_progress, tables.episodes


@dataclass(frozen=True, slots=True)
class Mode:
    """A full import or a sync: what they call what they make, and which rules hold."""

    full: bool
    session_name: str
    reason: str
    watchlist_reason: str
    ratings: bool = True


FULL = Mode(True, "Imported from Trakt", "Trakt Import", "Trakt Import")
SYNC = Mode(False, "Synced from Trakt", "Trakt Sync", "Trakt Watchlist")


@dataclass(frozen=True, slots=True)
class Made:
    """How much became of a title."""

    movie_watches: int = 0
    episode_watches: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class KnownTitle:
    entry_id: int
    series_id: int | None
    seasons: frozenset[int]
    """Of which TMDB was asked."""


class Applying:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database, zone: tzinfo, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._zone = zone
        self._now = now

    async def known(self, title: TitleId) -> KnownTitle | None:
        """None: it is new here."""

        async def reading(connection: AsyncConnection) -> KnownTitle | None:
            entry = await _entry(connection, title)
            if entry is None:
                return None
            numbers = select(tables.seasons.c.number).where(tables.seasons.c.series_id == entry.series_id)
            return KnownTitle(
                entry.id, entry.series_id, frozenset((await connection.execute(numbers)).scalars())
            )

        return await self._database.read_on_one_visit(reading)

    async def add(self, details: Details) -> None:
        """A title that a person adds; nothing where it is here already."""

        async def writing(connection: AsyncConnection) -> None:
            if await _entry(connection, details.title) is None:
                await store(connection, details, ADDED_HERE, self._now())

        await self._database.write_on_one_visit(writing)

    async def aging(self, before: datetime, limit: int) -> Sequence[TitleId]:
        """Titles of which TMDB was last asked before then, the oldest first."""
        movies, series = tables.movies.c, tables.series.c
        asked = func.coalesce(movies.fetched_at, series.fetched_at)
        query = (
            select(_entries.c.media_type, _entries.c.tmdb_id)
            .outerjoin(tables.movies, movies.id == _entries.c.movie_id)
            .outerjoin(tables.series, series.id == _entries.c.series_id)
            .where(asked < before)
            .order_by(asked, _entries.c.id)
            .limit(limit)
        )

        async def reading(connection: AsyncConnection) -> Sequence[TitleId]:
            return [
                TitleId(MediaKind(row.media_type), row.tmdb_id) for row in await connection.execute(query)
            ]

        return await self._database.read_on_one_visit(reading)

    async def renew(self, details: Details) -> None:
        """What TMDB says of a title now."""

        async def writing(connection: AsyncConnection) -> None:
            entry = await _entry(connection, details.title)
            if entry is not None:
                await store_again(connection, entry.id, details, self._now())
                await recompute(connection, [entry.id])

        await self._database.write_on_one_visit(writing)

    async def forget_details(self, title: TitleId) -> None:
        """What TMDB said of a title that it knows no more, or cannot be asked about in time, but for what it is called."""

        async def writing(connection: AsyncConnection) -> None:
            entry = await _entry(connection, title)
            if entry is None:
                return
            table, id_ = (
                (tables.movies, entry.movie_id) if entry.movie_id else (tables.series, entry.series_id)
            )
            nothing: dict[str, Any] = {
                "genres": [],
                "poster_path": None,
                "backdrop_path": None,
                "fetched_at": self._now(),
            }
            await connection.execute(update(table).where(table.c.id == id_).values(nothing))
            if entry.series_id:
                of_it = _episodes.c.series_id == entry.series_id
                bare = {"title": None, "still_path": None, "runtime_min": None}
                await connection.execute(update(_episodes).where(of_it).values(bare))
                season = tables.seasons
                await connection.execute(delete(season).where(season.c.series_id == entry.series_id))
            links = tables.media_contributors
            await connection.execute(delete(links).where(links.c.entry_id == entry.id))

        await self._database.write_on_one_visit(writing)

    async def apply(
        self,
        title: TitleId,
        mode: Mode,
        *,
        details: Details | None = None,
        seasons: Sequence[SeasonDetails] = (),
    ) -> Made:
        """`details` where it is new, `seasons` that are new of a known one."""

        async def writing(connection: AsyncConnection) -> Made:
            has = await of_title(connection, title)
            entry = await _entry(connection, title)
            if entry is None:
                if details is None:
                    await settle(connection, title)
                    return Made()
                only_wanted = not has.plays
                reason = mode.watchlist_reason if only_wanted else mode.reason
                await store(connection, details, reason, self._now())
                entry = await _entry(connection, title)
            elif entry.series_id:
                await store_seasons(connection, entry.series_id, seasons, self._now())
            made = await self._plays(connection, entry, has, mode, details)
            changed = await self._marks(connection, entry, has, mode)
            await settle(connection, title)
            await recompute(connection, [entry.id])
            return Made(*made, updated=int(changed or details is not None))

        return await self._database.write_on_one_visit(writing)

    async def _plays(
        self, connection: AsyncConnection, entry: Any, has: OfTitle, mode: Mode, details: Details | None
    ) -> tuple[int, int]:
        if not any(play.id in has.pending for play in has.plays):
            return 0, 0
        if entry.media_type == MediaKind.MOVIE:
            return await self._movie(connection, entry, has, mode), 0
        if mode.full:
            aired = details.aired if details else {}
            return 0, await self._episodes_once(connection, entry, has, aired)
        return 0, await self._episodes_all(connection, entry, has)

    async def _movie(self, connection: AsyncConnection, entry: Any, has: OfTitle, mode: Mode) -> int:
        """A session for each day of which there is none. One that was made here on that day is the same."""
        rows = (await connection.execute(select(_once).where(_once.c.entry_id == entry.id))).all()
        by_day: dict[date, Any] = {row.watched_on: row for row in rows}
        known = {row.trakt_id for row in rows}
        new: list[dict[str, Any]] = []
        for play in sorted(has.plays, key=lambda one: one.id):
            day = day_of(play.watched_at, self._zone)
            if play.id not in has.pending or play.id in known or day is None:
                continue
            if day not in by_day:
                values = {"entry_id": entry.id, "name": mode.session_name, "watched_on": day}
                values |= {"watched_at": play.watched_at, "origin": TRAKT, "trakt_id": play.id}
                new.append(values)
                by_day[day] = None
            elif (same := by_day[day]) is not None and same.trakt_id is None:
                await connection.execute(update(_once).where(_once.c.id == same.id).values(trakt_id=play.id))
                by_day[day] = None
        if new:
            await connection.execute(insert(_once), new)
        return len(new)

    async def _episodes_once(
        self,
        connection: AsyncConnection,
        entry: Any,
        has: OfTitle,
        aired: Mapping[tuple[int, int], date],
    ) -> int:
        """Of each episode that nobody has watched here, the earliest. `aired` where the binge rule holds."""
        there = await _progress_of(connection, entry.series_id)
        chosen = earliest(has.plays)
        days = watched_days(chosen, aired, self._zone) if aired else {}
        new = [play for play in chosen if play.of not in there]
        await self._add(connection, entry, new, days)
        return len(new)

    async def _episodes_all(self, connection: AsyncConnection, entry: Any, has: OfTitle) -> int:
        """Every play that is not here, but for one without a date. What was marked on that day without Trakt is the same."""
        there = await _progress_of(connection, entry.series_id)
        new: list[Play] = []
        for play in sorted(has.plays, key=lambda one: one.id):
            if play.id not in has.pending or play.watched_at is None:
                continue
            rows = there.get(play.of, [])
            if any(row["trakt_id"] == play.id for row in rows):
                continue
            day = day_of(play.watched_at, self._zone)
            same = next((row for row in rows if _is_same(row, play, day)), None)
            if same is None:
                new.append(play)
                continue
            linked = update(_progress).where(_progress.c.id == same["id"])
            await connection.execute(linked.values(trakt_id=play.id))
            rows.remove(same)
        await self._add(connection, entry, new, {})
        return len(new)

    async def _add(
        self, connection: AsyncConnection, entry: Any, plays: Sequence[Play], days: Mapping[int, date | None]
    ) -> None:
        if not plays:
            return
        session_id = await default_session(connection, entry.id, self._now())
        ids = await episodes_of(connection, entry.series_id, [play.of for play in plays])
        rows = [
            {
                "session_id": session_id,
                "episode_id": ids[play.of],
                "watched_on": days.get(play.id, day_of(play.watched_at, self._zone)),
                "watched_at": play.watched_at,
                "origin": TRAKT,
                "trakt_id": play.id,
            }
            for play in plays
        ]
        await connection.execute(insert(_progress), rows)

    async def _marks(self, connection: AsyncConnection, entry: Any, has: OfTitle, mode: Mode) -> bool:
        """The rating and the place on the watchlist. What was said here counts."""
        values: dict[str, Any] = {}
        from_trakt = entry.rating_from == TRAKT
        may_rate = entry.rating is None or (from_trakt and not mode.full)
        is_news = has.rating_pending or entry.rating is None
        is_mine = entry.rating is None and entry.rating_from == HERE
        if mode.ratings and has.rating is not None and may_rate and is_news and not is_mine:
            rating = PersonalRating.of_trakt(has.rating)
            values |= {"rating": rating, "trakt_rating": has.rating, "rating_from": TRAKT}
        elif has.rating_gone and from_trakt:
            values |= {"rating": None, "trakt_rating": None, "rating_from": None}
        is_wanted = has.watchlist and has.watchlist_pending and entry.watchlisted_at is None
        if is_wanted and not await _is_being_told(connection, entry):
            values |= {"watchlisted_at": self._now(), "watchlist_from": TRAKT}
        elif has.watchlist_gone and entry.watchlist_from == TRAKT:
            values |= {"watchlisted_at": None, "watchlist_from": None}
        if all(getattr(entry, name) == value for name, value in values.items()):
            return False
        await connection.execute(update(_entries).where(_entries.c.id == entry.id).values(values))
        return True


def _is_same(row: Mapping[str, Any], play: Play, day: date | None) -> bool:
    """Whether it was marked here, or came when another was signed in, and is what Trakt tells of now."""
    return row["trakt_id"] is None and (row["watched_on"] == day or row["watched_at"] == play.watched_at)


async def _is_being_told(connection: AsyncConnection, entry: Any) -> bool:
    """Whether Trakt does not know yet what somebody decided here about the watchlist."""
    writes = tables.trakt_writes.c
    of_it = select(writes.id).where(
        writes.kind == "watchlist", writes.media_type == entry.media_type, writes.tmdb_id == entry.tmdb_id
    )
    return (await connection.execute(of_it.limit(1))).first() is not None


async def _entry(connection: AsyncConnection, title: TitleId) -> Any:
    query = select(_entries).where(_entries.c.media_type == title.kind, _entries.c.tmdb_id == title.tmdb_id)
    return (await connection.execute(query)).first()


async def _progress_of(
    connection: AsyncConnection, series_id: int
) -> dict[tuple[int, int], list[Mapping[str, Any]]]:
    query = (
        select(_progress, _episodes.c.season_number, _episodes.c.episode_number)
        .join(_episodes, _episodes.c.id == _progress.c.episode_id)
        .where(_episodes.c.series_id == series_id)
    )
    found: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for row in await connection.execute(query):
        found.setdefault((row.season_number, row.episode_number), []).append(row._asdict())
    return found
