"""Sweeping: what was put aside and left there, by a commit that is done or a process that was killed."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from shared.volume.layout import Layout
from shared.volume.local_hosts import PauseFile

DRAFT_AGE_S = 900
"""Far longer than any job may take: an older draft has lost its process."""

REFUSAL_REMEMBERED_S = 2 * 86_400
"""Twice the longest that a name is refused for: so long the pauses of one that is refused again go on growing."""

NAME_SHELVES = tuple(f"{number:02x}" for number in range(256))

INBOX_AGE_S = 86_400
"""Longer than an upload's job can wait in the queue."""

PAUSE_REMEMBERED_S = 3600
"""Twice the longest that a pause for failures grows to and more: the next one goes on growing."""


def sweep(layout: Layout, *, now: float | None = None) -> int:
    """Delete the trash, drafts and uploads that nobody will come back for, and pauses long over; return how many."""
    now = time.time() if now is None else now
    swept = list(layout.trash.iterdir())
    swept += _older(layout.scratch, now - DRAFT_AGE_S)
    swept += _older(layout.inbox, now - INBOX_AGE_S)
    swept += _over(layout.hosts, now - PAUSE_REMEMBERED_S)
    for entry in swept:
        _delete(entry)
    return len(swept)


def sweep_names(layout: Layout, shelf: str, *, now: float | None = None) -> int:
    """Delete refusals of names on a shelf that were over long ago, and the places of names that have nothing any more;
    return how many. A shelf is one of `NAME_SHELVES`: the names whose ids' hashes begin with it.
    """
    limit = (time.time() if now is None else now) - REFUSAL_REMEMBERED_S
    swept = 0
    for place in layout.names.glob(f"*/{shelf}/*/*"):
        for refusal in place.glob("*.json"):
            if _is_older(refusal, limit):
                refusal.unlink(missing_ok=True)
                swept += 1
        if _is_older(place, limit):
            with suppress(OSError):  # something is there, or somebody is putting something there
                place.rmdir()
    return swept


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.lstat().st_mtime < limit
    except FileNotFoundError:
        return False


def _older(directory: Path, limit: float) -> list[Path]:
    found = []
    for entry in directory.iterdir():
        try:
            if entry.lstat().st_mtime < limit:
                found.append(entry)
        except FileNotFoundError:  # another fetcher was faster
            continue
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
