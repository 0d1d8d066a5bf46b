"""The right of way: what somebody waits for goes first, and what can wait steps aside until the rush is over.

A page's pictures come one after the other, each asked for when the one before it is there. Whatever is begun between two of
them takes the processor that the next one needs.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LULL_S = 0.25
"""So long nobody must have been urgent: time enough for a browser to ask for the next one, and a provider to find it."""

PATIENCE_S = 3.0
"""Nothing steps aside for longer: where pictures are asked for without end, what can wait gets on as well."""


class RightOfWay:
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
