"""The lock of one picture, within a process and between processes; it ends with its holder."""

import os
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
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
        async with self._hold(picture[:STRIPE_DIGITS], insist=insist):
            yield

    @asynccontextmanager
    async def hold_all(self, pictures: Collection[PictureId], *, insist: bool) -> AsyncIterator[None]:
        """Raise Locked also when this process has one of them: who holds some waits for none."""
        async with AsyncExitStack() as held:
            for stripe in sorted({picture[:STRIPE_DIGITS] for picture in pictures}):
                if not self._here.is_wanted(stripe):
                    await held.enter_async_context(self._hold(stripe, insist=insist))
                elif not insist:
                    raise port.Locked("somebody else works on one of these pictures")
            yield

    @asynccontextmanager
    async def _hold(self, stripe: str, *, insist: bool) -> AsyncIterator[None]:
        async with self._here.hold(stripe):
            descriptor = os.open(self._directory / stripe, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if not (self._try(descriptor) or insist):
                    raise port.Locked("somebody else works on this picture")
                yield
            finally:
                os.close(descriptor)
