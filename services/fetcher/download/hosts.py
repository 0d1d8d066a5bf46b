"""How a host is treated that fails: it is left alone while its circuit breaker is open."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from services.fetcher.errors import HostIsPaused, PictureError
from shared.locks import KeyedLock
from shared.pictures import Failure, FailureClass, PictureId, SourceUrl
from shared.volume import HostPause, HostPauses

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)

TRIED_FOR = timedelta(seconds=10)
"""How long the others wait for the one who tries. Then the next one does: the first may have died."""

HOSTS_AT_MOST = 1000
"""Whose failures are counted at a time."""

Announce = Callable[[str, datetime], Awaitable[None]]
_log = structlog.get_logger()


class HostBreaker:
    """`failures` of different pictures in a row, as one process sees them, make a pause for all of them."""

    def __init__(
        self, pauses: HostPauses, *, failures: int, announce: Announce, now: Callable[[], datetime]
    ) -> None:
        self._pauses = pauses
        self._enough = failures
        self._announce = announce
        self._now = now
        self._failed: OrderedDict[str, set[PictureId]] = OrderedDict()
        self._turns = KeyedLock()

    @asynccontextmanager
    async def asking(self, source: SourceUrl) -> AsyncIterator[None]:
        """Ask the host within. Raise HostIsPaused; whatever ends the block is noted for the host or against it."""
        trial = await self._admit(source.authority)
        try:
            yield
        except PictureError as error:
            match error.failure_class:
                case FailureClass.OURS:
                    pass
                case FailureClass.BUSY:
                    await self._told_to_wait(source.authority, error)
                case FailureClass.UPSTREAM:
                    await self._failed_again(source, trial)
                case _:
                    await self._answered(source.authority, trial)
            raise
        await self._answered(source.authority, trial)

    async def _admit(self, authority: str) -> HostPause | None:
        """The trial that the caller's asking is, if it is one."""
        if await self._pauses.pause_of(authority) is None:
            return None
        async with self._turns.hold(authority):
            pause = await self._pauses.pause_of(authority)
            if pause is None:
                return None
            left = pause.until - self._now()
            if left > timedelta(0):
                raise HostIsPaused(authority, left)
            trial = replace(pause, until=self._now() + TRIED_FOR)
            await self._write(authority, trial)
            return trial

    async def _answered(self, authority: str, trial: HostPause | None) -> None:
        self._failed.pop(authority, None)
        if trial:
            async with self._turns.hold(authority):
                if await self._pauses.pause_of(authority) == trial:
                    await self._pauses.forget(authority)

    async def _told_to_wait(self, authority: str, error: PictureError) -> None:
        told = Failure.after(
            None, error.failure_class, error.reason, now=self._now(), retry_after=error.retry_after
        )
        self._failed.pop(authority, None)
        await self._pause(authority, HostPause(told.retry_at), why=error.reason)

    async def _failed_again(self, source: SourceUrl, trial: HostPause | None) -> None:
        in_a_row = trial.in_a_row + 1 if trial else 0
        if not trial and not self._is_enough(source):
            return
        lasts = min(FIRST_PAUSE * 2 ** min(in_a_row, 10), LONGEST_PAUSE)
        pause = HostPause(self._now() + lasts, in_a_row)
        await self._pause(source.authority, pause, why="failures in a row", instead_of=trial)

    def _is_enough(self, source: SourceUrl) -> bool:
        """Count by picture: one that is broken for good says nothing about its host."""
        failed = self._failed.setdefault(source.authority, set())
        failed.add(source.picture)
        self._failed.move_to_end(source.authority)
        if len(failed) >= self._enough:
            del self._failed[source.authority]
            return True
        if len(self._failed) > HOSTS_AT_MOST:
            self._failed.popitem(last=False)
        return False

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
