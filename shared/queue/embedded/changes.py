"""What can happen to the messages in the file, and what one turn of the file brings."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.queue.port import Lane, QueueFull


@dataclass(frozen=True)
class Put:
    """A new message: at once, or `after_s`. Refused when the lane holds `limit` already."""

    lane: Lane
    body: str
    after_s: float | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Settle:
    """A message that was taken goes, and what comes of it is there: both or neither."""

    seq: int
    follow_up: Put | None


@dataclass(frozen=True)
class Release:
    """A message that was taken waits again."""

    seq: int


Change = Put | Settle | Release


@dataclass(frozen=True)
class Taken:
    """A message handed out."""

    seq: int
    lane: Lane
    body: str
    redelivered: bool


@dataclass(frozen=True)
class Turn:
    """What one transaction did. `refused` by the index of the change."""

    refused: Mapping[int, QueueFull]
    taken: tuple[Taken, ...]
    waiting: Mapping[Lane, int]
    next_due_in_s: float | None
