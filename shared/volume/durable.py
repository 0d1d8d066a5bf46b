"""Writing so that a reader sees the old or the new, and a power cut leaves one of them."""

import os
import uuid
from pathlib import Path


def flush(path: Path) -> None:
    """Bring a file's bytes, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(target: Path, text: str, *, aside: Path) -> None:
    """Write `target` whole: in the directory `aside` first (same file system), then renamed over it."""
    draft = aside / uuid.uuid4().hex
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)


def replace_link(target: Path, points_to: str, *, aside: Path) -> None:
    """Make `target` a symbolic link to `points_to`, whatever it was before."""
    draft = aside / uuid.uuid4().hex
    draft.symlink_to(points_to)
    draft.replace(target)


def make_directories(directory: Path, *, below: Path) -> None:
    """Create `directory` durably: every parent that got a new entry is flushed. `below` exists."""
    if directory.is_dir():
        return
    make_directories(directory.parent, below=below)
    directory.mkdir(exist_ok=True)
    flush(directory.parent)
