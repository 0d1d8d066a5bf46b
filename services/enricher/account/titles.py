"""Bringing titles here: what TMDB says of one, its cast and crew, its pictures, and its place in the library."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import bindparam, delete, insert, select, update

from services.enricher.account import tables
from services.enricher.account.mirror import TitleId
from services.enricher.account.progress import episodes_of
from services.enricher.account.rules import MediaKind
from services.enricher.database.connection import AsyncConnection
from services.enricher.finder.metadata import Found, NotFound, Pending, Unavailable, Urgency
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb import Resource, resources
from services.enricher.finder.providers.tmdb.models.people import Credits
from services.enricher.finder.providers.tmdb.models.titles import Movie, Season, Tv
from shared.pictures import FailureClass
from shared.telemetry import utc_now

APPENDED = ("credits", "external_ids")
CREDITS_AT_MOST = 100
"""Of the cast, and of the crew."""

LAST = 999
"""The place of whoever has none."""

WITHIN = timedelta(minutes=2)
TRIES = 4
LONGEST_WAIT_S = 300.0
AGAIN = frozenset({FailureClass.BUSY, FailureClass.UPSTREAM})
"""What may pass while one waits."""

_Model = TypeVar("_Model", bound=Lenient)
Sleep = Callable[[float], Awaitable[None]]


class DetailsMissing(Exception):
    """TMDB cannot say what a title is; the text says why."""


@dataclass(frozen=True, slots=True)
class TitleItem:
    """A title as the library takes it."""

    kind: MediaKind
    title: str
    year: int | None
    imdb_id: str | None
    tmdb_id: int
    tvdb_id: int | None


class Items(Protocol):
    """The library, as far as an account needs it: a title is one there, however it came."""

    async def keep(self, item: TitleItem) -> int:
        """The number of its entry in the library."""

    async def known(self, kind: MediaKind, tmdb_ids: Collection[int]) -> frozenset[int]:
        """Those that the library has."""


@dataclass(frozen=True, slots=True)
class SeasonDetails:
    number: int
    details: Season


@dataclass(frozen=True, slots=True)
class Details:
    """Of a title that nobody had here: what TMDB says. `seasons`: those that are asked for, and known to TMDB."""

    title: TitleId
    movie: Movie | None = None
    tv: Tv | None = None
    item_id: int | None = None
    seasons: Sequence[SeasonDetails] = ()
    pictures: Sequence[str] = field(default=())
    """TMDB's paths."""

    @property
    def name(self) -> str:
        return self.movie.title if self.movie else self.tv.name if self.tv else str(self.title)

    @property
    def aired(self) -> Mapping[tuple[int, int], date]:
        return {
            (season.number, episode.episode_number): episode.air_date
            for season in self.seasons
            for episode in season.details.episodes
            if episode.air_date
        }


