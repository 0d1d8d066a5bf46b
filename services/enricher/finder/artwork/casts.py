"""Casts: who plays whom in a title, as each provider that knows tells it. One request to a provider for all of a title."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from services.enricher.finder.artwork.source import Asking, IdMapping, Ids, Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome
from shared.pictures import Kind


class CastPart(BaseModel):
    """One character as one actor plays it. `picture`: the URL of the first picture that the provider has of it; None: none.

    `character_id` and `actor_id` are the provider's numbers, `place` is the one in its list, from 0.
    """

    model_config = ConfigDict(frozen=True)

    character: str
    actor: str = ""
    character_id: int | None = None
    actor_id: int | None = None
    picture: str | None = None
    place: int = 0


class Cast(BaseModel):
    """Of a title, in the provider's order."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    ids: Ids
    title: str
    parts: tuple[CastPart, ...] = ()


class NamedTitle(BaseModel):
    """A title that was found by its name. `names`: what else it is called."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    ids: Ids
    name: str
    names: tuple[str, ...] = ()
    year: int | None = None


class NamedTitles(BaseModel):
    """In the provider's order."""

    model_config = ConfigDict(frozen=True)

    titles: tuple[NamedTitle, ...] = ()


@runtime_checkable
class CastSource(Protocol):
    @property
    def name(self) -> str: ...

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        """Whose ids of a title it can be asked with."""

    async def cast(self, title: Subject, asking: Asking) -> Outcome[Cast]:
        """Of a title that it knows by its id."""

    async def character(self, number: int, asking: Asking) -> Outcome[Cast]:
        """The title with the one character that it calls by this number; NotFound where it has no such numbers."""

    async def called(self, text: str, kind: Kind, asking: Asking) -> Outcome[NamedTitles]:
        """Titles that may be called so."""


class Casts:
    """By the names of the sources that there are, those that have a key."""

    def __init__(self, sources: Iterable[CastSource], ids: IdMapping) -> None:
        self._sources: Mapping[str, CastSource] = {source.name: source for source in sources}
        self._ids = ids

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._sources)

    async def of(self, source: str, title: Subject, asking: Asking) -> Outcome[Cast]:
        """As this source tells it, whose id of the title is looked for where it is not known."""
        asked = self._sources[source]
        if title.kind not in {Kind.MOVIE, Kind.SERIES}:
            return NotFound()
        mapped = await self._ids.into((Whose(source),), title, asking)
        return await asked.cast(mapped.value, asking) if isinstance(mapped, Found) else mapped

    async def called(
        self, source: str, text: str, kinds: Sequence[Kind], asking: Asking
    ) -> list[Outcome[NamedTitles]]:
        """What this source finds of each kind."""
        asked = self._sources[source]
        return await asyncio.gather(*(asked.called(text, kind, asking) for kind in kinds))

    async def character(self, number: int, asking: Asking) -> Outcome[Cast]:
        """Of the first source that has a character of this number."""
        outcome: Outcome[Cast] = NotFound()
        for source in self._sources.values():
            outcome = await source.character(number, asking)
            if not isinstance(outcome, NotFound):
                break
        return outcome
