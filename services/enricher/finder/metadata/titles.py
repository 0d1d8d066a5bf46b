"""Titles: what is said of one, and how one is looked up at several providers."""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict

from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable
from services.enricher.finder.providers import Urgency
from services.enricher.finder.providers.models import TitleKind
from shared.pictures import FailureClass, Role
from shared.telemetry import utc_now

_IMDB = re.compile(r"tt\d{5,12}", re.ASCII)
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)
_TMDB = re.compile(r"tmdb:([1-9]\d{0,8})", re.ASCII)


def is_imdb_id(text: str) -> bool:
    """Of a title."""
    return _IMDB.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class TitleKey:
    """Which title: by any of its ids, the IMDb id first. `trakt_id` is Trakt's number or slug."""

    kind: TitleKind
    imdb_id: str | None = None
    tmdb_id: int | None = None
    trakt_id: str | None = None
    tvdb_id: int | None = None

    @classmethod
    def parse(cls, kind: TitleKind, text: str) -> Self:
        """`tt0133093`, `tmdb:603`, or what Trakt calls it. Raise ValueError for anything else."""
        if is_imdb_id(text):
            return cls(kind, imdb_id=text)
        if found := _TMDB.fullmatch(text):
            return cls(kind, tmdb_id=int(found[1]))
        plain = text.removeprefix("trakt:")
        if _SLUG.fullmatch(plain):
            return cls(kind, trakt_id=plain)
        raise ValueError("A title is named tt0133093, tmdb:603, or as Trakt calls it: the-matrix-1999.")

    @property
    def names_something(self) -> bool:
        return bool(self.imdb_id or self.tmdb_id or self.trakt_id or self.tvdb_id)


class Title(BaseModel):
    """`rating` is of 10, `runtime` in minutes, `pictures` are source URLs, `provider` is who says all this."""

    model_config = ConfigDict(frozen=True)

    kind: TitleKind
    provider: str
    title: str
    year: int | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None
    tvdb_id: int | None = None
    trakt_id: int | None = None
    trakt_slug: str | None = None
    overview: str | None = None
    tagline: str | None = None
    rating: float | None = None
    votes: int | None = None
    genres: tuple[str, ...] = ()
    runtime: int | None = None
    released: date | None = None
    status: str | None = None
    certification: str | None = None
    language: str | None = None
    pictures: dict[Role, str] = {}

    def key_besides(self, key: TitleKey) -> TitleKey:
        """What it can be asked for at another provider: by the ids of `key`, and those that this says."""
        return TitleKey(
            self.kind,
            imdb_id=key.imdb_id or self.imdb_id,
            tmdb_id=key.tmdb_id or self.tmdb_id,
            trakt_id=key.trakt_id,
            tvdb_id=key.tvdb_id or self.tvdb_id,
        )


PATIENCE = 0.5
"""The share of the time left for which a provider is waited for while there is another one to ask."""

NO_PROVIDER = Unavailable(FailureClass.REFUSED, "No provider of metadata has a key.")


TEXTS = ("title", "overview", "tagline", "genres")


class TextLack(Enum):
    """What a title may lack that another source has."""

    POSTER = auto()
    TEXTS = auto()


class TitleSource(Protocol):
    """One provider's titles."""

    @property
    def language(self) -> str:
        """Of its texts, in two letters."""

    def at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None: ...

    async def look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]: ...


class Titles:
    """Each source is asked for what those before it do not have, or cannot give.

    `language` is that of the texts that are wanted, in two letters: they come from the first source that has them in
    it. A poster comes from the first that has one.
    """

    def __init__(
        self,
        sources: Sequence[TitleSource],
        *,
        within: timedelta,
        language: str = "en",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._sources = sources
        self._within = within
        self._language = language
        self._now = now

    async def lookup(
        self,
        keys: Iterable[TitleKey],
        *,
        within: timedelta | None = None,
        urgency: Urgency = Urgency.NOW,
    ) -> dict[TitleKey, Outcome[Title]]:
        """An outcome for each key, after so much time at most (the page's deadline).

        A key without any id is NotFound, without anybody being asked.
        """
        until = self._now() + (self._within if within is None else within)
        outcomes = {key: self._at_hand(key, until) for key in keys}
        missing = [key for key, outcome in outcomes.items() if outcome is None]
        looked_up = await asyncio.gather(*(self._look(key, until, urgency) for key in missing))
        found = dict(zip(missing, looked_up, strict=True))
        return {key: outcome or found[key] for key, outcome in outcomes.items()}

    def _at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None:
        """None where somebody has to be asked."""
        best = self._without_sources(key)
        for place, source in enumerate(self._sources):
            outcome = source.at_hand(key, until)
            if isinstance(outcome, Found) and _settles(outcome):
                return self._completed_at_hand(key, outcome, place, until)
            if outcome is None:
                return None
            best = max(best, outcome, key=_worth)
        return best

    def _completed_at_hand(
        self, key: TitleKey, found: Found[Title], place: int, until: datetime
    ) -> Outcome[Title] | None:
        for source in self._sources[place + 1 :]:
            lacks = self._lacks(found.value, self._sources[place])
            if lacks:
                more = source.at_hand(found.value.key_besides(key), until)
                if more is None:
                    return None
                found = self._completed(found, more, source, lacks)
        return found

    async def _look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
        best = self._without_sources(key)
        for place, source in enumerate(self._sources):
            patience = until if source is self._sources[-1] else self._impatient(until)
            outcome = await source.look(key, patience, urgency)
            if isinstance(outcome, Found) and _settles(outcome):
                return await self._complete(key, outcome, place, until, urgency)
            best = max(best, outcome, key=_worth)
        return best

    async def _complete(
        self, key: TitleKey, found: Found[Title], place: int, until: datetime, urgency: Urgency
    ) -> Found[Title]:
        for source in self._sources[place + 1 :]:
            if lacks := self._lacks(found.value, self._sources[place]):
                more = await source.look(found.value.key_besides(key), until, urgency)
                found = self._completed(found, more, source, lacks)
        return found

    def _lacks(self, title: Title, source: TitleSource) -> set[TextLack]:
        lacks = set() if Role.POSTER in title.pictures else {TextLack.POSTER}
        return lacks if source.language == self._language else lacks | {TextLack.TEXTS}

    def _completed(
        self, found: Found[Title], more: Outcome[Title], source: TitleSource, lacks: set[TextLack]
    ) -> Found[Title]:
        if not isinstance(more, Found):
            return found
        title, other = found.value, more.value
        if TextLack.POSTER in lacks:
            title = title.model_copy(update={"pictures": {**other.pictures, **title.pictures}})
        if TextLack.TEXTS in lacks and source.language == self._language and other.overview:
            title = title.model_copy(
                update={name: getattr(other, name) for name in TEXTS if getattr(other, name)}
            )
        return Found(title, found.stale)

    def _impatient(self, until: datetime) -> datetime:
        now = self._now()
        return now + (until - now) * PATIENCE

    def _without_sources(self, key: TitleKey) -> Outcome[Title]:
        return NotFound() if self._sources or not key.names_something else NO_PROVIDER


def _settles(outcome: Outcome[Title]) -> bool:
    return isinstance(outcome, Found) and not outcome.stale


def _worth(outcome: Outcome[Title]) -> int:
    """Of two that do not settle it, which tells more."""
    match outcome:
        case Found():
            return 3
        case Pending():
            return 2
        case Unavailable():
            return 1
        case NotFound():
            return 0
