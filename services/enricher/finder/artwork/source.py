"""What pictures are asked of: a subject with its ids, the sources that know it, and who knows its id at another provider."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict

from services.enricher.finder.artwork.choice import Gallery
from services.enricher.finder.metadata import Metadata
from services.enricher.finder.metadata.cache import Cache, CacheRequest
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable, Value
from services.enricher.finder.providers import ProviderSettings, Turn, Urgency
from services.enricher.finder.providers.asking import Provider
from shared.pictures import Kind, Role


class Whose(StrEnum):
    """Whose an id is."""

    TVDB = "tvdb"
    TMDB = "tmdb"
    IMDB = "imdb"
    TRAKT = "trakt"
    HARDCOVER = "hardcover"
    ISBN = "isbn"


class Ids(BaseModel):
    """`trakt`: Trakt's number or slug. `isbn`: of ten or thirteen digits, without hyphens."""

    model_config = ConfigDict(frozen=True)

    tvdb: int | None = None
    tmdb: int | None = None
    imdb: str | None = None
    trakt: str | None = None
    hardcover: int | None = None
    isbn: str | None = None

    def has(self, *whose: Whose) -> bool:
        """Whether one of these is there."""
        return any(getattr(self, one) is not None for one in whose)

    def __or__(self, other: Self) -> Self:
        """What is there stays."""
        return other.model_copy(update=self.model_dump(exclude_none=True))


class Subject(BaseModel):
    """A season or an episode that is placed (`season` is there) has its series' ids, else its own."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    ids: Ids
    season: int | None = None
    episode: int | None = None

    @classmethod
    def parse(cls, kind: Kind, id_: str) -> Self:
        """`tmdb:603`, `imdb:tt0133093`, `tvdb:81189`, `trakt:the-matrix-1999`; a season `tmdb:1399-s1`, an
        episode `tmdb:1399-s1e2`, or what TVDB and IMDb call them themselves, `tvdb:364731`.

        Raise ValueError, with a sentence for the user, for anything else.
        """
        if kind not in _FORMS:
            raise ValueError(f"No provider has pictures of the kind {kind}.")
        for pattern in _FORMS[kind]:
            if found := pattern.fullmatch(id_):
                return cls.model_validate({"kind": kind, "ids": found.groupdict(), **found.groupdict()})
        raise ValueError(f"An id of the kind {kind} is written {_WRITTEN[kind]}.")

    @property
    def is_placed(self) -> bool:
        """Whether it is known in which series, if it is part of one."""
        return self.kind not in _PARTS or self.season is not None

    @property
    def title(self) -> Self:
        """The series that it is part of, or itself."""
        if self.kind not in _PARTS or not self.is_placed:
            return self
        return self.model_copy(update={"kind": Kind.SERIES, "season": None, "episode": None})

    def called(self, ids: Ids) -> Self:
        """With these ids as well."""
        return self.model_copy(update={"ids": self.ids | ids})


_PARTS = {Kind.SEASON, Kind.EPISODE}
_NUMBER = "[1-9][0-9]{0,9}"
_TVDB, _TMDB, _IMDB = {"tvdb": _NUMBER}, {"tmdb": _NUMBER}, {"imdb": "tt[0-9]{5,12}"}
_TRAKT = {"trakt": "[A-Za-z0-9][A-Za-z0-9_-]{0,99}?"}
_HARDCOVER = {"hardcover": _NUMBER}
_ANY = _TVDB | _TMDB | _IMDB | _TRAKT
_COUNT = "0|[1-9][0-9]{0,4}"
_SEASON = f"-s(?P<season>{_COUNT})"
_EPISODE = f"{_SEASON}e(?P<episode>{_COUNT})"


def _form(ids: Mapping[str, str], place: str = "") -> re.Pattern[str]:
    id_ = "|".join(f"{whose}:(?P<{whose}>{what})" for whose, what in ids.items())
    return re.compile(f"(?:{id_}){place}", re.ASCII)


_FORMS = {
    Kind.MOVIE: (_form(_ANY),),
    Kind.SERIES: (_form(_ANY),),
    Kind.SEASON: (_form(_ANY, _SEASON), _form(_TVDB)),
    Kind.EPISODE: (_form(_ANY, _EPISODE), _form(_TVDB | _IMDB)),
    Kind.PERSON: (_form(_ANY | {"imdb": "nm[0-9]{5,12}"}),),
    Kind.COLLECTION: (_form(_TMDB),),
    Kind.BOOK: (_form(_HARDCOVER | {"isbn": "(?:97[89][0-9]{10}|[0-9]{9}[0-9X])"}),),
    Kind.CHARACTER: (_form(_HARDCOVER),),
}
_TITLE = "tmdb:603, imdb:tt0133093, tvdb:81189 or trakt:the-matrix-1999"
_WRITTEN = {
    Kind.MOVIE: _TITLE,
    Kind.SERIES: _TITLE,
    Kind.SEASON: "tmdb:1399-s1 (so for tvdb, imdb and trakt), or tvdb:364731",
    Kind.EPISODE: "tmdb:1399-s1e2 (so for tvdb, imdb and trakt), tvdb:3254641 or imdb:tt1480055",
    Kind.PERSON: "tmdb:17419, imdb:nm0186505, tvdb:297737 or trakt:bryan-cranston",
    Kind.COLLECTION: "tmdb:10",
    Kind.BOOK: "isbn:9780441172719 or hardcover:312460",
    Kind.CHARACTER: "hardcover:1234",
}


@dataclass(frozen=True, slots=True)
class Asking:
    """Until when an answer is wanted, and how urgent it is."""

    until: datetime
    urgency: Urgency = Urgency.NOW


class ArtworkSource(Protocol):
    @property
    def name(self) -> str: ...

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        """Whose ids of the title it can be asked with; empty where it has nothing of this kind."""

    def knows(self, subject: Subject) -> bool:
        """Whether it can be asked for this as it is named."""

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:
        """Of a subject that it knows: its pictures in this role."""


@runtime_checkable
class IdSource(Protocol):
    """A provider that knows by what other ids titles go, and where seasons and episodes are."""

    @property
    def name(self) -> str: ...

    async def more(self, title: Subject, asking: Asking) -> Outcome[Ids]:
        """What a title or a person is called besides."""

    async def place(self, part: Subject, asking: Asking) -> Outcome[Subject]:
        """Where a season or an episode, named by an id of its own, is in its series."""


@dataclass(frozen=True, slots=True)
class Records:
    """What one provider said, by what was asked for, in memory for as long as it is `kept`."""

    cache: Cache
    kept: timedelta

    async def get(
        self, key: str, model: type[Value], ask: Callable[[Turn], Awaitable[Value]], asking: Asking
    ) -> Outcome[Value]:
        wanted = CacheRequest(key, model, self.kept, ask)
        return await self.cache.look(wanted, until=asking.until, urgency=asking.urgency)


@dataclass(frozen=True, slots=True)
class ArtworkParts:
    """What a provider's specification may make its source of. `languages`: in which pictures are wanted."""

    provider: Provider
    settings: ProviderSettings
    metadata: Metadata
    records: Records
    languages: Sequence[str]
    now: Callable[[], datetime]


