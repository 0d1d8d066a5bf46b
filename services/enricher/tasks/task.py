"""What a task is, from the outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.pictures import Failure

ERROR_LIMIT = 50
"""So many stand in the task itself; more of them are among its items."""

ITEM_LIMIT = 10_000
"""Of so many things it is kept what became of them; the others are only counted."""


class TaskState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in {TaskState.QUEUED, TaskState.RUNNING}


@dataclass(frozen=True, slots=True)
class Task:
    id: int
    kind: str
    arguments: Mapping[str, object]
    state: TaskState
    cancelling: bool
    """Asked to end, and not yet there."""
    done: int
    """Steps, of `total` where that is known."""
    total: int | None
    counts: Mapping[str, int]
    errors: tuple[str, ...]
    """What went wrong with single things, the first ones; `counts["errors"]` says how many there were."""
    reason: str | None
    """Why it failed."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one thing that a task was about. A failure has a class, a reason and an end; `bytes`: its size."""

    name: str
    outcome: str
    failure_class: str | None = None
    reason: str | None = None
    retry_at: datetime | None = None
    bytes: int | None = None

    @classmethod
    def of(cls, name: str, outcome: str, failure: Failure | None, size: int | None) -> Self:
        if failure is None:
            return cls(name, outcome, bytes=size)
        return cls(name, outcome, failure.failure_class.value, failure.reason, failure.retry_at, size)


class TaskRefused(Exception):
    """A task cannot be started; the text says why."""


class TaskFailed(Exception):
    """Raised by a task's work that cannot go on; the text is the reason that is shown."""


class TaskCancelled(Exception):
    """Raised in a task's work at its next step after somebody cancelled it."""
