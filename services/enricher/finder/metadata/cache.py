"""The cache before one provider: what was asked for once is not asked for again while it counts.

Whoever wants the same thing at the same time shares one flight, which belongs to the cache: it goes on, within
its own limits, when nobody waits for it any more.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Self

from cachetools import LRUCache
from pydantic import BaseModel, ConfigDict

from services.enricher.finder.metadata import outcomes
from services.enricher.finder.metadata.shared_tier import SharedTier
from services.enricher.finder.providers import Busy, NothingThere, ProviderError, Turn, Urgency
from shared.background import cancel_and_wait
from shared.pictures import FailureClass
from shared.telemetry import utc_now

MAX_FLIGHTS = 2000

OLDEST = timedelta(days=60)
"""Nothing older is given, however stale it may be. TMDB's terms allow six months."""

LINGER = timedelta(seconds=3)
"""How much longer than who asked first a flight waits for its turn: what a page has to leave out is there for the
next one, although a provider allows fewer requests at once than the page has titles.
"""

OBJECT_BYTES = 8
"""Memory of a model for each byte of its JSON (measured)."""


@dataclass(frozen=True, slots=True)
class CacheRequest(Generic[outcomes.Value]):
    """One thing to have: under which key, for how long it counts, and how its provider is asked."""

    key: str
    model: type[outcomes.Value]
    kept: timedelta
    ask: Callable[[Turn], Awaitable[outcomes.Value]]


class CacheStatistics(BaseModel):
    """Since the start; `entries`, `bytes` (of memory, estimated) and `in_flight` as they are."""

    model_config = ConfigDict(frozen=True)

    entries: int
    bytes: int
    in_flight: int
    hits: int
    misses: int
    stale: int


@dataclass(frozen=True, slots=True)
class _Flight:
    turn: Turn
    landing: "asyncio.Task[outcomes.CacheEntry[Any]]"


