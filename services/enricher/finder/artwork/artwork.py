"""Artwork: asks the sources in their order until one has a picture that suits; and their composition."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.enricher.finder.artwork.casts import Casts, CastSource
from services.enricher.finder.artwork.choice import (
    INSTEAD,
    ORIGINAL,
    ArtworkSettings,
    Candidate,
    Choice,
    Gallery,
    Taste,
    choose,
    role_of,
)
from services.enricher.finder.artwork.source import (
    ArtworkParts,
    ArtworkSource,
    Asking,
    IdMapping,
    IdSource,
    Records,
    Subject,
)
from services.enricher.finder.metadata import Metadata, MetadataSettings, TitleKey, TitleKind
from services.enricher.finder.metadata.cache import Cache
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable
from services.enricher.finder.providers import Urgency
from services.enricher.finder.providers.asking import Provider
from services.enricher.finder.providers.opening import Providers
from shared.pictures import FailureClass, Kind, Role
from shared.telemetry import utc_now


class Answered(StrEnum):
    """How asking one provider ended. not_asked: one before it had a picture that suits."""

    PICTURES = "pictures"
    NOTHING = "nothing"
    FAILED = "failed"
    OFF = "off"
    NOT_ASKED = "not_asked"


class Answer(BaseModel):
    """One provider's part. `reason` is a sentence where it failed or is off."""

    model_config = ConfigDict(frozen=True)

    provider: str
    answered: Answered
    reason: str | None = None


class Lack(BaseModel):
    """Why there is no picture, and when to look again.

    `misconfigured`: a provider does not accept our key, or none has one. That says nothing about the subject, and
    is not to be remembered with it.
    """

    model_config = ConfigDict(frozen=True)

    failure_class: FailureClass
    reason: str
    retry_at: AwareDatetime
    misconfigured: bool = False


class Finding(BaseModel):
    """`answers` are in the order in which the providers count; `lack` is there where nothing was chosen."""

    model_config = ConfigDict(frozen=True)

    choice: Choice
    answers: tuple[Answer, ...]
    lack: Lack | None = None

    @property
    def chosen(self) -> Candidate | None:
        return self.choice.chosen


PATIENCE = 0.5
"""The share of the time left for which a provider is waited for while there is another one to ask."""

GONE_FOR = timedelta(hours=1)
SOON = timedelta(seconds=5)
"""Until what did not come in time is there, most likely."""

NO_KEY_FOR = timedelta(minutes=1)


Off = Callable[[Kind], Iterable[tuple[str, str]]]
"""Providers that may have pictures of this kind and are not asked, each with the reason."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What one provider told."""

    source: str
    outcome: Outcome[Gallery]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return self.outcome.value.candidates if isinstance(self.outcome, Found) else ()

    @property
    def answer(self) -> Answer:
        match self.outcome:
            case Unavailable(reason=reason):
                return Answer(provider=self.source, answered=Answered.FAILED, reason=reason)
            case Pending():
                reason = f"{self.source} did not answer in time."
                return Answer(provider=self.source, answered=Answered.FAILED, reason=reason)
        answered = Answered.PICTURES if self.candidates else Answered.NOTHING
        return Answer(provider=self.source, answered=answered)


