"""Who may work when: a semaphore that gives way to the urgent, and a gate that opens while nobody is."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

LATER_SHARE = 10
"""Of this many slots given while both wait, one goes to who can wait: `later` never starves."""


class PrioritySemaphore:
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


LULL_S = 0.25
"""So long nobody must have been urgent: time enough for a browser to ask for the next one, and a provider to find it."""

PATIENCE_S = 3.0
"""Nothing steps aside for longer: where pictures are asked for without end, what can wait gets on as well."""


class IdleGate:
    def __init__(self, *, lull_s: float = LULL_S) -> None:
        self._lull_s = lull_s
        self._urgent = 0
        self._clear = asyncio.Event()
        self._clear.set()
        self._lull: asyncio.TimerHandle | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Somebody waits for what is done in the block."""
        self._urgent += 1
        self._clear.clear()
        if self._lull:
            self._lull.cancel()
            self._lull = None
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._lull = asyncio.get_running_loop().call_later(self._lull_s, self._clear.set)

    async def step_aside(self, patience_s: float = PATIENCE_S) -> bool:
        """Until nobody has been urgent for a while. False: that took too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._clear.wait()
        return self._clear.is_set()
