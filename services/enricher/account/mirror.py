"""Trakt's history and lists as they were last read: ids, numbers and moments, and whether something was made of them here.

What was read is written together with the place where reading goes on, so that a process that dies reads on from there. An
entry's id is its own for ever: read twice, it is the same row.
"""

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, and_, delete, func, or_, select, update

from services.enricher.account import tables
from services.enricher.account.progress import recompute
from services.enricher.account.rules import MediaKind, Play
from services.enricher.account.vault import remember
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import replace_rows
from services.enricher.finder.providers.trakt.account import HistoryKind
from shared.telemetry import utc_now

AT_ONCE = 200
RETRY_AFTER = timedelta(days=1)
"""When a title that could not be brought in is tried again by a sync."""

READING = "trakt_reading:"
MEDIA = {HistoryKind.MOVIES: MediaKind.MOVIE, HistoryKind.SHOWS: MediaKind.SERIES}
_plays, _listed = tables.trakt_history.c, tables.trakt_lists.c


class AccountList(StrEnum):
    RATINGS = "ratings"
    WATCHLIST = "watchlist"


@dataclass(frozen=True, slots=True)
class TitleId:
    kind: MediaKind
    tmdb_id: int

    def __str__(self) -> str:
        return f"{self.kind}/tmdb:{self.tmdb_id}"


@dataclass(frozen=True, slots=True)
class PlayRow:
    """An entry of the history. Without a TMDB id, or an episode's number, nothing is made of it."""

    id: int
    tmdb_id: int | None
    season: int | None
    episode: int | None
    watched_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReadingPlace:
    """Where reading a history goes on: before a moment, at a page. `passes`: how often the pages before that moment were read by
    now. `number` is the reading's; `since`: from where on it reads, `done`: it has come to the end.
    """

    number: int
    began_at: datetime
    since: datetime | None = None
    end_at: datetime | None = None
    page: int = 1
    passes: int = 0
    done: bool = False

    def dumped(self) -> str:
        return json.dumps(asdict(self), default=datetime.isoformat)

    @classmethod
    def loaded(cls, text: str) -> "ReadingPlace":
        """Raise ValueError for what is none."""
        values = json.loads(text)
        values.pop("items", None)  # of a version that counted them
        for name in ("began_at", "since", "end_at"):
            values[name] = datetime.fromisoformat(values[name]) if values[name] else None
        return cls(**values)


@dataclass(frozen=True, slots=True)
class OfTitle:
    """What Trakt has of a title. `pending`: plays of which nothing was made yet."""

    plays: Sequence[Play] = ()
    pending: frozenset[int] = frozenset()
    rating: int | None = None
    rating_pending: bool = False
    rating_gone: bool = False
    watchlist: bool = False
    watchlist_pending: bool = False
    watchlist_gone: bool = False


