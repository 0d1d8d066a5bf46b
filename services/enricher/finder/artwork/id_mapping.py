"""The mapping of ids: what a subject is called at a provider that does not know it by the id it is named with."""

from collections.abc import Sequence

from services.enricher.finder.artwork.source import Asking, IdSource
from services.enricher.finder.artwork.subject import Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable

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