ROUNDS = 2
"""An IMDb id leads to TMDB's, and TMDB's to TVDB's."""


class IdMapping:
    """The provider that the id is wanted for is asked first, then whoever has given one of those that are known."""

    def __init__(self, sources: Sequence[IdSource]) -> None:
        self._sources = sources

    async def into(self, whose: Sequence[Whose], subject: Subject, asking: Asking) -> Outcome[Subject]:
        """The subject with an id of one of these. Not NotFound while somebody who may know has not answered."""
        sources = sorted(
            self._sources,
            key=lambda source: (source.name not in whose, getattr(subject.ids, source.name, None) is None),
        )
        if not subject.is_placed:
            placed = await self._placed(sources, subject, asking)
            if not isinstance(placed, Found):
                return placed
            subject = placed.value
        missing: Outcome[Subject] = NotFound()
        for source in [*sources] * ROUNDS:
            if subject.ids.has(*whose):
                break
            outcome = await source.more(subject.title, asking)
            if isinstance(outcome, Found):
                subject = subject.called(outcome.value)
            elif not isinstance(outcome, NotFound):
                missing = _weightier(missing, outcome)
        return Found(subject) if subject.ids.has(*whose) else missing

    async def _placed(self, sources: Sequence[IdSource], part: Subject, asking: Asking) -> Outcome[Subject]:
        missing: Outcome[Subject] = NotFound()
        for source in sources:
            outcome = await source.place(part, asking)
            if isinstance(outcome, Found):
                return outcome
            if not isinstance(outcome, NotFound):
                missing = _weightier(missing, outcome)
        return missing


def _weightier(known: Outcome[Subject], other: Unavailable | Pending) -> Outcome[Subject]:
    """A key that is refused says the least of why there is nothing."""
    says_little = isinstance(known, NotFound) or (isinstance(known, Unavailable) and known.misconfigured)
    return other if says_little else known
