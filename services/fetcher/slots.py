"""Slots: a bound on what runs at once, given out in the order of urgency."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

LATER_SHARE = 10
"""Of this many slots given while both wait, one goes to who can wait: `later` never starves."""


class Slots:
    """At most `total` at once. Who is urgent goes first, but for each tenth; without a rival, all are had."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._now: deque[asyncio.Future[None]] = deque()
        self._later: deque[asyncio.Future[None]] = deque()
        self._given = 0

    @asynccontextmanager
    async def take(self, *, urgent: bool) -> AsyncIterator[None]:
        await self._acquire(self._now if urgent else self._later)
        try:
            yield
        finally:
            self._free += 1
            self._give()

    async def _acquire(self, line: deque[asyncio.Future[None]]) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        self._give()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # passed over already
                    line.remove(turn)
            else:  # given and cancelled in the same moment
                self._free += 1
                self._give()
            raise

    def _give(self) -> None:
        while self._free and (line := self._next_line()):
            turn = line.popleft()
            if not turn.done():
                self._free -= 1
                self._given += 1
                turn.set_result(None)

    def _next_line(self) -> deque[asyncio.Future[None]] | None:
        if self._now and self._later:
            return self._later if self._given % LATER_SHARE == LATER_SHARE - 1 else self._now
        return self._now or self._later or None
