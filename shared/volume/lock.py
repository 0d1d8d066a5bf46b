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


class PictureLocks:
    """Jobs for the same picture join within a process, and exclude each other between processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._joined: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._interested: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def hold(self, picture: PictureId, *, insist: bool) -> AsyncIterator[None]:
        """Raise Locked when another process has it; with `insist`, go on without it."""
        stripe = picture[:STRIPE_DIGITS]
        self._interested[stripe] += 1
        try:
            async with self._joined[stripe]:
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
        finally:
            self._interested[stripe] -= 1
            if not self._interested[stripe]:
                del self._interested[stripe], self._joined[stripe]
