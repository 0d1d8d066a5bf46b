"""A task, what became of what it was about, and how its work tells how far it is."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from shared.pictures import Failure
from shared.queue import QueueError

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
class TaskItem:
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


ERROR_LENGTH = 500
WAITING = "waiting for the queue"


class Progress:
    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self._cancelled = False
        self._items_left = ITEM_LIMIT
        self._unwritten: list[TaskItem] = []

    def step(self, done: int = 0, **counts: int) -> None:
        """To be called between steps, after each of which the work may end. Raise TaskCancelled where it shall."""
        self.done += done
        self.counts.update(counts)
        if self._cancelled:
            raise TaskCancelled

    def error(self, name: str, text: str) -> None:
        """One thing did not work, which is no step, and the task goes on."""
        self.counts["errors"] += 1
        if len(self.errors) < ERROR_LIMIT:
            self.errors.append(text[:ERROR_LENGTH])
        self._keep(TaskItem(name[:ERROR_LENGTH], "error", reason=text[:ERROR_LENGTH]))

    def item(
        self, name: str, outcome: str, *, failure: Failure | None = None, size: int | None = None
    ) -> None:
        """What became of one thing, which is one step. `size`: of it, in bytes."""
        self.done += 1
        self.counts[outcome] += 1
        if size is not None:
            self.counts["bytes"] += size
        self._keep(TaskItem.of(name[:ERROR_LENGTH], outcome, failure, size))

    @contextmanager
    def waiting_for_the_queue(self) -> Iterator[None]:
        """So many things wait for it at the moment."""
        self.counts[WAITING] += 1
        try:
            yield
        finally:
            self.counts[WAITING] -= 1
            if not self.counts[WAITING]:
                del self.counts[WAITING]

    def _keep(self, item: TaskItem) -> None:
        if self._items_left:
            self._items_left -= 1
            self._unwritten.append(item)

    @property
    def unwritten(self) -> Sequence[TaskItem]:
        """Items that no row tells of yet."""
        return tuple(self._unwritten)

    def written(self, count: int) -> None:
        """So many of them are safe."""
        del self._unwritten[:count]

    def cancel(self) -> None:
        self._cancelled = True


QUEUE_PATIENCE_S = 3600.0
TRY_AGAIN_S = 1.0


async def patiently(queue: Callable[[], Awaitable[object]], progress: Progress) -> None:
    """Do what queues something, again and again while the queue takes nothing, and say so in the task's counts.

    Raise TaskCancelled where the task shall end meanwhile, and TaskFailed where an hour was not enough.
    """
    clock = asyncio.get_running_loop().time
    ends_s = clock() + QUEUE_PATIENCE_S
    while True:
        try:
            await queue()
        except QueueError as error:
            if clock() >= ends_s:
                raise TaskFailed(f"Nothing can be queued: {error}.") from error
            with progress.waiting_for_the_queue():
                await asyncio.sleep(TRY_AGAIN_S)
            progress.step()
        else:
            return
