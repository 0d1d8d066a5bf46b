"""Background work: what a process does again and again beside its requests and jobs, with the outermost edge around it.

No failure ends it: the failure is logged, counted and noted, and the work goes on after a pause. `CancelledError` ends it only
where it was this work that was cancelled, and not something that the work waited for.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass
from typing import Any

import structlog

from shared.telemetry import Metrics

Once = Callable[[], Awaitable[object]]
"""One round of the work. Returns True where there is more to do than it did."""

Wait = Callable[[float | None, asyncio.Event | None], Awaitable[None]]
"""Returns after so many seconds (None: never), or as soon as the event is set, which it clears."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""After unexpected failures in a row, each pause is twice the one before."""

_log = structlog.get_logger()


async def wait(seconds: float | None, wake: asyncio.Event | None) -> None:
    """See `Wait`."""
    if wake is None:
        assert seconds is not None
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
    wake.clear()


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them, and return once each has ended, whatever it ended in."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Background:
    """All background work of one process. `wait`: how it passes the time between two rounds."""

    def __init__(self, metrics: Metrics, *, wait: Wait = wait) -> None:
        self._failures = metrics.background_failures
        self._wait = wait
        self._works: list[_Work] = []
        self.lead: Callable[[], Awaitable[None]] | None = None

    @asynccontextmanager
    async def repeating(
        self,
        name: str,
        once: Once,
        *,
        every_s: float | None,
        soon_s: float = 0.0,
        wake: asyncio.Event | None = None,
        at_once: bool = True,
        expected: tuple[type[Exception], ...] = (),
    ) -> AsyncIterator[None]:
        """Do `once` every `every_s` seconds (None: only when woken) while the context lasts.

        `wake`: an event that brings the next round forward. `soon_s`: where there is more to do, the next round comes after
        so long; sooner it never comes. `at_once`: it begins with a round and not with a pause. `expected`: failures that are told
        without a traceback and do not make the pauses grow. `name` is a label of metrics: one of a few.
        """
        work = _Work(
            name, self._led(once), self._wait, every_s, soon_s, wake, at_once, expected, self._count(name)
        )
        task = asyncio.create_task(work.run(), name=name)
        self._works.append(work)
        try:
            yield
        finally:
            work.leaving = True
            await cancel_and_wait(task)
            self._works.remove(work)

    def led(self, lead: Callable[[], Awaitable[None]]) -> "Background":
        """The same, for work that one of several processes does: each round first awaits `lead`, which returns where this is the
        one.
        """
        background = copy(self)
        background.lead = lead
        return background

    def _led(self, once: Once) -> Once:
        lead = self.lead
        if lead is None:
            return once

        async def led() -> object:
            await lead()
            return await once()

        return led

    def failing(self) -> Mapping[str, str]:
        """What failed the last time, by its name, and how often in a row. Without the text, for anybody may read it."""
        failing = (work for work in self._works if work.in_a_row)
        return {work.name: f"failed {work.in_a_row} × in a row: {work.failure}" for work in failing}

    def _count(self, name: str) -> Callable[[], None]:
        return self._failures.labels(name).inc  # told as 0 until then


@dataclass(slots=True, eq=False)
class _Work:
    name: str
    once: Once
    wait: Wait
    every_s: float | None
    soon_s: float
    wake: asyncio.Event | None
    at_once: bool
    expected: tuple[type[Exception], ...]
    count: Callable[[], None]
    leaving: bool = False
    in_a_row: int = 0
    failure: str = ""

    async def run(self) -> None:
        if not self.at_once:
            await self.wait(self.every_s, self.wake)
        task = asyncio.current_task()
        assert task
        while not self.leaving:
            try:
                more = await self.once()
            except asyncio.CancelledError as error:
                if task.cancelling():
                    raise
                await self._failed(error)
            except Exception as error:  # noqa: BLE001 - the outermost edge of background work: logged, counted, noted
                await self._failed(error)
            else:
                self._succeeded()
                await self._pause(self.every_s, more=more is True)
            while task.cancelling() and not self.leaving:  # by what was done, which kept that to itself
                task.uncancel()

    async def _pause(self, seconds: float | None, *, more: bool = False) -> None:
        if self.soon_s:
            await self.wait(self.soon_s, None)
        if not more:
            await self.wait(seconds and seconds - self.soon_s, self.wake)

    async def _failed(self, error: BaseException) -> None:
        self.in_a_row += 1
        self.failure = type(error).__name__
        self.count()
        told = {"work": self.name, "in_a_row": self.in_a_row}
        least_s = min(self.every_s or FIRST_PAUSE_S, LONGEST_PAUSE_S)
        if isinstance(error, self.expected):
            if (
                self.in_a_row & (self.in_a_row - 1) == 0
            ):  # told at 1, 2, 4, 8 …: what is away may be so for long
                _log.warning("background work failed", error=str(error), **told)
            if not self.leaving:
                await self._pause(least_s)
        else:
            _log.error("background work failed", exc_info=error, **told)
            growing_s = FIRST_PAUSE_S * 2 ** min(self.in_a_row - 1, 10)
            if not self.leaving:
                await self.wait(min(max(least_s, growing_s), LONGEST_PAUSE_S), None)

    def _succeeded(self) -> None:
        if self.in_a_row:
            _log.info("background work goes on", work=self.name, failed=self.in_a_row)
        self.in_a_row = 0
