"""Looking titles up: a page of them at once, from one provider after the other, until a deadline."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.enricher.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable
from services.enricher.metadata.title import Title, TitleKey
from services.enricher.providers import Urgency
from shared.pictures import FailureClass
from shared.telemetry import utc_now

PATIENCE = 0.5
"""The share of the time left for which a provider is waited for while there is another one to ask."""

NO_PROVIDER = Unavailable(FailureClass.REFUSED, "No provider of metadata has a key.")


class Source(Protocol):
    """One provider's titles."""

    def at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None: ...

    async def look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]: ...


class Titles:
    """Each source is asked for what those before it do not have, or cannot give."""

    def __init__(
        self, sources: Sequence[Source], *, within: timedelta, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._sources = sources
        self._within = within
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
        until = self._now() + (within or self._within)
        outcomes = {key: self._at_hand(key, until) for key in keys}
        missing = [key for key, outcome in outcomes.items() if outcome is None]
        looked_up = await asyncio.gather(*(self._look(key, until, urgency) for key in missing))
        found = dict(zip(missing, looked_up, strict=True))
        return {key: outcome or found[key] for key, outcome in outcomes.items()}

    def _at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None:
        """None where somebody has to be asked."""
        best = self._without_sources(key)
        for source in self._sources:
            outcome = source.at_hand(key, until)
            if outcome is None or _settles(outcome):
                return outcome
            best = max(best, outcome, key=_worth)
        return best

    async def _look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
        best = self._without_sources(key)
        for source in self._sources:
            patience = until if source is self._sources[-1] else self._impatient(until)
            outcome = await source.look(key, patience, urgency)
            if _settles(outcome):
                return outcome
            best = max(best, outcome, key=_worth)
        return best

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
