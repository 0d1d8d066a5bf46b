"""The named steps of a commit and of a pin, so that tests can stop or kill a process at each of them."""

from collections.abc import Callable
from enum import StrEnum


class CommitStep(StrEnum):
    DRAFT_FLUSHED = "draft flushed"
    REVISION_PLACED = "revision placed"
    POINTER_COMPARED = "pointer compared"
    POINTER_PREPARED = "pointer prepared"
    POINTER_SWITCHED = "pointer switched"
    POINTER_FLUSHED = "pointer flushed"
    STATE_REPLACED = "state replaced"
    OLD_REVISIONS_REMOVED = "old revisions removed"


class PinStep(StrEnum):
    COPY_MADE = "copy made"
    COPY_PLACED = "copy placed"
    PINS_WRITTEN = "pins written"
    CACHE_CLEARED = "cache cleared"
    MOVED_BACK = "moved back"


OnStep = Callable[[str], None]
"""Told the name of a step when it has been done."""


def unwatched(step: str) -> None:
    """What a running service passes: nobody watches."""
