"""Cached files: what one process has of the store on its own disk, so that a hit needs no request. Bounded, the longest unused out.

Files are immutable and named as in the store, so that what lies there is right for as long as anybody may have it. Which picture
may be shown, and of which revision, is never this cache's to say.
"""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import structlog

from shared.locks import try_exclusively
from shared.pictures import PictureId
from shared.pictures.source import parse_picture_id
from shared.volume.port import LocalFile

PROCESSES_AT_MOST = 256
FROM_MEMORY = 256 * 1024
"""Bytes of a file from which clients are answered before it is written. Of larger ones too much would be held for slow clients."""

WAITING_BYTES = 32 * 1024 * 1024
"""Of files that are yet to be written. What comes when there are so many is written first, and so comes more slowly."""

EAGER_BYTES = WAITING_BYTES // 2
"""When more waits, it is written although clients wait for the store: making a file costs as much as fetching it."""

WRITTEN_WITHIN_S = 0.5
"""So long they come first at most."""

WRITTEN_AT_ONCE = 32

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ComingFile:
    """One that is being written, from which clients are answered meanwhile."""

    body: bytes
    modified_s: int


class CachedFiles:
    """Below `<root>/<number>`, a number that no other process has: it is the same again after a restart."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._held: OrderedDict[str, int] = OrderedDict()
        """Bytes by path below our directory, the longest unused first."""
        self._by_picture: dict[PictureId, set[str]] = {}
        self._bytes = 0
        self._coming: dict[str, ComingFile] = {}
        self._coming_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._waited_for = 0
        self._calm = asyncio.Event()
        self._calm.set()
        self._directory, self._lock = _own_directory(root)
        self._name = self._directory.name
        self._take_stock()

    def find(self, key: str, still: Callable[[], bool]) -> LocalFile | None:
        """`still`: whether it may still be shown, asked now and then while it is served."""
        inside = _inside(key)
        path = f"{self._directory}/{inside}"
        try:
            found = os.stat(path)  # noqa: PTH116 - a Path would cost more than looking
        except OSError:
            self._drop(key)
            return None
        if key in self._held:
            self._held.move_to_end(key)
        identity = (found.st_ino, found.st_mtime_ns, found.st_size)
        return LocalFile(path, f"{self._name}/{inside}", identity, still=still)

    def coming(self, key: str) -> ComingFile | None:
        """What will be found soon."""
        return self._coming.get(key)

    def holds(self, key: str) -> bool:
        return key in self._held or key in self._coming

    async def put(self, key: str, body: bytes, modified_s: int) -> None:
        """Whole or not at all; a full disk only costs a request more. What is small is here soon, and nobody waits for it."""
        if len(body) > FROM_MEMORY or self._coming_bytes + len(body) > WAITING_BYTES:
            if await asyncio.to_thread(self._write, key, body, modified_s):
                self._note(key, len(body))
            return
        self._leave(key)
        self._coming[key] = ComingFile(body, modified_s)
        self._coming_bytes += len(body)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_coming(), name="writing files of the store")

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Clients wait for the store within: what is here already is written afterwards."""
        self._waited_for += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._waited_for -= 1
            if not self._waited_for:
                self._calm.set()

    async def settled(self) -> None:
        """What was coming is here."""
        while self._writing:
            self._calm.set()
            await asyncio.wait({self._writing})

    async def _write_coming(self) -> None:
        try:
            while self._coming:
                await self._turn_to_write()
                coming = dict(islice(self._coming.items(), WRITTEN_AT_ONCE))
                written = await asyncio.to_thread(self._write_some, coming)
                for (key, file), is_written in zip(coming.items(), written, strict=True):
                    is_wanted = self._coming.get(key) is file
                    if is_wanted:
                        self._leave(key)
                    if is_written:
                        self._note(key, len(file.body))
                    if not is_wanted:  # forgotten meanwhile
                        self._remove(key)
        finally:
            self._writing = None

    async def _turn_to_write(self) -> None:
        if self._coming_bytes < EAGER_BYTES:
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITTEN_WITHIN_S):
                    await self._calm.wait()

    def _write_some(self, coming: Mapping[str, ComingFile]) -> list[bool]:
        return [self._write(key, file.body, file.modified_s) for key, file in coming.items()]

    def _leave(self, key: str) -> None:
        if file := self._coming.pop(key, None):
            self._coming_bytes -= len(file.body)

    def _write(self, key: str, body: bytes, modified_s: int) -> bool:
        """In its place at once: while it is written it is not looked for there, and a part of it counts as none."""
        target = f"{self._directory}/{_inside(key)}"
        try:
            try:
                _write_file(target, body, modified_s)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 - on the way of each cold hit
                _write_file(target, body, modified_s)
        except OSError as error:
            _log.warning("a file of the store is not cached", error=error.strerror)
            Path(target).unlink(missing_ok=True)
            return False
        return True

    def forget(self, picture: PictureId) -> None:
        """All that is here of it."""
        for key in [key for key in self._coming if _picture(key) == picture]:
            self._leave(key)
        for key in list(self._by_picture.get(picture, ())):
            self._remove(key)

    def close(self) -> None:
        os.close(self._lock)

    def _take_stock(self) -> None:
        """Of what was here before a restart."""
        found = []
        for file in (self._directory / "p").glob("*/*"):
            with suppress(OSError, ValueError):
                key, status = _key(file.name), file.stat()
                found.append((status.st_atime, key, status.st_size))
        for _, key, size in sorted(found):
            self._note(key, size)

    def _note(self, key: str, size: int) -> None:
        self._drop(key)
        self._held[key] = size
        self._bytes += size
        self._by_picture.setdefault(_picture(key), set()).add(key)
        while self._bytes > self._max_bytes and len(self._held) > 1:
            self._remove(next(iter(self._held)))

    def _remove(self, key: str) -> None:
        (self._directory / _inside(key)).unlink(missing_ok=True)
        self._drop(key)

    def _drop(self, key: str) -> None:
        self._bytes -= self._held.pop(key, 0)
        with suppress(ValueError, KeyError):
            picture = _picture(key)
            held = self._by_picture[picture]
            held.discard(key)
            if not held:
                del self._by_picture[picture]


def _write_file(path: str, body: bytes, modified_s: int) -> None:
    """Into memory that the disk has later: what a crash takes is asked for again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        left = memoryview(body)
        while left:
            left = left[os.write(descriptor, left) :]
        if len(body) > FROM_MEMORY:  # nginx says so of a file that it sends for us
            os.utime(descriptor, (time.time(), modified_s))
    finally:
        os.close(descriptor)


def _inside(key: str) -> str:
    """Where it lies: few directories, for making one costs as much as a file."""
    _, picture, revision, file_name = key.split("/")
    return f"p/{picture[:2]}/{picture}.{revision}.{file_name}"


def _key(name: str) -> str:
    """Of what lies there. Raise ValueError where it is none of ours."""
    picture, revision, file_name = name.split(".", 2)
    return f"p/{parse_picture_id(picture)}/{revision}/{file_name}"


def _picture(key: str) -> PictureId:
    return PictureId(key.split("/")[1])


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