class Mirror:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def place(self, kind: HistoryKind) -> ReadingPlace | None:
        """Where the reading that was begun last is."""
        query = select(tables.settings.c.value).where(tables.settings.c.key == READING + kind)

        async def reading(connection: AsyncConnection) -> str | None:
            value: str | None = (await connection.execute(query)).scalar_one_or_none()
            return value

        text = await self._database.read(reading)
        try:
            return ReadingPlace.loaded(text) if text else None
        except (ValueError, TypeError, KeyError):
            return None

    async def begin(self, kind: HistoryKind, *, since: datetime | None) -> ReadingPlace:
        """A new reading."""
        before = await self.place(kind)
        place = ReadingPlace(before.number + 1 if before else 1, self._now(), since)
        await self._database.write(lambda connection: remember(connection, {READING + kind: place.dumped()}))
        return place

    async def add(self, kind: HistoryKind, rows: Sequence[PlayRow], place: ReadingPlace) -> None:
        """What a page says, and where the next one is: all of it or nothing. What is new waits for something to be made of it."""

        async def writing(connection: AsyncConnection) -> None:
            ids = [row.id for row in rows]
            known = {
                row.id: row
                for row in await connection.execute(select(tables.trakt_history).where(_plays.id.in_(ids)))
            }
            values = [self._row(kind, row, place, known.get(row.id)) for row in rows]
            if values:
                await replace_rows(connection, tables.trakt_history, values)
            await remember(connection, {READING + kind: place.dumped()})

        await self._database.write_on_one_visit(writing)

    def _row(self, kind: HistoryKind, row: PlayRow, place: ReadingPlace, known: Any) -> Mapping[str, object]:
        usable = row.tmdb_id is not None and (kind is HistoryKind.MOVIES or row.episode is not None)
        same = known is not None and known.watched_at == row.watched_at
        return {
            "id": row.id,
            "tmdb_id": row.tmdb_id,
            "season": row.season,
            "episode": row.episode,
            "watched_at": row.watched_at,
            "kind": kind,
            "reading": place.number,
            "pending": known.pending if same else usable,
            "retry_at": known.retry_at if same else None,
        }

    async def end(self, kind: HistoryKind, place: ReadingPlace) -> int:
        """Let go what the reading did not see although it came by: it is gone at Trakt. How much that was."""
        unseen = (_plays.kind == kind) & (_plays.reading != place.number)
        if place.since:
            unseen &= _plays.watched_at > place.since + timedelta(seconds=2)
        gone = 0
        while ids := await self._database.write(lambda connection: _let_go(connection, unseen)):
            gone += ids
        return gone

    async def count(self, kind: HistoryKind) -> int:
        query = select(func.count()).select_from(tables.trakt_history).where(_plays.kind == kind)

        async def reading(connection: AsyncConnection) -> int:
            return (await connection.execute(query)).scalar_one()

        return await self._database.read(reading)

    async def latest(self) -> datetime | None:
        """When something was watched last, as far as is known."""

        async def reading(connection: AsyncConnection) -> datetime | None:
            newest = select(_plays.watched_at).where(_plays.watched_at.is_not(None))
            found: datetime | None = (
                await connection.execute(newest.order_by(_plays.watched_at.desc()).limit(1))
            ).scalar_one_or_none()
            return found

        return await self._database.read(reading)

    async def replace_list(self, name: AccountList, found: Mapping[TitleId, int | None]) -> None:
        """What stands on it now. What is new, other than before, or gone, waits for something to be made of it."""

        async def writing(connection: AsyncConnection) -> None:
            rows = await connection.execute(select(tables.trakt_lists).where(_listed.list == name))
            before = {TitleId(MediaKind(row.media_type), row.tmdb_id): row for row in rows}
            changed = [
                _list_row(name, title, rating, gone=False)
                for title, rating in found.items()
                if title not in before or before[title].gone or before[title].rating != rating
            ]
            changed += [
                _list_row(name, title, row.rating, gone=True)
                for title, row in before.items()
                if title not in found and not row.gone
            ]
            if changed:
                await replace_rows(connection, tables.trakt_lists, changed)

        await self._database.write(writing)

    async def consider_again(self, kinds: Collection[HistoryKind], lists: Collection[AccountList]) -> None:
        """All of these wait again: for a full import, which asks for each what it should become here."""
        usable = _plays.tmdb_id.is_not(None) & or_(
            _plays.kind == HistoryKind.MOVIES, _plays.episode.is_not(None)
        )

        async def writing(connection: AsyncConnection) -> None:
            again = {"pending": True, "retry_at": None}
            plays = update(tables.trakt_history).where(_plays.kind.in_(kinds), usable)
            await connection.execute(plays.values(again))
            listed = update(tables.trakt_lists).where(_listed.list.in_(lists))
            await connection.execute(listed.values(again))

        await self._database.write(writing)

    async def forget_all(self) -> None:
        """Of the account; what was made of it here stays, as if it had been made here."""

        async def writing(connection: AsyncConnection) -> None:
            for table in (tables.trakt_history, tables.trakt_lists, tables.trakt_writes):
                await connection.execute(delete(table))
            for table in (tables.movie_watch_sessions, tables.episode_progress):
                await connection.execute(update(table).values(trakt_id=None))

        await self._database.write(writing)

    def _waiting(self, kinds: Collection[HistoryKind], lists: Collection[AccountList]) -> CompoundSelect[Any]:
        """Titles of which something waits. A rating alone brings no title here."""
        entries = tables.library_entries.c
        now = self._now()
        of_plays = select(_plays.kind.label("media_type"), _plays.tmdb_id).where(
            _plays.pending.is_(True),
            _plays.kind.in_(kinds),
            _plays.tmdb_id.is_not(None),
            or_(_plays.retry_at.is_(None), _plays.retry_at <= now),
        )
        has_entry = (
            select(entries.id)
            .where(entries.media_type == _listed.media_type, entries.tmdb_id == _listed.tmdb_id)
            .exists()
        )
        of_lists = select(_listed.media_type, _listed.tmdb_id).where(
            _listed.pending.is_(True),
            _listed.list.in_(lists),
            or_(_listed.retry_at.is_(None), _listed.retry_at <= now),
            or_(and_(_listed.list == AccountList.WATCHLIST, _listed.gone.is_(False)), has_entry),
        )
        return of_plays.union(of_lists)

    async def count_waiting(self, kinds: Collection[HistoryKind], lists: Collection[AccountList]) -> int:
        return len([title async for title in self.waiting(kinds, lists)])

    async def waiting(
        self, kinds: Collection[HistoryKind], lists: Collection[AccountList]
    ) -> AsyncIterator[TitleId]:
        """Each once, in their order, as they are when it is their turn."""
        after: tuple[str, int] = ("", 0)
        while rows := await self._some_waiting(kinds, lists, after):
            for media_type, tmdb_id in rows:
                yield TitleId(MediaKind(media_type), tmdb_id)
            after = rows[-1]

    async def _some_waiting(
        self, kinds: Collection[HistoryKind], lists: Collection[AccountList], after: tuple[str, int]
    ) -> Sequence[tuple[str, int]]:
        found = self._waiting(kinds, lists).subquery()
        of_type = {kind.value: media.value for kind, media in MEDIA.items()}
        query = select(found.c.media_type, found.c.tmdb_id)

        async def reading(connection: AsyncConnection) -> Sequence[tuple[str, int]]:
            rows = {
                (of_type.get(row.media_type, row.media_type), row.tmdb_id)
                for row in await connection.execute(query)
            }
            return sorted(row for row in rows if row > after)[:AT_ONCE]

        return await self._database.read(reading)

    async def of_title(self, title: TitleId) -> OfTitle:
        return await self._database.read_on_one_visit(lambda connection: of_title(connection, title))

    async def put_off(self, title: TitleId) -> None:
        """It could not be brought in: a sync tries again when that may help."""
        again = {"retry_at": self._now() + RETRY_AFTER}

        async def writing(connection: AsyncConnection) -> None:
            plays = update(tables.trakt_history).where(_of(title), _plays.pending.is_(True))
            await connection.execute(plays.values(again))
            await connection.execute(
                update(tables.trakt_lists).where(_list_of(title), _listed.pending.is_(True)).values(again)
            )

        await self._database.write(writing)


