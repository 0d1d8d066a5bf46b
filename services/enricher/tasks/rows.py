"""The tables of tasks, as the latest migration leaves them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import Moment, Number, Words, metadata
from services.enricher.database.statements import Statement
from services.enricher.tasks.task import Progress, Task, TaskItem, TaskRefused, TaskState

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("kind", Words, nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("state", Words, nullable=False),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("starts", Number, nullable=False),
    sa.Column("done", Number, nullable=False),
    sa.Column("total", Number),
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("errors", sa.JSON, nullable=False),
    sa.Column("reason", Words),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Column("heartbeat_at", Moment),
    sa.Column("claimed_by", Words),
    sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    sa.Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

task_items = sa.Table(
    "task_items",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("task_id", Number, nullable=False),
    sa.Column("name", Words, nullable=False),
    sa.Column("outcome", Words, nullable=False),
    sa.Column("failure_class", Words),
    sa.Column("reason", Words),
    sa.Column("retry_at", Moment),
    sa.Column("bytes", sa.BigInteger),
    sa.Index(None, "task_id", "outcome", "id"),
)
"""What became of each thing that a task was about; as long as the task is known."""


QUEUED_LIMIT = 100
"""Tasks that may wait."""

ITEMS_KEPT_OF = 100
"""Of so many tasks, and of those that run, it is kept what became of each thing."""

KEPT = 1000
"""Tasks that are remembered; for each one more, the oldest that has ended goes."""

MAX_STARTS = 3
"""A task that was under way in so many processes that died is not tried again."""

_columns = tasks.c
_OF_TASK = [column for column in _columns if column.name in Task.__slots__]
_ENDED = [state.value for state in TaskState if state.ended]
_WAITING = _columns.state == TaskState.QUEUED
_UNDER_WAY = Statement(
    sa.select(_columns.id).where(_WAITING | (_columns.state == TaskState.RUNNING)).limit(1)
)
"""Mostly there is none, and then there is nothing to write: it is asked once a second."""


class TaskRows:
    """`owner` is who claims; a claim whose heart has not beaten for `stale_after` is nobody's."""

    def __init__(
        self, database: Database, *, owner: str, stale_after: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._owner = owner
        self._stale_after = stale_after
        self._now = now

    async def add(self, kind: str, arguments: Mapping[str, object]) -> Task:
        """The same task that waits or runs already, or else a new one. Raise TaskRefused where too many wait."""

        async def writing(connection: AsyncConnection) -> Task:
            under_way = sa.select(*_OF_TASK).where(_columns.kind == kind, _columns.state.not_in(_ENDED))
            for row in await connection.execute(under_way.where(_columns.cancelling.is_(False))):
                if row.arguments == arguments:
                    return _task(row)
            await _make_room(connection)
            values = _new(kind, arguments, self._now())
            row = (await connection.execute(sa.insert(tasks).values(values).returning(*_OF_TASK))).one()
            return _task(row)

        return await self._database.write(writing)

    async def get(self, task_id: int) -> Task | None:
        async def reading(connection: AsyncConnection) -> Task | None:
            row = (await connection.execute(sa.select(*_OF_TASK).where(_columns.id == task_id))).first()
            return None if row is None else _task(row)

        return await self._database.read(reading)

    async def list(self, *, limit: int, offset: int, kind: str | None = None) -> Sequence[Task]:
        """The newest first, of one kind or of all."""
        query = sa.select(*_OF_TASK).order_by(_columns.id.desc())
        if kind is not None:
            query = query.where(_columns.kind == kind)
        return await self._database.rows(query, _task, of=tasks, limit=limit, offset=offset)

    async def items(
        self, task_id: int, *, outcome: str | None, limit: int, offset: int
    ) -> Sequence[TaskItem]:
        """In the order in which they were done; of one outcome, or of all."""
        columns = task_items.c
        query = sa.select(*(columns[name] for name in TaskItem.__slots__)).where(columns.task_id == task_id)
        if outcome:
            query = query.where(columns.outcome == outcome)
        page = query.order_by(columns.id).limit(limit).offset(offset)

        async def reading(connection: AsyncConnection) -> Sequence[TaskItem]:
            return [TaskItem(**row._asdict()) for row in await connection.execute(page)]

        return await self._database.read(reading)

    async def cancel(self, task_id: int) -> None:
        """At once where it waits, at its next step where it runs, and not at all where it has ended."""
        waiting = _end(_WAITING & (_columns.id == task_id), TaskState.CANCELLED, self._now())
        running = sa.update(tasks).where(_columns.id == task_id, _columns.state == TaskState.RUNNING)

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(waiting)
            await connection.execute(running.values(cancelling=True))

        await self._database.write(writing)

    async def claim(self, kinds: Collection[str]) -> Task | None:
        """The oldest that waits, of these kinds, where no other of its kind runs."""
        if not await self._database.read_at_once(lambda visit: visit.rows(_UNDER_WAY)):
            return None

        async def writing(connection: AsyncConnection) -> Task | None:
            silent = _columns.heartbeat_at < self._now() - self._stale_after
            await self._give_back(connection, silent)
            running = sa.select(_columns.kind).where(_columns.state == TaskState.RUNNING)
            free = _WAITING & _columns.kind.in_(kinds) & _columns.kind.not_in(running)
            oldest = sa.select(sa.func.min(_columns.id)).where(free).scalar_subquery()
            claimed = (
                sa.update(tasks)
                .where(_columns.id == oldest)
                .values(state=TaskState.RUNNING, claimed_by=self._owner, heartbeat_at=self._now())
                .values(starts=_columns.starts + 1, started_at=self._now(), **_progress(Progress()))
                .returning(*_OF_TASK)
            )
            row = (await connection.execute(claimed)).first()
            if row is None:
                return None
            await connection.execute(sa.delete(task_items).where(task_items.c.task_id == row.id))
            return _task(row)

        return await self._database.write(writing)

    async def take_over(self) -> None:
        """All that runs was left by a process that died: for whoever knows that there is no other."""
        others = _columns.claimed_by != self._owner
        await self._database.write(lambda connection: self._give_back(connection, others))

    async def _give_back(self, connection: AsyncConnection, whose: sa.ColumnElement[bool]) -> None:
        """What a process that died has left, waits again: or failed, or was to be cancelled anyway."""
        left = sa.and_(_columns.state == TaskState.RUNNING, whose)
        await connection.execute(_end(left & _columns.cancelling.is_(True), TaskState.CANCELLED, self._now()))
        reason = f"Its process died {MAX_STARTS} times while it ran."
        given_up = _end(left & (_columns.starts >= MAX_STARTS), TaskState.FAILED, self._now())
        await connection.execute(given_up.values(reason=reason))
        await connection.execute(sa.update(tasks).where(left).values(state=TaskState.QUEUED))

    async def beat(self, task_id: int, progress: Progress) -> bool:
        """Say that it still runs, and how far it is; whether it shall be cancelled, or is another's by now."""
        mine = self._mine(task_id)
        written = (
            sa.update(tasks)
            .where(mine)
            .values(heartbeat_at=self._now(), **_progress(progress))
            .returning(_columns.cancelling)
        )

        items = progress.unwritten

        async def writing(connection: AsyncConnection) -> bool | None:
            cancelling: bool | None = (await connection.execute(written)).scalar_one_or_none()
            if cancelling is not None:
                await _add_items(connection, task_id, items)
            return cancelling

        cancelling = await self._database.write(writing)
        if cancelling is not None:
            progress.written(len(items))
        return cancelling is not False

    async def end(
        self, task_id: int, state: TaskState, progress: Progress, reason: str | None = None
    ) -> None:
        ended = _end(self._mine(task_id), state, self._now()).values(reason=reason, **_progress(progress))

        async def writing(connection: AsyncConnection) -> None:
            if (await connection.execute(ended)).rowcount:
                await _add_items(connection, task_id, progress.unwritten)

        await self._database.write(writing)

    async def leave(self, task_id: int) -> None:
        """It waits again, because this process ends; that does not count as a start."""
        left = sa.update(tasks).where(self._mine(task_id))
        values = {"state": TaskState.QUEUED, "starts": _columns.starts - 1}
        await self._database.write(lambda connection: connection.execute(left.values(values)))

    def _mine(self, task_id: int) -> sa.ColumnElement[bool]:
        running = sa.and_(_columns.id == task_id, _columns.state == TaskState.RUNNING)
        return sa.and_(running, _columns.claimed_by == self._owner)


async def _make_room(connection: AsyncConnection) -> None:
    waiting = sa.select(sa.func.count()).select_from(tasks).where(_WAITING)
    if (await connection.execute(waiting)).scalar_one() >= QUEUED_LIMIT:
        raise TaskRefused(f"{QUEUED_LIMIT} tasks are waiting: cancel some, or try again later.")
    oldest_kept = (
        sa.select(_columns.id).order_by(_columns.id.desc()).limit(1).offset(KEPT - 1).scalar_subquery()
    )
    oldest_told = sa.select(_columns.id).order_by(_columns.id.desc()).limit(1).offset(ITEMS_KEPT_OF - 1)
    running = sa.select(_columns.id).where(_columns.state == TaskState.RUNNING)
    of_task = task_items.c.task_id
    old = of_task <= oldest_told.scalar_subquery()
    await connection.execute(sa.delete(task_items).where(old, of_task.not_in(running)))
    await connection.execute(sa.delete(tasks).where(_columns.id <= oldest_kept, _columns.state.in_(_ENDED)))


async def _add_items(connection: AsyncConnection, task_id: int, items: Sequence[TaskItem]) -> None:
    if items:
        rows = [{"task_id": task_id, **asdict(item)} for item in items]
        await connection.execute(sa.insert(task_items), rows)


def _new(kind: str, arguments: Mapping[str, object], now: datetime) -> Mapping[str, object]:
    values = {"kind": kind, "arguments": dict(arguments), "state": TaskState.QUEUED, "created_at": now}
    return values | {"cancelling": False, "starts": 0} | _progress(Progress())


def _progress(progress: Progress) -> dict[str, Any]:
    return {
        "done": progress.done,
        "total": progress.total,
        "counts": dict(progress.counts),
        "errors": list(progress.errors),
    }


def _end(which: sa.ColumnElement[bool], state: TaskState, now: datetime) -> sa.Update:
    return sa.update(tasks).where(which).values(state=state, cancelling=False, finished_at=now)


def _task(row: sa.Row[Any]) -> Task:
    return Task(**row._asdict() | {"state": TaskState(row.state), "errors": tuple(row.errors)})
