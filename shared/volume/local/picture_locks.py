"""The lock of one picture, within a process and between processes; it ends with its holder."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from shared.locks import KeyedLock, try_exclusively
from shared.pictures import PictureId
from shared.volume import port

STRIPE_DIGITS = 4
"""65,536 stripes: two pictures rarely share one, and the files, which are never deleted, stay few."""


_log = structlog.get_logger()


class PictureLocks:
    """Striped `flock` files: jobs for the same picture wait within a process, and exclude each other between processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._here = KeyedLock()
        self._has_told = False

    def _try(self, descriptor: int) -> bool:
        """True also where the file system has no locks: they save work, and no promise rests on them."""
        try:
            return try_exclusively(descriptor)
        except OSError as error:
            if not self._has_told:
                self._has_told = True
                _log.warning(
                    "the volume's file system has no locks: some pictures will be fetched twice",
                    error=error.strerror,
                )
            return True

    @asynccontextmanager
    async def hold(self, picture: PictureId, *, insist: bool) -> AsyncIterator[None]:
        """Raise Locked when another process has it; with `insist`, go on without it."""
        stripe = picture[:STRIPE_DIGITS]
        async with self._here.hold(stripe):
            descriptor = os.open(self._directory / stripe, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if not (self._try(descriptor) or insist):
                    raise port.Locked("somebody else works on this picture")
                yield
            finally:
                os.close(descriptor)