async def of_title(connection: AsyncConnection, title: TitleId) -> OfTitle:
    rows = (await connection.execute(select(tables.trakt_history).where(_of(title)))).all()
    lists = {
        row.list: row for row in await connection.execute(select(tables.trakt_lists).where(_list_of(title)))
    }
    rated, wanted = lists.get(AccountList.RATINGS), lists.get(AccountList.WATCHLIST)
    is_movie = title.kind is MediaKind.MOVIE
    return OfTitle(
        plays=tuple(
            Play(row.id, row.watched_at, 0 if is_movie else row.season or 0, 0 if is_movie else row.episode)
            for row in rows
            if is_movie or row.episode is not None
        ),
        pending=frozenset(row.id for row in rows if row.pending),
        rating=rated.rating if rated and not rated.gone else None,
        rating_pending=bool(rated and rated.pending),
        rating_gone=bool(rated and rated.gone),
        watchlist=bool(wanted and not wanted.gone),
        watchlist_pending=bool(wanted and wanted.pending),
        watchlist_gone=bool(wanted and wanted.gone),
    )


async def settle(connection: AsyncConnection, title: TitleId) -> None:
    """Something was made of all that waited."""
    done = {"pending": False, "retry_at": None}
    await connection.execute(update(tables.trakt_history).where(_of(title)).values(done))
    await connection.execute(delete(tables.trakt_lists).where(_list_of(title), _listed.gone.is_(True)))
    await connection.execute(update(tables.trakt_lists).where(_list_of(title)).values(done))


def _of(title: TitleId) -> ColumnElement[bool]:
    kind = HistoryKind.MOVIES if title.kind is MediaKind.MOVIE else HistoryKind.SHOWS
    return and_(_plays.kind == kind, _plays.tmdb_id == title.tmdb_id)


def _list_of(title: TitleId) -> ColumnElement[bool]:
    return and_(_listed.media_type == title.kind, _listed.tmdb_id == title.tmdb_id)


def _list_row(name: AccountList, title: TitleId, rating: int | None, *, gone: bool) -> Mapping[str, object]:
    values = {"list": name, "media_type": title.kind, "tmdb_id": title.tmdb_id, "rating": rating}
    return values | {"gone": gone, "pending": True, "retry_at": None}


async def _let_go(connection: AsyncConnection, which: ColumnElement[bool]) -> int:
    """Some of these plays, with what was made of them; what was made here stays. How many."""
    rows = (await connection.execute(select(tables.trakt_history).where(which).limit(AT_ONCE))).all()
    ids = [row.id for row in rows]
    if not ids:
        return 0
    entries: set[int] = set()
    movies, progress, sessions = tables.movie_watch_sessions, tables.episode_progress, tables.watch_sessions
    entries.update(
        (await connection.execute(select(movies.c.entry_id).where(movies.c.trakt_id.in_(ids)))).scalars()
    )
    of_session = select(sessions.c.entry_id).join(progress, progress.c.session_id == sessions.c.id)
    entries.update((await connection.execute(of_session.where(progress.c.trakt_id.in_(ids)))).scalars())
    for table in (movies, progress):
        came = table.c.trakt_id.in_(ids)
        await connection.execute(delete(table).where(came, table.c.origin == "trakt"))
        await connection.execute(update(table).where(came).values(trakt_id=None))
    await connection.execute(delete(tables.trakt_history).where(_plays.id.in_(ids)))
    for kind, tmdb_id, season, episode in {
        (row.kind, row.tmdb_id, row.season, row.episode) for row in rows if row.tmdb_id
    }:  # another play of the same may take its place
        await connection.execute(
            update(tables.trakt_history)
            .where(
                _plays.kind == kind,
                _plays.tmdb_id == tmdb_id,
                _plays.season.is_not_distinct_from(season),
                _plays.episode.is_not_distinct_from(episode),
            )
            .values(pending=True)
        )
    await recompute(connection, entries)
    return len(ids)
