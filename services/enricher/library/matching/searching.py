"""Searching: what each provider finds for a title and a year."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from services.enricher.finder.metadata import Found, NotFound, Outcome, TitleKind, Unavailable, Urgency
from services.enricher.finder.metadata.titles import is_imdb_id
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata
from services.enricher.finder.providers import ProviderError, Turn
from services.enricher.finder.providers.tmdb import resources
from services.enricher.finder.providers.tmdb.models.titles import MovieEntry, TvEntry
from services.enricher.finder.providers.trakt.client import Trakt
from services.enricher.finder.providers.tvdb.client import Tvdb
from services.enricher.library.item import Item
from services.enricher.library.matching.table import MatchCandidate

MOST = 10
"""Candidates of one provider that are looked at, and shown."""

LOOKED_AT_CLOSELY = 3
"""Of those that fit by the year, for other titles: each costs a request."""


@dataclass(frozen=True, slots=True)
class SoughtTitle:
    kind: TitleKind
    title: str
    year: int | None


_YEAR_AT_THE_END = re.compile(r"(?P<title>.+?) (?P<year>(?:19|20)\d\d)")


def readings(item: Item) -> Sequence[SoughtTitle]:
    """As it is called; and where it may be that a year stands at the end of its title, without that."""
    kind = TitleKind(item.media_type)
    as_called = SoughtTitle(kind, item.title, item.year)
    found = _YEAR_AT_THE_END.fullmatch(item.title) if item.year is None else None
    if found is None:
        return (as_called,)
    return as_called, SoughtTitle(kind, found["title"], int(found["year"]))


class Candidates(BaseModel):
    model_config = ConfigDict(frozen=True)

    candidates: tuple[MatchCandidate, ...] = ()


class Search(Protocol):
    @property
    def name(self) -> str: ...

    async def find(self, sought: SoughtTitle, until: datetime) -> Outcome[Candidates]: ...


class TmdbSearch:
    name = "tmdb"

    def __init__(self, tmdb: TmdbMetadata) -> None:
        self._tmdb = tmdb

    async def find(self, sought: SoughtTitle, until: datetime) -> Outcome[Candidates]:
        """Without the year in the question: its neighbours fit as well."""
        query = sought.title[: resources.MAX_QUERY]
        entries: Sequence[MovieEntry | TvEntry]
        if sought.kind is TitleKind.MOVIE:
            movies = await self._tmdb.look(resources.search_movie(query), until, Urgency.LATER)
            if not isinstance(movies, Found):
                return movies
            entries = movies.value.results
        else:
            series = await self._tmdb.look(resources.search_tv(query), until, Urgency.LATER)
            if not isinstance(series, Found):
                return series
            entries = series.value.results
        found = [_of_tmdb(entry) for entry in entries if 0 < entry.id <= resources.MAX_ID]
        found.sort(key=lambda one: not one.fits(sought.year))
        return Found(Candidates(candidates=tuple(await self._closely(sought, found[:MOST], until))))

    async def _closely(
        self, sought: SoughtTitle, found: list[MatchCandidate], until: datetime
    ) -> list[MatchCandidate]:
        """With the other titles of those that may be it, where none has the title that is sought."""
        if any(one.is_called(sought.title) and one.fits(sought.year) for one in found):
            return found
        close = [one for one in found if one.fits(sought.year)][:LOOKED_AT_CLOSELY]
        for one in close:
            resource = resources.alternative_titles(sought.kind, one.tmdb_id or 0)
            known = await self._tmdb.look(resource, until, Urgency.LATER)
            if isinstance(known, Found):
                also = (*one.also, *(other.title for other in (*known.value.titles, *known.value.results)))
                found[found.index(one)] = one.model_copy(update={"also": also})
        return found


class TraktSearch:
    name = "trakt"

    def __init__(self, trakt: Trakt) -> None:
        self._trakt = trakt

    async def find(self, sought: SoughtTitle, until: datetime) -> Outcome[Candidates]:
        turn = Turn(Urgency.LATER, until)
        try:
            titles = await self._trakt.search(sought.kind, sought.title, turn)
        except ProviderError as error:
            return _failed(error)
        found = [
            MatchCandidate(
                provider=self.name,
                title=title.title,
                year=title.year,
                imdb_id=title.ids.imdb if is_imdb_id(title.ids.imdb or "") else None,
                tmdb_id=_known_id(title.ids.tmdb),
                tvdb_id=_known_id(title.ids.tvdb) if sought.kind is TitleKind.TV else None,
                popularity=title.votes or 0,
                overview=title.overview,
            )
            for title in titles[:MOST]
        ]
        return Found(Candidates(candidates=tuple(one for one in found if one.ids)))


class TvdbSearch:
    name = "tvdb"

    def __init__(self, tvdb: Tvdb) -> None:
        self._tvdb = tvdb

    async def find(self, sought: SoughtTitle, until: datetime) -> Outcome[Candidates]:
        turn = Turn(Urgency.LATER, until)
        try:
            hits = await self._tvdb.search(sought.title, is_series=sought.kind is TitleKind.TV, turn=turn)
        except ProviderError as error:
            return _failed(error)
        found = [
            MatchCandidate(
                provider=self.name,
                title=hit.name,
                also=(*hit.aliases, *hit.translations.values()),
                year=_number(hit.year or ""),
                tvdb_id=tvdb_id,
                overview=hit.overview,
            )
            for hit in hits[:MOST]
            if (tvdb_id := _known_id(_number(hit.tvdb_id)))
        ]
        return Found(Candidates(candidates=tuple(found)))


def _of_tmdb(entry: MovieEntry | TvEntry) -> MatchCandidate:
    if isinstance(entry, MovieEntry):
        title, original, first = entry.title, entry.original_title, entry.release_date
    else:
        title, original, first = entry.name, entry.original_name, entry.first_air_date
    return MatchCandidate(
        provider="tmdb",
        title=title,
        also=(original,) if original and original != title else (),
        year=first.year if first else None,
        tmdb_id=entry.id,
        popularity=entry.popularity or 0,
        overview=entry.overview,
    )


MOST_DIGITS = 10


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _known_id(number: int | None) -> int | None:
    """None for what the library has no room for."""
    return number if number and 0 < number <= resources.MAX_ID else None


def _failed(error: ProviderError) -> NotFound | Unavailable:
    return Unavailable(error.failure_class, error.reason)
