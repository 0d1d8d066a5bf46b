"""Casts of titles as people name them: of those that are meant, kind after kind."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from services.enricher.characters.chain import WantedCharacter
from services.enricher.characters.matching import folded, is_called
from services.enricher.finder.artwork.casts import Cast, CastPart, Casts, NamedTitle, NamedTitles
from services.enricher.finder.artwork.source import Asking, Subject
from services.enricher.finder.metadata.outcomes import Found, Outcome
from shared.pictures import Kind

NAMESAKES = 3
"""Titles of one kind and the same name whose casts are looked at."""

KINDS = {"tmdb": (Kind.MOVIE, Kind.SERIES), "tvdb": (Kind.SERIES, Kind.MOVIE)}
"""Where a title is looked for first."""


class TitleCasts:
    """Casts of titles that are named, kind after kind."""

    def __init__(self, casts: Casts) -> None:
        self._casts = casts

    @property
    def names(self) -> frozenset[str]:
        return self._casts.names

    async def character(self, number: int, asking: Asking) -> Outcome[Cast]:
        """Whom a provider calls by this number, in their title."""
        return await self._casts.character(number, asking)

    async def of(
        self, source: str, wanted: WantedCharacter, asking: Asking
    ) -> Sequence[tuple[Kind, Sequence[Outcome[Cast]]]]:
        """Of each kind, in the source's order, the casts of the titles that are meant, all asked for at once."""
        if wanted.subject:
            return [(wanted.subject.kind, [await self._casts.of(source, wanted.subject, asking)])]
        kinds = [kind for kind in KINDS[source] if wanted.kind in (None, kind)]
        found = await self._casts.called(source, wanted.title, kinds, asking)
        return await asyncio.gather(
            *(
                self._of_kind(source, kind, outcome, wanted, asking)
                for kind, outcome in zip(kinds, found, strict=True)
            )
        )

    async def whole(
        self, wanted: WantedCharacter, asking: Asking
    ) -> tuple[Sequence[CastPart], Mapping[str, str]]:
        """Each character once, of all providers at once."""
        sources = sorted(self.names)
        of_sources = await asyncio.gather(*(self.of(source, wanted, asking) for source in sources))
        parts: dict[str, CastPart] = {}
        reasons: dict[str, str] = {}
        for source, kinds in zip(sources, of_sources, strict=True):
            outcomes = [outcome for _, outcomes in kinds for outcome in outcomes]
            for outcome in outcomes:
                if isinstance(outcome, Found):
                    for part in outcome.value.parts:
                        parts.setdefault(folded(part.character), part)
            if not any(isinstance(outcome, Found) for outcome in outcomes):
                reasons[source] = "It has no cast of this title, or did not answer."
        return [part for key, part in parts.items() if key], reasons

    async def _of_kind(
        self, source: str, kind: Kind, named: Outcome[NamedTitles], wanted: WantedCharacter, asking: Asking
    ) -> tuple[Kind, Sequence[Outcome[Cast]]]:
        if not isinstance(named, Found):
            return kind, [named]
        meant = meant_titles(named.value.titles, wanted.title, wanted.year)
        asked = (self._casts.of(source, Subject(kind=kind, ids=one.ids), asking) for one in meant)
        return kind, await asyncio.gather(*asked)


def meant_titles(titles: Iterable[NamedTitle], title: str, year: int | None) -> list[NamedTitle]:
    """Those that are called so, and of that year or the ones beside it where one is said."""
    called = [one for one in titles if is_called(title, one.name, *one.names)]
    if year is not None:
        by_distance = sorted(
            (abs((one.year or 0) - year), place) for place, one in enumerate(called) if one.year
        )
        called = [called[place] for distance, place in by_distance[:1] if distance <= 1]
    return called[:NAMESAKES]
