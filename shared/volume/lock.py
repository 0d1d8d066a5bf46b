"""The lock of a picture: striped `flock` files, so that it dies with its holder and needs no clock."""

import asyncio
import fcntl
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.pictures import PictureId
from shared.volume.port import Locked

STRIPE_DIGITS = 4
"""65,536 stripes: two pictures rarely share one, and the files, which are never deleted, stay few."""


class Joined:
    """One at a time for each key, within this process. A key that nobody wants takes no room."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._wanted: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        self._wanted[key] += 1
        try:
            async with self._locks[key]:
                yield
        finally:
            self._wanted[key] -= 1
            if not self._wanted[key]:
                del self._wanted[key], self._locks[key]


class PictureLocks:
    """Jobs for the same picture join within a process, and exclude each other between processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._joined = Joined()

    @asynccontextmanager
    async def hold(self, picture: PictureId, *, insist: bool) -> AsyncIterator[None]:
        """Raise Locked when another process has it; with `insist`, go on without it."""
        stripe = picture[:STRIPE_DIGITS]
        async with self._joined.hold(stripe):
            descriptor = os.open(self._directory / stripe, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not insist:
                        raise Locked("somebody else works on this picture") from None
                yield
            finally:
                os.close(descriptor)
