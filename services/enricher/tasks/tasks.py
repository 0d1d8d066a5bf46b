"""Starting, watching and cancelling tasks, and doing their work: one of each kind at a time."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

import structlog

from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.tasks.rows import TaskRows
from services.enricher.tasks.task import (
    Progress,
    Task,
    TaskCancelled,
    TaskFailed,
    TaskItem,
    TaskRefused,
    TaskState,
)
from shared.background import Background, cancel_and_wait
from shared.contracts import TaskProgressed
from shared.telemetry import utc_now

Work = Callable[[Mapping[str, object], Progress], Awaitable[None]]
"""Does a task of some kind, given its arguments. Done twice or cut off anywhere, it must do no harm."""

Tell = Callable[[TaskProgressed], Awaitable[None]]
"""Tells whoever is interested how far a task is."""

OnEnd = Callable[[str, TaskState], None]
"""Hears of which kind a task was, and how it ended."""

BEAT_S = 1.0
"""How often the row learns how far its task is."""

LOOK_S = 10.0
"""How often somebody looks for tasks that another process has left."""

STALE_AFTER_S = 30.0
_log = structlog.get_logger()


async def _nobody_listens(_event: TaskProgressed) -> None:
    pass


def _nobody_counts(_kind: str, _state: TaskState) -> None:
    pass


class Tasks:
    def __init__(
        self,
        database: Database,
        works: Mapping[str, Work],
        *,
        now: Callable[[], datetime],
        stale_after_s: float,
        tell: Tell,
        on_end: OnEnd,
    ) -> None:
        owner = f"{socket.gethostname()}/{uuid.uuid4().hex}"
        self._rows = TaskRows(database, owner=owner, stale_after=timedelta(seconds=stale_after_s), now=now)
        self._works = works
        self._tell = tell
        self._on_end = on_end
        self._running: dict[int, _Running] = {}
        self._wake = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        database: Database,
        works: Mapping[str, Work],
        *,
        background: Background,
        now: Callable[[], datetime] = utc_now,
        look_s: float = LOOK_S,
        beat_s: float = BEAT_S,
        stale_after_s: float = STALE_AFTER_S,
        tell: Tell = _nobody_listens,
        on_end: OnEnd = _nobody_counts,
        alone: bool = False,
    ) -> AsyncIterator[Self]:
        """Takes what waits while the context lasts; what runs at its end waits for the next process.

        `alone`: no other process has the database, so that what runs in it was left by one that died.
        """
        tasks = cls(database, works, now=now, stale_after_s=stale_after_s, tell=tell, on_end=on_end)
        if alone:
            await tasks._rows.take_over()
        taking = background.repeating(
            "taking tasks", tasks._take, every_s=look_s, wake=tasks._wake, expected=(DatabaseUnavailable,)
        )
        beating = background.repeating(
            "telling how far tasks are", tasks._beat, every_s=beat_s, at_once=False
        )
        async with AsyncExitStack() as stack:
            stack.push_async_callback(tasks._end_all)
            await stack.enter_async_context(beating)
            await stack.enter_async_context(taking)
            yield tasks

    async def start(self, kind: str, arguments: Mapping[str, object]) -> Task:
        """The task, or the same one that waits or runs already. `arguments` are what JSON can hold.

        Raises TaskRefused where nobody knows the kind, or too many wait.
        """
        if kind not in self._works:
            raise TaskRefused(f"There are no tasks of the kind {kind!r}.")
        task = await self._rows.add(kind, arguments)
        self._wake.set()
        return task

    async def get(self, task_id: int) -> Task | None:
        """As it was a second ago at most."""
        return await self._rows.get(task_id)

    async def list(self, *, limit: int = 50, offset: int = 0, kind: str | None = None) -> Sequence[Task]:
        """The newest first, of one kind or of all."""
        return await self._rows.list(limit=limit, offset=offset, kind=kind)

    async def items(
        self, task_id: int, *, outcome: str | None = None, limit: int = 50, offset: int = 0
    ) -> Sequence[TaskItem]:
        """What became of each thing so far, the first ones first."""
        return await self._rows.items(task_id, outcome=outcome, limit=limit, offset=offset)

    async def cancel(self, task_id: int) -> Task | None:
        """The task: it has ended, or will at its next step. None where there is no such task."""
        await self._rows.cancel(task_id)
        if task_id in self._running:
            self._running[task_id].progress.cancel()
        return await self._rows.get(task_id)

    async def _take(self) -> None:
        while task := await self._rows.claim(self._works):
            self._begin(task)

    async def _end_all(self) -> None:
        await cancel_and_wait(*(running.working for running in self._running.values()))

    def _begin(self, task: Task) -> None:
        progress = Progress()
        working = asyncio.create_task(self._do(task, progress), name=f"{task.kind} {task.id}")
        self._running[task.id] = _Running(task.kind, working, progress)
        working.add_done_callback(lambda _: self._ended(task.id))

    def _ended(self, task_id: int) -> None:
        del self._running[task_id]
        self._wake.set()

    async def _do(self, task: Task, progress: Progress) -> None:
        """What cannot be written is found, and done again, once the row is stale."""
        try:
            await self._tell_of(task.id, TaskState.RUNNING)
            state, reason = await self._outcome(task, progress)
            await self._rows.end(task.id, state, progress, reason)
            await self._tell_of(task.id, state)
            self._on_end(task.kind, state)
            _log.info("task ended", kind=task.kind, task=task.id, state=state, reason=reason)
        except asyncio.CancelledError:
            await self._rows.leave(task.id)
            raise
        except DatabaseUnavailable as error:
            _log.error("task not written", task=task.id, error=str(error))

    async def _outcome(self, task: Task, progress: Progress) -> tuple[TaskState, str | None]:
        try:
            await self._works[task.kind](task.arguments, progress)
        except TaskCancelled:
            return TaskState.CANCELLED, None
        except (TaskFailed, DatabaseUnavailable) as error:
            return TaskState.FAILED, str(error)
        except Exception:  # noqa: BLE001 - the outermost edge of a task
            _log.exception("task failed", kind=task.kind, task=task.id)
            return TaskState.FAILED, "An error of the program; its log says more."
        return TaskState.DONE, None

    async def _beat(self) -> None:
        for task_id, running in list(self._running.items()):
            try:
                if await self._rows.beat(task_id, running.progress):
                    running.progress.cancel()
            except DatabaseUnavailable as error:
                _log.error("task not written", task=task_id, error=str(error))
            if running.has_moved() and task_id in self._running:
                await self._tell_of(task_id, TaskState.RUNNING)

    async def _tell_of(self, task_id: int, state: TaskState) -> None:
        """Nothing is told after the end, whatever was about to be."""
        running = self._running[task_id]
        async with running.telling:
            if not running.end_told:
                running.end_told = state.ended
                await self._tell(_progressed(task_id, running.kind, state, running.progress))


@dataclass(slots=True)
class _Running:
    kind: str
    working: asyncio.Task[None]
    progress: Progress
    told: tuple[int, int] = (0, 0)
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    end_told: bool = False

    def has_moved(self) -> bool:
        """Since this was asked the last time."""
        now = self.progress.done, self.progress.counts.total()
        moved, self.told = now != self.told, now
        return moved


def _progressed(task_id: int, kind: str, state: TaskState, progress: Progress) -> TaskProgressed:
    return TaskProgressed(
        task=task_id,
        kind=kind,
        state=state.value,
        done=progress.done,
        total=progress.total,
        counts=dict(progress.counts),
    )
