"""How a host is treated that fails: it is left alone while its circuit breaker is open."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from services.fetcher.admission import Seat
from services.fetcher.errors import HostIsPaused, PictureError
from shared.locks import KeyedLock
from shared.pictures import Failure, FailureClass, PictureId, SourceUrl
from shared.volume import HostPause, HostPauses

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)

TRIED_FOR = timedelta(seconds=10)
"""How long the others wait for the one who tries. Then the next one does: the first may have died."""

HOSTS_AT_MOST = 1000
"""Whose answers are remembered at a time."""

GOOD_FOR = timedelta(seconds=10)
"""A host that answered well so lately is none that fails, whatever some of its pictures do."""

SILENT_AT_MOST = 3
"""Times as many pictures as make a pause: where so many get no answer at all, it has come to fail just now."""

FIRST_GAP = timedelta(seconds=1)
LONGEST_GAP = timedelta(seconds=10)
"""Between two pictures that try a host while it is paused because it fails. Those that nobody waits for try that seldom."""

YOUNG_S = 1.0
"""For so long others wait for what comes of such a try."""

Announce = Callable[[str, datetime], Awaitable[None]]
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a host is asked."""

    urgent: bool = False
    """Somebody waits."""
    fresh: bool = False
    """The picture has not failed before, so that it can show that its host is well."""
    seat: Seat | None = None
    """One at the picture's host that is held."""


ANYBODY = Asker()


@dataclass(slots=True)
class _Try:
    """One that asks a paused host. `pause`: that ends where it is answered."""

    pause: HostPause
    asker: Asker
    early: bool
    """The pause is not over."""
    began_s: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _HostRecord:
    """What this process has seen of one host."""

    failed: set[PictureId] = field(default_factory=set)
    """Since the last good answer; `silent`: those that got no answer at all."""
    silent: set[PictureId] = field(default_factory=set)
    good_at: datetime | None = None
    trying: _Try | None = None
    in_vain: int = 0
    next_urgent: datetime | None = None
    next_later: datetime | None = None

    def is_well(self, now: datetime) -> bool:
        return self.good_at is not None and now - self.good_at < GOOD_FOR

    def answered(self, now: datetime) -> None:
        self.failed.clear()
        self.silent.clear()
        self.good_at, self.in_vain = now, 0
        self.next_urgent = self.next_later = None

    def may_try_from(self, asker: Asker) -> datetime | None:
        return self.next_urgent if asker.urgent else self.next_later

    def tried_in_vain(self, asker: Asker, now: datetime) -> None:
        if asker.urgent:
            self.next_urgent = now + min(FIRST_GAP * 2 ** min(self.in_vain, 10), LONGEST_GAP)
            self.in_vain += 1
        else:
            self.next_later = now + LONGEST_GAP