class TitleFetcher:
    """Raises DetailsMissing and DatabaseUnavailable."""

    def __init__(
        self,
        tmdb: TmdbMetadata,
        items: Items,
        *,
        now: Callable[[], datetime] = utc_now,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._tmdb = tmdb
        self._items = items
        self._now = now
        self._sleep = sleep

    async def details(self, title: TitleId, seasons: Iterable[int]) -> Details:
        """Of a title that is new here, with its place in the library."""
        if title.kind is MediaKind.MOVIE:
            movie = await self._required(resources.movie, title.tmdb_id, "movie")
            year = movie.release_date.year if movie.release_date else None
            item = TitleItem(title.kind, movie.title, year, movie.imdb_id, title.tmdb_id, None)
            pictures = _paths(movie.poster_path, movie.backdrop_path)
            return Details(title, movie=movie, item_id=await self._items.keep(item), pictures=pictures)
        tv = await self._required(resources.tv, title.tmdb_id, "series")
        other = tv.external_ids
        year = tv.first_air_date.year if tv.first_air_date else None
        imdb, tvdb = (other.imdb_id, other.tvdb_id) if other else (None, None)
        item = TitleItem(title.kind, tv.name, year, imdb, title.tmdb_id, tvdb)
        found = await self.seasons(title.tmdb_id, seasons)
        pictures = (*_paths(tv.poster_path, tv.backdrop_path), *pictures_of(found))
        item_id = await self._items.keep(item)
        return Details(title, tv=tv, item_id=item_id, seasons=found, pictures=pictures)

    async def again(self, title: TitleId, seasons: Iterable[int]) -> Details:
        """Of a title that is here, as TMDB has it now."""
        if title.kind is MediaKind.MOVIE:
            return Details(title, movie=await self._required(resources.movie, title.tmdb_id, "movie"))
        tv = await self._required(resources.tv, title.tmdb_id, "series")
        return Details(title, tv=tv, seasons=await self.seasons(title.tmdb_id, seasons))

    async def seasons(self, tmdb_id: int, numbers: Iterable[int]) -> Sequence[SeasonDetails]:
        """Without those that TMDB does not have."""
        found = []
        for number in sorted(numbers):
            try:
                resource = resources.season(tmdb_id, number)
            except ValueError:
                continue
            season = await self._get(resource, f"season {number} of tmdb:{tmdb_id}")
            if season:
                found.append(SeasonDetails(number, season))
        return found

    async def _required(self, resource: Callable[..., Resource[_Model]], tmdb_id: int, what: str) -> _Model:
        failed = f"Failed to fetch {what} details for tmdb:{tmdb_id}"
        try:
            asked = resource(tmdb_id, append=APPENDED)
        except ValueError as error:
            raise DetailsMissing(f"{failed}: {error}") from None
        found = await self._get(asked, f"{what} details for tmdb:{tmdb_id}")
        if found is None:
            raise DetailsMissing(f"{failed}: TMDB knows no such {what}.")
        return found

    async def _get(self, resource: Resource[_Model], what: str) -> _Model | None:
        """None where TMDB has no such thing."""
        for attempt in range(1, TRIES + 1):
            match await self._tmdb.get(resource, within=WITHIN, urgency=Urgency.LATER):
                case Found(value=value):
                    return value
                case NotFound():
                    return None
                case Pending():
                    reason, wait_s = "TMDB did not answer in time.", 0.0
                case Unavailable(failure_class=failure, reason=reason, retry_at=retry_at):
                    if failure not in AGAIN:
                        raise DetailsMissing(f"Failed to fetch {what}: {reason}")
                    wait_s = (retry_at - self._now()).total_seconds() if retry_at else 1.0
            if attempt < TRIES:
                await self._sleep(max(0.0, min(wait_s, LONGEST_WAIT_S)))
        raise DetailsMissing(f"Failed to fetch {what}: {reason}")


def pictures_of(seasons: Iterable[SeasonDetails]) -> Sequence[str]:
    """Posters of seasons, and stills."""
    paths: list[str] = []
    for season in seasons:
        paths += _paths(season.details.poster_path, *(one.still_path for one in season.details.episodes))
    return paths


def _paths(*paths: str | None) -> tuple[str, ...]:
    return tuple(path for path in paths if path)


async def store_again(connection: AsyncConnection, entry_id: int, details: Details, now: datetime) -> None:
    """What TMDB says now, in the place of what it said."""
    if details.movie:
        await _store_movie(connection, details.movie, details.title.tmdb_id, now)
        credits_ = details.movie.credits
    else:
        assert details.tv
        series_id = await _store_series(connection, details.tv, details.title.tmdb_id, now)
        await store_seasons(connection, series_id, details.seasons, now)
        credits_ = details.tv.credits
    links = tables.media_contributors
    await connection.execute(delete(links).where(links.c.entry_id == entry_id))
    if credits_:
        await _store_credits(connection, entry_id, credits_)


async def store(connection: AsyncConnection, details: Details, reason: str, now: datetime) -> int:
    """The entry of a title that is new here."""
    values: dict[str, Any] = {"media_type": details.title.kind, "tmdb_id": details.title.tmdb_id}
    values |= {"item_id": details.item_id, "reason": reason, "added_at": now, "watch_status": "not watched"}
    if details.movie:
        values["movie_id"] = await _store_movie(connection, details.movie, details.title.tmdb_id, now)
        credits_ = details.movie.credits
    else:
        assert details.tv
        values["series_id"] = series_id = await _store_series(
            connection, details.tv, details.title.tmdb_id, now
        )
        await store_seasons(connection, series_id, details.seasons, now)
        credits_ = details.tv.credits
    entries = tables.library_entries
    entry_id = (await connection.execute(insert(entries).values(values).returning(entries.c.id))).scalar_one()
    if credits_:
        await _store_credits(connection, entry_id, credits_)
    return int(entry_id)


async def store_seasons(
    connection: AsyncConnection, series_id: int, seasons: Sequence[SeasonDetails], now: datetime
) -> None:
    if not seasons:
        return
    kept, episodes = tables.seasons, tables.episodes
    numbers = [one.number for one in seasons]
    old = kept.c.series_id == series_id
    await connection.execute(delete(kept).where(old, kept.c.number.in_(numbers)))
    rows = [{"number": one.number, "poster_path": one.details.poster_path} for one in seasons]
    await connection.execute(
        insert(kept), [{"series_id": series_id, "fetched_at": now, **row} for row in rows]
    )
    told = {
        (one.number, episode.episode_number): episode for one in seasons for episode in one.details.episodes
    }
    ids = await episodes_of(connection, series_id, told)
    changes = [
        {
            "row": ids[place],
            "title": episode.name,
            "aired_on": episode.air_date,
            "runtime_min": episode.runtime,
            "still_path": episode.still_path,
        }
        for place, episode in told.items()
    ]
    if changes:
        await connection.execute(update(episodes).where(episodes.c.id == bindparam("row")), changes)


async def _store_movie(connection: AsyncConnection, movie: Movie, tmdb_id: int, now: datetime) -> int:
    values = {
        "imdb_id": movie.imdb_id,
        "title": movie.title,
        "released_on": movie.release_date,
        "runtime_min": movie.runtime,
        "genres": [genre.name for genre in movie.genres],
        "poster_path": movie.poster_path,
        "backdrop_path": movie.backdrop_path,
        "fetched_at": now,
    }
    return await _upsert(connection, tables.movies, tmdb_id, values)


async def _store_series(connection: AsyncConnection, tv: Tv, tmdb_id: int, now: datetime) -> int:
    values = {
        "imdb_id": tv.external_ids.imdb_id if tv.external_ids else None,
        "tvdb_id": tv.external_ids.tvdb_id if tv.external_ids else None,
        "title": tv.name,
        "first_aired_on": tv.first_air_date,
        "episode_count": tv.number_of_episodes,
        "genres": [genre.name for genre in tv.genres],
        "poster_path": tv.poster_path,
        "backdrop_path": tv.backdrop_path,
        "fetched_at": now,
    }
    return await _upsert(connection, tables.series, tmdb_id, values)


async def _upsert(connection: AsyncConnection, table: Any, tmdb_id: int, values: Mapping[str, Any]) -> int:
    query = select(table.c.id).where(table.c.tmdb_id == tmdb_id)
    found: int | None = (await connection.execute(query)).scalar_one_or_none()
    if found is not None:
        await connection.execute(update(table).where(table.c.id == found).values(values))
        return found
    made = insert(table).values(tmdb_id=tmdb_id, **values).returning(table.c.id)
    return int((await connection.execute(made)).scalar_one())


async def _store_credits(connection: AsyncConnection, entry_id: int, credits_: Credits) -> None:
    cast = sorted(credits_.cast, key=lambda one: LAST if one.order is None else one.order)[:CREDITS_AT_MOST]
    crew = credits_.crew[:CREDITS_AT_MOST]
    ids = await _people(
        connection,
        {one.id: (one.name, one.profile_path) for one in crew}
        | {one.id: (one.name, one.profile_path) for one in cast},
    )
    rows = [
        {
            "part": "cast",
            "character": one.character,
            "job": None,
            "place": LAST if one.order is None else one.order,
            "contributor_id": ids[one.id],
        }
        for one in cast
    ]
    rows += [
        {"part": "crew", "character": None, "job": one.job, "place": LAST, "contributor_id": ids[one.id]}
        for one in crew
    ]
    if rows:
        links = [{"entry_id": entry_id, **row} for row in rows]
        await connection.execute(insert(tables.media_contributors), links)


async def _people(
    connection: AsyncConnection, named: Mapping[int, tuple[str, str | None]]
) -> Mapping[int, int]:
    """The ids of people's rows by TMDB's."""
    people = tables.contributors
    query = select(people.c.tmdb_id, people.c.id).where(people.c.tmdb_id.in_(list(named)))
    ids: dict[int, int] = {row.tmdb_id: row.id for row in await connection.execute(query)}
    new = [
        {"tmdb_id": tmdb_id, "name": name, "profile_path": path}
        for tmdb_id, (name, path) in named.items()
        if tmdb_id not in ids
    ]
    known = [
        {"row": id_, "name": named[tmdb_id][0], "profile_path": named[tmdb_id][1]}
        for tmdb_id, id_ in ids.items()
    ]
    if known:
        await connection.execute(update(people).where(people.c.id == bindparam("row")), known)
    if new:
        await connection.execute(insert(people), new)
        ids = {row.tmdb_id: row.id for row in await connection.execute(query)}
    return ids