class Cache:
    """In memory, on a shelf where there is one, and in the tier that processes share, where it may be there: `tier` says that, as
    it is at the moment. `name`: tells this cache from others in it.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        max_bytes: int,
        shelf: outcomes.Shelf | None = None,
        name: str = "",
        tier: Callable[[], SharedTier | None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._max_entries = max_entries
        self._memory: LRUCache[str, outcomes.CacheEntry[Any]] = LRUCache(
            max_bytes, getsizeof=lambda entry: entry.bytes
        )
        self._shelf = shelf
        self._name = name
        self._tier = tier
        self._now = now
        self._flights: dict[str, _Flight] = {}
        self._hits = self._misses = self._stale = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Leaving it ends what is in flight."""
        try:
            yield self
        finally:
            await cancel_and_wait(*(flight.landing for flight in self._flights.values()))

    def at_hand(
        self, wanted: CacheRequest[outcomes.Value], until: datetime
    ) -> outcomes.Outcome[outcomes.Value] | None:
        """What is known without asking anybody; None where somebody who waits until `until` had better ask."""
        entry = self._remembered(wanted.key)
        if not entry or not entry.counts(self._now(), until):
            return None
        self._hits += 1
        return self._counted(entry.outcome)

    async def look(
        self, wanted: CacheRequest[outcomes.Value], *, until: datetime, urgency: Urgency = Urgency.NOW
    ) -> outcomes.Outcome[outcomes.Value]:
        """What is known, or comes until then, through one pause of the provider's. What comes later is there for the next one."""
        paused = False
        while True:
            if outcome := self.at_hand(wanted, until):
                return outcome
            flight = self._boarded(wanted, Turn(urgency, until + LINGER))
            if flight is None:
                return outcomes.Unavailable(FailureClass.OURS, "Too much is being asked for at once.")
            entry = await self._landed(flight, until)
            if entry is None:
                before = self._remembered(wanted.key)
                return self._counted((before and before.stale) or outcomes.Pending())
            now = self._now()
            if entry.counts(now, until) or not entry.error or until <= now or paused:
                return self._counted(entry.outcome)
            paused = isinstance(entry.error, Busy)

    def clear(self) -> int:
        """Forget what is in memory. The number of entries that were."""
        count = len(self._memory)
        self._memory.clear()
        return count

    @property
    def statistics(self) -> CacheStatistics:
        return CacheStatistics(
            entries=len(self._memory),
            bytes=int(self._memory.currsize),
            in_flight=len(self._flights),
            hits=self._hits,
            misses=self._misses,
            stale=self._stale,
        )

    def _boarded(self, wanted: CacheRequest[outcomes.Value], turn: Turn) -> _Flight | None:
        """The flight that is under way already, which hurries for who waits, or a new one; None: too many."""
        if flight := self._flights.get(wanted.key):
            if turn.urgency is Urgency.NOW:
                flight.turn.hurry()
            return flight
        if len(self._flights) >= MAX_FLIGHTS:
            return None
        self._misses += 1
        flight = _Flight(turn, asyncio.create_task(self._fly(wanted, turn), name=f"asking for {wanted.key}"))
        self._flights[wanted.key] = flight
        flight.landing.add_done_callback(lambda _landing: self._flights.pop(wanted.key, None))
        return flight

    async def _landed(self, flight: _Flight, until: datetime) -> outcomes.CacheEntry[Any] | None:
        """None: not until then. A waiter who is cancelled leaves the flight alone."""
        left_s = (until - self._now()).total_seconds()
        await asyncio.wait({flight.landing}, timeout=max(0, left_s))
        landing = flight.landing
        return landing.result() if landing.done() and not landing.cancelled() else None

    async def _fly(
        self, wanted: CacheRequest[outcomes.Value], turn: Turn
    ) -> outcomes.CacheEntry[outcomes.Value]:
        before = self._remembered(wanted.key) or await self._shelved(wanted)
        if before and before.counts(self._now(), turn.until):
            self._remember(wanted.key, before)
            return before
        if before:
            self._remember(wanted.key, before)  # whoever cannot wait takes it as it is
        if tier := self._tier():
            entry = await self._shared(wanted, turn, before, tier)
        else:
            entry = await self._asked(wanted, turn, before)
        self._remember(wanted.key, entry)
        return entry

    async def _shared(
        self,
        wanted: CacheRequest[outcomes.Value],
        turn: Turn,
        before: outcomes.CacheEntry[outcomes.Value] | None,
        tier: SharedTier,
    ) -> outcomes.CacheEntry[outcomes.Value]:
        """What another process was told, or else the provider says, of which others then know."""
        key = f"{self._name}:{wanted.key}"
        async with tier.asking(key, turn.until):
            # Also where nobody was waited for: another one may have been told between the first look and now.
            known = self._read(wanted, await tier.load(key))
            if known and known.counts(self._now(), turn.until):
                return known
            entry = await self._asked(wanted, turn, before)
            if entry.error is None:
                value = None if entry.value is None else entry.value.model_dump_json(exclude_defaults=True)
                await tier.put(key, outcomes.Row(value, entry.fresh_until, entry.fetched_at))
            return entry

    async def _asked(
        self,
        wanted: CacheRequest[outcomes.Value],
        turn: Turn,
        before: outcomes.CacheEntry[outcomes.Value] | None,
    ) -> outcomes.CacheEntry[outcomes.Value]:
        try:
            return self._shelve(wanted, await wanted.ask(turn))
        except NothingThere:
            return self._shelve(wanted, None)
        except ProviderError as error:
            return outcomes.CacheEntry.failed(error, before, now=self._now())

    async def _shelved(
        self, wanted: CacheRequest[outcomes.Value]
    ) -> outcomes.CacheEntry[outcomes.Value] | None:
        """On the fastest of what is there that knows it."""
        if (tier := self._tier()) and (row := await tier.load(f"{self._name}:{wanted.key}")):
            return self._read(wanted, row)
        return self._read(wanted, await self._shelf.load(wanted.key) if self._shelf else None)

    def _read(
        self, wanted: CacheRequest[outcomes.Value], row: outcomes.Row | None
    ) -> outcomes.CacheEntry[outcomes.Value] | None:
        if not row or row.fetched_at + OLDEST < self._now():
            return None
        if row.value is None:
            return outcomes.CacheEntry(None, row.fetched_at, row.expires_at)
        try:
            value = wanted.model.model_validate_json(row.value)
        except ValueError:
            return None
        return outcomes.CacheEntry(value, row.fetched_at, row.expires_at, bytes=OBJECT_BYTES * len(row.value))

    def _shelve(
        self, wanted: CacheRequest[outcomes.Value], value: outcomes.Value | None
    ) -> outcomes.CacheEntry[outcomes.Value]:
        now = self._now()
        text = None if value is None else value.model_dump_json(exclude_defaults=True)
        if value is None or text is None:
            entry: outcomes.CacheEntry[outcomes.Value] = outcomes.CacheEntry.nothing(now=now)
        else:
            entry = outcomes.CacheEntry.found(
                value, now=now, kept=wanted.kept, bytes_=OBJECT_BYTES * len(text)
            )
        if self._shelf:
            self._shelf.put(wanted.key, text, expires_at=entry.fresh_until, fetched_at=now)
        return entry

    def _remembered(self, key: str) -> outcomes.CacheEntry[Any] | None:
        entry = self._memory.get(key)
        return None if entry and entry.fetched_at + OLDEST < self._now() else entry

    def _remember(self, key: str, entry: outcomes.CacheEntry[Any]) -> None:
        if entry.bytes > self._memory.maxsize:
            return
        self._memory[key] = entry
        while len(self._memory) > self._max_entries:
            self._memory.popitem()

    def _counted(self, outcome: outcomes.Outcome[outcomes.Value]) -> outcomes.Outcome[outcomes.Value]:
        if isinstance(outcome, outcomes.Found) and outcome.stale:
            self._stale += 1
        return outcome