class HostBreaker:
    """`failures` of different pictures in a row, as one process sees them and without a good answer lately, make a pause
    for all of them. While it lasts, pictures that have not failed before try the host, one at a time: it ends with the
    first that is answered.
    """

    def __init__(
        self, pauses: HostPauses, *, failures: int, announce: Announce, now: Callable[[], datetime]
    ) -> None:
        self._pauses = pauses
        self._enough = failures
        self._announce = announce
        self._now = now
        self._records: OrderedDict[str, _HostRecord] = OrderedDict()
        self._turns = KeyedLock()

    @asynccontextmanager
    async def asking(self, source: SourceUrl, asker: Asker = ANYBODY) -> AsyncIterator[None]:
        """Ask the host within. Raise HostIsPaused; whatever ends the block is noted for the host or against it."""
        tried = await self._admit(source.authority, asker)
        try:
            yield
        except PictureError as error:
            match error.failure_class:
                case FailureClass.OURS:
                    pass
                case FailureClass.BUSY:
                    await self._told_to_wait(source.authority, error)
                case FailureClass.UPSTREAM:
                    await self._failed_again(source, tried, silent=error.status is None)
                case _:
                    await self._answered(source.authority, tried)
            raise
        else:
            await self._answered(source.authority, tried)
        finally:
            self._end(source.authority, tried)

    async def _admit(self, authority: str, asker: Asker) -> _Try | None:
        """The try that the caller's asking is, if it is one."""
        if await self._pauses.pause_of(authority) is None:
            return None
        if asker.urgent and asker.fresh:
            await self._outcome_of_others(authority)
        async with self._turns.hold(authority):
            pause = await self._pauses.pause_of(authority)
            if pause is None:
                return None
            now = self._now()
            if pause.until > now:
                return self._early_try(authority, pause, asker, now)
            trial = replace(pause, until=now + TRIED_FOR)
            await self._write(authority, trial)
            return _Try(trial, asker, early=False)

    async def _outcome_of_others(self, authority: str) -> None:
        """Who comes right behind one that tries follows it, where that is answered."""
        record = self._records.get(authority)
        if record and (trying := record.trying):
            left_s = trying.began_s + YOUNG_S - asyncio.get_running_loop().time()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await trying.over.wait()

    def _early_try(self, authority: str, pause: HostPause, asker: Asker, now: datetime) -> _Try:
        left = pause.until - now
        if not (pause.failing and asker.fresh):
            raise HostIsPaused(authority, left, failing=pause.failing)
        record = self._record(authority)
        until_next = (record.may_try_from(asker) or now) - now
        if record.trying or until_next > timedelta(0):
            raise HostIsPaused(authority, min(left, max(until_next, FIRST_GAP)), failing=True)
        record.trying = _Try(pause, asker, early=True, began_s=asyncio.get_running_loop().time())
        return record.trying

    def _end(self, authority: str, tried: _Try | None) -> None:
        if tried and tried.early:
            tried.over.set()
            record = self._records.get(authority)
            if record and record.trying is tried:
                record.trying = None

    def _record(self, authority: str) -> _HostRecord:
        record = self._records.setdefault(authority, _HostRecord())
        self._records.move_to_end(authority)
        if len(self._records) > HOSTS_AT_MOST:
            self._records.popitem(last=False)
        return record

    async def _answered(self, authority: str, tried: _Try | None) -> None:
        self._record(authority).answered(self._now())
        if tried:
            async with self._turns.hold(authority):
                if await self._pauses.pause_of(authority) == tried.pause:
                    await self._pauses.forget(authority)
                    _log.info("pause ended", host=authority, by="an answer")

    async def _told_to_wait(self, authority: str, error: PictureError) -> None:
        told = Failure.after(
            None, error.failure_class, error.reason, now=self._now(), retry_after=error.retry_after
        )
        await self._pause(authority, HostPause(told.retry_at), why=error.reason)

    async def _failed_again(self, source: SourceUrl, tried: _Try | None, *, silent: bool) -> None:
        """A picture that has failed before, and fails again, says nothing new of its host: the pause does not grow."""
        record, now = self._record(source.authority), self._now()
        if tried and tried.early:
            record.tried_in_vain(tried.asker, now)
            return
        record.failed.add(source.picture)
        if silent:
            record.silent.add(source.picture)
        if not tried and not self._is_enough(record, now):
            return
        record.failed.clear()
        record.silent.clear()
        in_a_row = tried.pause.in_a_row + tried.asker.fresh if tried else 0
        lasts = min(FIRST_PAUSE * 2 ** min(in_a_row, 10), LONGEST_PAUSE)
        pause = HostPause(now + lasts, in_a_row, failing=True)
        instead_of = tried.pause if tried else None
        await self._pause(source.authority, pause, why="failures in a row", instead_of=instead_of)

    def _is_enough(self, record: _HostRecord, now: datetime) -> bool:
        """Counted by picture: one that is broken for good says nothing about its host."""
        if record.is_well(now):
            return len(record.silent) >= SILENT_AT_MOST * self._enough
        return len(record.failed) >= self._enough

    async def _pause(
        self, authority: str, pause: HostPause, *, why: str, instead_of: HostPause | None = None
    ) -> None:
        """The longest pause counts."""
        async with self._turns.hold(authority):
            before = await self._pauses.pause_of(authority)
            if before and before != instead_of and before.until >= pause.until:
                return
            await self._write(authority, pause)
        _log.warning("host paused", host=authority, until=pause.until.isoformat(), why=why)
        await self._announce(authority, pause.until)

    async def _write(self, authority: str, pause: HostPause) -> None:
        try:
            await self._pauses.pause(authority, pause)
        except OSError as error:  # a full disk: the host is asked more often than it should be
            _log.error("pause not written", host=authority, error=str(error))
