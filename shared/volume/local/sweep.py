"""Sweeping: what was put aside and left there, by a commit that is done or a process that was killed; and what is over."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from shared.volume.local.layout import Layout
from shared.volume.local.names import PauseFile

DRAFT_AGE_S = 900
"""Far longer than any job may take: an older draft has lost its process."""

INBOX_AGE_S = 86_400
"""Longer than an upload's job can wait in the queue."""

PAUSE_REMEMBERED_S = 3600
"""Twice the longest that a pause for failures grows to and more: the next one goes on growing."""

REFUSAL_REMEMBERED_S = 2 * 86_400
"""Twice the longest that a name is refused for. Earlier versions left a file for each, which go with their directories."""

CLOCK = "clock"
"""A file that is dated anew by each sweep."""

SHELF_S = 10
"""For so long it is one shelf of names that is looked through, then the next: all 256 in three quarters of an hour."""


def sweep(layout: Layout, *, now: float | None = None) -> int:
    """Delete the trash, drafts and uploads that nobody will come back for, and pauses and refusals long over.

    Return how many. Of names one shelf is looked through at a time, for there may be very many.
    """
    here = time.time() if now is None else now
    there = _now_there(layout) if now is None else now
    swept = list(layout.trash.iterdir())
    swept += _older(layout.scratch, there - DRAFT_AGE_S)
    swept += _older(layout.inbox, there - INBOX_AGE_S)
    swept += _over(layout.hosts, here - PAUSE_REMEMBERED_S)
    for entry in swept:
        _delete(entry)
    refused = _refused(layout.names, int(here / SHELF_S) % 256, there - REFUSAL_REMEMBERED_S)
    for entry in refused:
        entry.unlink(missing_ok=True)
        with suppress(OSError):  # the name shows something, or is refused in another role
            for directory in list(entry.parents)[:3]:
                directory.rmdir()
    return len(swept) + len(refused)


def _now_there(layout: Layout) -> float:
    """By the clock of the file system, which may be another machine's: files that it dates are as old as that one says."""
    clock = layout.locks / CLOCK
    clock.touch()
    return clock.stat().st_mtime


def remove_older(directory: Path, limit: float) -> int:
    """What in it was last changed before; how many."""
    older = _older(directory, limit)
    for entry in older:
        _delete(entry)
    return len(older)


def _older(directory: Path, limit: float) -> list[Path]:
    found = []
    for entry in directory.iterdir():
        try:
            if entry.lstat().st_mtime < limit:
                found.append(entry)
        except FileNotFoundError:  # another fetcher was faster
            continue
    return found


def _refused(names: Path, shelf: int, limit: float) -> list[Path]:
    """`names/<kind>/<ab>/<cd>/<id>/<role>.json` of this `ab`, written before."""
    found = []
    for file in names.glob(f"*/{shelf:02x}/*/*/*.json"):
        with suppress(FileNotFoundError):
            if file.lstat().st_mtime < limit:
                found.append(file)
    return found


def _over(hosts: Path, limit: float) -> list[Path]:
    found = []
    for file in hosts.glob("*.json"):
        try:
            pause = PauseFile.model_validate_json(file.read_bytes())
        except (FileNotFoundError, ValidationError):  # another fetcher was faster, or it is none of ours
            continue
        if pause.until.timestamp() < limit:
            found.append(file)
    return found


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
