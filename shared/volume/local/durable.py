"""Writing that survives a power cut, and the checksums of what was written."""

import hashlib
import os
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path


def flush(path: Path) -> None:
    """Bring a file's bytes, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Not the times of a file: a rename changes those, and would make it wait for the journal again.
        os.fsync(descriptor) if path.is_dir() else os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


FileState = tuple[int, int, int]
"""Inode, modification time in nanoseconds, size: what a file is before somebody writes to it again."""


def state_of(file: Path) -> FileState:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


class Flusher:
    """Flushes several at once: the file system commits them together, in about the time of one."""

    def __init__(self, threads: int = 8) -> None:
        self._at_once = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="flush")

    def flush_all(self, paths: Iterable[Path]) -> None:
        """Each thread has its share of them: to hand over one costs about as much as to flush it. The first share is done by the
        thread that asks, which has nothing else to do.
        """
        wanted = list(paths)
        own, *others = (wanted[n :: self._at_once] for n in range(self._at_once))
        flushing = [self._threads.submit(_flush_each, share) for share in others if share]
        try:
            _flush_each(own)
        finally:
            wait(flushing)
        for share in flushing:
            share.result()

    def close(self) -> None:
        self._threads.shutdown(wait=True)


def _flush_each(paths: Iterable[Path]) -> None:
    for path in paths:
        flush(path)


_READ_AT_ONCE = 65_536


def read_whole(path: str) -> bytes:
    """A small file, with as few calls as can be: some are read for every request and job. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = [os.read(descriptor, _READ_AT_ONCE)]
        while len(pieces[-1]) == _READ_AT_ONCE:
            pieces.append(os.read(descriptor, _READ_AT_ONCE))
    finally:
        os.close(descriptor)
    return b"".join(pieces)


def write_aside(whole: str | bytes, *, aside: Path) -> Path:
    """Write a file in the directory `aside`, to be flushed and then renamed to where it belongs."""
    draft = aside / uuid.uuid4().hex
    try:
        draft.write_bytes(whole.encode() if isinstance(whole, str) else whole)
    except OSError:  # a full disk takes no leftovers
        draft.unlink(missing_ok=True)
        raise
    return draft


def replace_text(target: Path, text: str, *, aside: Path) -> None:
    """Write `target` whole: in the directory `aside` first (same file system), then renamed over it."""
    replace_bytes(target, text.encode(), aside=aside)


def replace_bytes(target: Path, whole: bytes, *, aside: Path) -> None:
    draft = write_aside(whole, aside=aside)
    flush(draft)
    draft.replace(target)


def replace_link(target: Path, points_to: str, *, aside: Path) -> None:
    """Make `target` a symbolic link to `points_to`, whatever it was before."""
    draft = aside / uuid.uuid4().hex
    draft.symlink_to(points_to)
    draft.replace(target)


def make_directories(directory: Path) -> list[Path]:
    """Create `directory` and what is missing above it; return the parents that got an entry, to be flushed."""
    if directory.is_dir():
        return []
    above = make_directories(directory.parent)
    directory.mkdir(exist_ok=True)
    return [*above, directory.parent]


SUMS = "SHA256SUMS"
_LINE = re.compile(rb"([0-9a-f]{64})  ([A-Za-z0-9.]{1,40})")


def sum_of(file: Path) -> str:
    """SHA-256, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def add_sums(directory: Path, files: Iterable[Path]) -> None:
    """That these files, once they lie in the directory, are as they are now. In one write, which is seen whole or not."""
    lines = "".join(f"{sum_of(file)}  {file.name}\n" for file in files)
    if lines:
        descriptor = os.open(directory / SUMS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, lines.encode())
        finally:
            os.close(descriptor)


def read_sums(directory: Path) -> Mapping[str, frozenset[str]]:
    """What each file may be. A line that a crash has torn counts as none; nor has an old revision any."""
    try:
        lines = (directory / SUMS).read_bytes().split(b"\n")
    except OSError:
        return {}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for line in lines:
        if whole := _LINE.fullmatch(line):
            found[whole[2].decode()].add(whole[1].decode())
    return {name: frozenset(sums) for name, sums in found.items()}
