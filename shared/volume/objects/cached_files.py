"""Cached files: what one process has of the store on its own disk, so that a hit needs no request. Bounded, the longest unused out.

Files are immutable and named as in the store, so that what lies there is right for as long as anybody may have it. Which picture
may be shown, and of which revision, is never this cache's to say.
"""

import asyncio
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import structlog

from shared.locks import try_exclusively
from shared.pictures import PictureId
from shared.pictures.source import parse_picture_id
from shared.volume.port import LocalFile

PROCESSES_AT_MOST = 256
WRITTEN_AT_ONCE = 1024 * 1024
"""Bytes, into memory that the disk has later."""

_log = structlog.get_logger()


class CachedFiles:
    """Below `<root>/<number>`, a number that no other process has: it is the same again after a restart."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._held: OrderedDict[str, int] = OrderedDict()
        """Bytes by path below our directory, the longest unused first."""
        self._by_picture: dict[PictureId, set[str]] = {}
        self._bytes = 0
        self._numbers = count()
        self._directory, self._lock = _own_directory(root)
        self._name = self._directory.name
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir()
        self._take_stock()

    def find(self, key: str, still: Callable[[], bool]) -> LocalFile | None:
        """`still`: whether it may still be shown, asked now and then while it is served."""
        path = f"{self._directory}/{key}"
        try:
            found = os.stat(path)  # noqa: PTH116 - a Path would cost more than looking
        except OSError:
            self._drop(key)
            return None
        if key in self._held:
            self._held.move_to_end(key)
        identity = (found.st_ino, found.st_mtime_ns, found.st_size)
        return LocalFile(path, f"{self._name}/{key}", identity, still=still)

    def holds(self, key: str) -> bool:
        return key in self._held

    async def put(self, key: str, body: bytes, modified_s: int) -> None:
        """Whole or not at all; a full disk only costs a request more. What is large is written beside what others do."""
        try:
            if len(body) > WRITTEN_AT_ONCE:
                await asyncio.to_thread(self._write, key, body, modified_s)
            else:
                self._write(key, body, modified_s)
        except OSError as error:
            _log.warning("a file of the store is not cached", error=error.strerror)
            return
        self._note(key, len(body))
        while self._bytes > self._max_bytes and len(self._held) > 1:
            self._remove(next(iter(self._held)))

    def _write(self, key: str, body: bytes, modified_s: int) -> None:
        aside, target = f"{self._aside}/{next(self._numbers)}", f"{self._directory}/{key}"
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                _write_all(descriptor, body)
                os.utime(
                    descriptor, (time.time(), modified_s)
                )  # nginx says so of a file that it sends for us
            finally:
                os.close(descriptor)
            try:
                os.rename(aside, target)  # noqa: PTH104 - on the way of each cold hit: a Path costs more than the call
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 - as above
                os.rename(aside, target)  # noqa: PTH104 - as above
        except OSError:
            Path(aside).unlink(missing_ok=True)
            raise

    def forget(self, picture: PictureId) -> None:
        """All that is here of it."""
        for key in list(self._by_picture.get(picture, ())):
            self._remove(key)

    def close(self) -> None:
        os.close(self._lock)

    @property
    def _aside(self) -> Path:
        return self._directory / "tmp"

    def _take_stock(self) -> None:
        """Of what was here before a restart."""
        found = []
        for file in (self._directory / "p").glob("*/*/*"):
            with suppress(OSError):
                status = file.stat()
                found.append((status.st_atime, str(file.relative_to(self._directory)), status.st_size))
        for _, key, size in sorted(found):
            self._note(key, size)

    def _note(self, key: str, size: int) -> None:
        self._drop(key)
        self._held[key] = size
        self._bytes += size
        with suppress(ValueError):
            self._by_picture.setdefault(_picture(key), set()).add(key)

    def _remove(self, key: str) -> None:
        (self._directory / key).unlink(missing_ok=True)
        self._drop(key)
        with suppress(OSError):  # there is more of it
            for directory in list((self._directory / key).parents)[:2]:
                directory.rmdir()

    def _drop(self, key: str) -> None:
        self._bytes -= self._held.pop(key, 0)
        with suppress(ValueError, KeyError):
            picture = _picture(key)
            held = self._by_picture[picture]
            held.discard(key)
            if not held:
                del self._by_picture[picture]


def _write_all(descriptor: int, body: bytes) -> None:
    left = memoryview(body)
    while left:
        left = left[os.write(descriptor, left) :]


def _picture(key: str) -> PictureId:
    return parse_picture_id(key.split("/")[1])


def _own_directory(root: Path) -> tuple[Path, int]:
    """And the descriptor of its lock, which ends with the process."""
    for number in range(PROCESSES_AT_MOST):
        directory = root / str(number)
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if try_exclusively(descriptor):
            return directory, descriptor
        os.close(descriptor)
    raise BlockingIOError(f"{root}: {PROCESSES_AT_MOST} processes have their files here already")