class Artwork:
    """Of sources in the order in which they are preferred. `off` tells why others are not asked."""

    def __init__(
        self,
        sources: Sequence[ArtworkSource],
        ids: IdMapping,
        settings: ArtworkSettings,
        *,
        off: Off,
        languages: Sequence[str],
        original: Callable[[Subject, Asking], Awaitable[str | None]] | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._ids = ids
        self._off = off
        self._settings = settings
        self._taste = Taste(languages, settings.textless)
        self._original = original
        self._now = now
        self.casts = Casts([source for source in sources if isinstance(source, CastSource)], ids)

    async def find(
        self, subject: Subject, role: Role, *, within: timedelta, urgency: Urgency = Urgency.NOW
    ) -> Finding:
        """The best picture of the first provider that has one that suits, or else of whoever has any; where nobody has one
        in a role that another stands in for, the best in that.

        After `within` at most. Providers that fail are passed over.
        """
        until = self._now() + within
        role = role_of(subject.kind, role)
        finding = await self._find(subject, role, until, urgency)
        if role in INSTEAD and finding.lack and finding.lack.failure_class is FailureClass.GONE:
            return await self._find(subject, INSTEAD[role], until, urgency)
        return finding

    async def _find(self, subject: Subject, role: Role, until: datetime, urgency: Urgency) -> Finding:
        order = self._order(subject)
        taste = await self._taste_of(subject, Asking(self._impatient(until), urgency))
        told: list[_Told] = []
        for name in order:
            last = name == order[-1]
            asking = Asking(until if last else self._impatient(until), urgency)
            told.append(await self._ask(self._sources[name], subject, role, asking))
            if any(taste.suits(candidate) for candidate in told[-1].candidates):
                break
        return self._finding(subject, order, told, taste)

    async def explain(self, subject: Subject, role: Role, *, within: timedelta) -> Finding:
        """The same, with the pictures of all providers: each of them is asked."""
        asking = Asking(self._now() + within)
        role = role_of(subject.kind, role)
        finding = await self._explain(subject, role, asking)
        if role in INSTEAD and finding.lack and finding.lack.failure_class is FailureClass.GONE:
            return await self._explain(subject, INSTEAD[role], asking)
        return finding

    async def _explain(self, subject: Subject, role: Role, asking: Asking) -> Finding:
        order = self._order(subject)
        taste = await self._taste_of(subject, asking)
        told = await asyncio.gather(
            *(self._ask(self._sources[name], subject, role, asking) for name in order)
        )
        return self._finding(subject, order, told, taste)

    async def _taste_of(self, subject: Subject, asking: Asking) -> Taste:
        """Of the title's original language as well, where that is among the languages."""
        if self._original is None or ORIGINAL not in self._taste.languages:
            return self._taste
        return self._taste.of_original(await self._original(subject, asking))

    def _order(self, subject: Subject) -> tuple[str, ...]:
        """Of those that have a key, and pictures of this kind. Unless it is set, who knows the subject as it is
        named comes before who would have to ask another for its id: that costs requests.
        """
        kind = subject.kind
        able = [name for name, source in self._sources.items() if source.takes(kind)]
        if given := self._settings.order(kind):
            return tuple(name for name in given if name in able)
        return tuple(sorted(able, key=lambda name: not self._sources[name].knows(subject)))

    async def _ask(self, source: ArtworkSource, subject: Subject, role: Role, asking: Asking) -> _Told:
        if not source.knows(subject):
            mapped = await self._ids.into(source.takes(subject.kind), subject, asking)
            if not isinstance(mapped, Found):
                return _Told(source.name, mapped)
            subject = mapped.value
        outcome = await source.look(subject, role, asking)
        if isinstance(outcome, Found):
            outcome = Found(outcome.value.of(role), outcome.stale)
        return _Told(source.name, outcome)

    def _finding(
        self, subject: Subject, order: Sequence[str], told: Sequence[_Told], taste: Taste
    ) -> Finding:
        candidates = [candidate for one in told for candidate in one.candidates]
        choice = choose(candidates, order, taste)
        answers = [one.answer for one in told]
        answers += [Answer(provider=name, answered=Answered.NOT_ASKED) for name in order[len(told) :]]
        answers += [
            Answer(provider=name, answered=Answered.OFF, reason=reason)
            for name, reason in self._off(subject.kind)
        ]
        lack = None if choice.chosen else self._lack(subject, order, [one.outcome for one in told])
        return Finding(choice=choice, answers=tuple(answers), lack=lack)

    def _lack(self, subject: Subject, order: Sequence[str], outcomes: Sequence[Outcome[Gallery]]) -> Lack:
        """Gone only where everybody has said so; misconfigured only where nobody else has failed."""
        now = self._now()
        if not order:
            reason = f"No provider that has pictures of a {subject.kind} has a key."
            return Lack(
                failure_class=FailureClass.REFUSED,
                reason=reason,
                retry_at=now + NO_KEY_FOR,
                misconfigured=True,
            )
        lacks = [_lack(outcome, now) for outcome in outcomes if not isinstance(outcome, Found | NotFound)]
        if not lacks:
            reason = "No provider has such a picture."
            return Lack(failure_class=FailureClass.GONE, reason=reason, retry_at=now + GONE_FOR)
        return min(lacks, key=lambda lack: (lack.misconfigured, lack.retry_at))

    def _impatient(self, until: datetime) -> datetime:
        now = self._now()
        return now + (until - now) * PATIENCE


def _lack(outcome: Unavailable | Pending, now: datetime) -> Lack:
    if isinstance(outcome, Pending):
        reason = "The provider did not answer in time."
        return Lack(failure_class=FailureClass.UPSTREAM, reason=reason, retry_at=now + SOON)
    return Lack(
        failure_class=outcome.failure_class,
        reason=outcome.reason,
        retry_at=max(outcome.retry_at or now, now + timedelta(seconds=1)),
        misconfigured=outcome.misconfigured,
    )


@asynccontextmanager
async def open_artwork(
    settings: ArtworkSettings,
    metadata_settings: MetadataSettings,
    providers: Providers,
    metadata: Metadata,
    *,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Artwork]:
    """What TVDB and fanart.tv say, and Trakt of seasons, episodes and persons, is kept in memory for METADATA_TTL."""
    languages = metadata_settings.languages
    cache = Cache(
        max_entries=metadata_settings.max_entries, max_bytes=metadata_settings.memory_bytes, now=now
    )
    async with cache.open():
        records = Records(cache, metadata_settings.ttl)
        sources = tuple(
            _sources(
                providers,
                lambda asked: ArtworkParts(asked, providers.settings, metadata, records, languages, now),
            )
        )
        yield Artwork(
            sources,
            IdMapping([source for source in sources if isinstance(source, IdSource)]),
            settings,
            off=lru_cache(lambda kind: tuple(_off(providers, kind))),
            languages=languages,
            original=lambda subject, asking: _original_language(metadata, subject, asking, now),
            now=now,
        )


def _off(providers: Providers, kind: Kind) -> Iterator[tuple[str, str]]:
    for spec in providers.settings:
        if spec.artwork and kind in spec.of and not providers.get(spec.name):
            yield spec.name, providers.statuses[spec.name].detail  # which does not change: it has no key


async def _original_language(
    metadata: Metadata, subject: Subject, asking: Asking, now: Callable[[], datetime]
) -> str | None:
    """Of a title; None where it is not known in time."""
    ids = subject.title.ids
    kind = TitleKind.MOVIE if subject.kind is Kind.MOVIE else TitleKind.TV
    if subject.kind not in {Kind.MOVIE, Kind.SERIES, Kind.SEASON, Kind.EPISODE} or not subject.is_placed:
        return None
    tvdb_id = ids.tvdb if kind is TitleKind.TV else None  # of a film it would be taken for a series'
    key = TitleKey(kind, imdb_id=ids.imdb, tmdb_id=ids.tmdb, trakt_id=ids.trakt, tvdb_id=tvdb_id)
    within = max(asking.until - now(), timedelta(0))
    outcome = (await metadata.titles.lookup([key], within=within, urgency=asking.urgency))[key]
    return outcome.value.language if isinstance(outcome, Found) else None


def _sources(providers: Providers, parts: Callable[[Provider], ArtworkParts]) -> Iterator[ArtworkSource]:
    for spec in providers.settings:
        asked = providers.get(spec.name)
        if asked and spec.artwork and (source := spec.artwork(parts(asked))):
            yield source
