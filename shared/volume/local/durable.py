"""Writing so that a reader sees the old or the new, and a power cut leaves one of them."""

import os
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def flush(path: Path) -> None:
    """Bring a file's bytes, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Not the times of a file: a rename changes those, and would make it wait for the journal again.
        os.fsync(descriptor) if path.is_dir() else os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


class Flusher:
    """Flushes several at once: the file system commits them together, in about the time of one."""

    def __init__(self, threads: int = 8) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="flush")

    def flush_all(self, paths: Iterable[Path]) -> None:
        list(self._threads.map(flush, paths))

    def close(self) -> None:
        self._threads.shutdown(wait=True)


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
