"""Seats at a host: how many ask the same host at once. Waiting for one is not the host's fault."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.fetcher.errors import HostIsBusy


class Seats:
    """At most `each` at once for each authority. One that nobody wants takes no room."""

    def __init__(self, each: int) -> None:
        self._free: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(each))
        self._wanted: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def take(self, authority: str, *, within_s: float) -> AsyncIterator[None]:
        """Raise HostIsBusy where none gets free in time."""
        self._wanted[authority] += 1
        try:
            free = self._free[authority]
            try:
                async with asyncio.timeout(within_s):
                    await free.acquire()
            except TimeoutError:
                raise HostIsBusy(authority) from None
            try:
                yield
            finally:
                free.release()
        finally:
            self._wanted[authority] -= 1
            if not self._wanted[authority]:
                del self._wanted[authority], self._free[authority]
