"""Tasks: one of each kind at a time, cancelled at a step, gone on with after a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest
from sqlalchemy import func, insert, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.tasks.rows import KEPT, MAX_STARTS, QUEUED_LIMIT, TaskRows
from services.enricher.tasks.rows import tasks as table
from services.enricher.tasks.task import (
    ERROR_LIMIT,
    Progress,
    Task,
    TaskFailed,
    TaskItem,
    TaskRefused,
    TaskState,
)
from services.enricher.tasks.tasks import Tasks, Work
from shared.background import Background
from shared.contracts import TaskProgressed
from shared.pictures import Failure, FailureClass
from shared.telemetry import Metrics

Found = TypeVar("Found")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class Gate:
    """Work that says when it begins, and goes on in steps when it is let."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[Mapping[str, object]] = asyncio.Queue()
        self.open = asyncio.Event()

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        progress.total = 2
        self.begun.put_nowait(arguments)
        progress.step(1, found=3)
        await self.open.wait()
        progress.step(1, found=1)


def running(
    database: Database, *, now: Clock | None = None, **works: Work
) -> AbstractAsyncContextManager[Tasks]:
    return Tasks.running(
        database,
        works,
        background=Background(Metrics()),
        now=now or Clock(),
        look_s=0.02,
        beat_s=0.02,
        stale_after_s=30,
    )


async def ended(tasks: Tasks, task: Task) -> Task:
    return await until(tasks, task, lambda found: found.state.ended)


async def until(tasks: Tasks, task: Task, condition: Callable[[Task], bool]) -> Task:
    async def holds() -> Task | None:
        found = await tasks.get(task.id)
        return found if found and condition(found) else None

    return await eventually(holds)


async def eventually(found: Callable[[], Awaitable[Found | None]]) -> Found:
    async with asyncio.timeout(40):
        while True:
            if (value := await found()) is not None:
                return value
            await asyncio.sleep(0.005)


async def test_a_task_is_done_and_tells_what_it_did(database: Database) -> None:
    gate = Gate()
    gate.open.set()
    async with running(database, gate=gate) as tasks:
        task = await tasks.start("gate", {"path": "/m"})
        assert (task.state, task.arguments, task.created_at) == (TaskState.QUEUED, {"path": "/m"}, NOON)
        done = await ended(tasks, task)
    assert (done.state, done.done, done.total, done.counts) == (TaskState.DONE, 2, 2, {"found": 4})
    assert done.started_at == done.finished_at == NOON


async def test_progress_is_seen_while_it_runs(database: Database) -> None:
    gate = Gate()
    async with running(database, gate=gate) as tasks:
        task = await tasks.start("gate", {})
        seen = await until(tasks, task, lambda found: found.done == 1)
    assert (seen.state, seen.counts) == (TaskState.RUNNING, {"found": 3})


async def test_one_of_a_kind_at_a_time_and_kinds_beside_one_another(database: Database) -> None:
    one, other = Gate(), Gate()
    async with running(database, one=one, other=other) as tasks:
        first = await tasks.start("one", {"n": 1})
        second = await tasks.start("one", {"n": 2})
        await tasks.start("other", {})
        assert (await one.begun.get(), await other.begun.get()) == ({"n": 1}, {})
        await until(tasks, first, lambda found: found.done == 1)
        assert one.begun.empty()
        one.open.set()
        assert await one.begun.get() == {"n": 2}
        assert (await ended(tasks, second)).state is TaskState.DONE


async def test_a_cancelled_task_ends_at_its_next_step(database: Database) -> None:
    gate = Gate()
    async with running(database, gate=gate) as tasks:
        task = await tasks.start("gate", {})
        await gate.begun.get()
        cancelled = await tasks.cancel(task.id)
        assert cancelled
        assert (cancelled.state, cancelled.cancelling) == (TaskState.RUNNING, True)
        gate.open.set()
        found = await ended(tasks, task)
        assert (found.state, found.done, found.cancelling) == (TaskState.CANCELLED, 2, False)


async def test_a_waiting_task_is_cancelled_at_once_and_an_ended_one_stays(database: Database) -> None:
    gate = Gate()
    async with running(database, gate=gate) as tasks:
        first = await tasks.start("gate", {"n": 1})
        await gate.begun.get()
        waiting = await tasks.start("gate", {"n": 2})
        cancelled = await tasks.cancel(waiting.id)
        assert cancelled
        assert cancelled.state is TaskState.CANCELLED
        gate.open.set()
        done = await ended(tasks, first)
        assert await tasks.cancel(first.id) == done
        assert await tasks.cancel(12345) is None


async def test_the_same_again_is_the_one_that_is_under_way(database: Database) -> None:
    gate = Gate()
    async with running(database, gate=gate) as tasks:
        first = await tasks.start("gate", {"n": 1})
        await gate.begun.get()
        assert (await tasks.start("gate", {"n": 1})).id == first.id
        gate.open.set()
        await ended(tasks, first)
        assert (await tasks.start("gate", {"n": 1})).id > first.id


async def test_a_task_goes_on_in_the_next_process(database: Database) -> None:
    gate = Gate()
    async with running(database, gate=gate) as tasks:
        task = await tasks.start("gate", {})
        await gate.begun.get()
    gate.open.set()
    async with running(database, gate=gate) as tasks:
        done = await ended(tasks, task)
    assert (done.state, done.done, done.counts) == (TaskState.DONE, 2, {"found": 4})


async def test_an_orderly_end_is_no_reason_to_give_up_a_task(database: Database) -> None:
    for _ in range(MAX_STARTS + 1):
        gate = Gate()
        async with running(database, gate=gate) as tasks:
            task = await tasks.start("gate", {})
            await gate.begun.get()

    async def starts(connection: AsyncConnection) -> int:
        return int(
            (await connection.execute(select(table.c.starts).where(table.c.id == task.id))).scalar_one()
        )

    assert await database.read(starts) == 0


async def left_by_the_dead(database: Database, **changed: object) -> int:
    row = {"kind": "gate", "arguments": {}, "state": "running", "cancelling": False, "starts": 1, "done": 7}
    row |= {"counts": {}, "errors": [], "created_at": NOON, "heartbeat_at": NOON, "claimed_by": "the dead"}

    async def writing(connection: AsyncConnection) -> int:
        inserted = insert(table).values(row | changed).returning(table.c.id)
        return int((await connection.execute(inserted)).scalar_one())

    return await database.write(writing)


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, TaskState.DONE),
        ({"starts": MAX_STARTS}, TaskState.FAILED),
        ({"cancelling": True}, TaskState.CANCELLED),
    ],
)
async def test_what_a_dead_process_left_is_taken_once_it_is_silent(
    database: Database, changed: dict[str, object], state: TaskState
) -> None:
    gate, clock = Gate(), Clock()
    gate.open.set()
    task_id = await left_by_the_dead(database, **changed)
    async with running(database, now=clock, gate=gate) as tasks:
        await asyncio.sleep(0.05)
        before = await tasks.get(task_id)
        assert before
        assert (before.state, before.done) == (TaskState.RUNNING, 7)
        clock.time += timedelta(seconds=31)
        assert (await ended(tasks, before)).state is state


async def test_a_running_task_is_not_silent(database: Database) -> None:
    gate, clock = Gate(), Clock()
    async with running(database, now=clock, gate=gate) as tasks:
        task = await tasks.start("gate", {})
        await gate.begun.get()
        for _ in range(5):
            before = clock.time
            clock.time += timedelta(seconds=20)
            await eventually(partial(beat_after, database, before))
        gate.open.set()
        assert (await ended(tasks, task)).state is TaskState.DONE
        assert gate.begun.empty()


async def beat_after(database: Database, before: datetime) -> datetime | None:
    async def reading(connection: AsyncConnection) -> datetime | None:
        later = select(table.c.heartbeat_at).where(table.c.heartbeat_at > before)
        return (await connection.execute(later)).scalar_one_or_none()

    return await database.read(reading)


async def test_a_task_that_another_process_has_taken_over_is_let_go(database: Database) -> None:
    let_go = asyncio.Event()

    async def stepping(arguments: Mapping[str, object], progress: Progress) -> None:
        try:
            while True:
                progress.step()
                await asyncio.sleep(0.005)
        finally:
            let_go.set()

    async with running(database, stepping=stepping) as tasks:
        task = await tasks.start("stepping", {})
        await until(tasks, task, lambda found: found.state is TaskState.RUNNING)
        await database.write(
            lambda connection: connection.execute(update(table).values(claimed_by="another"))
        )
        await let_go.wait()
        found = await tasks.get(task.id)
    assert found
    assert found.state is TaskState.RUNNING


async def test_a_failure_says_why_and_an_error_of_ours_tells_nothing(database: Database) -> None:
    async def failing(arguments: Mapping[str, object], progress: Progress) -> None:
        raise TaskFailed("The folder is not there.")

    async def broken(arguments: Mapping[str, object], progress: Progress) -> None:
        raise RuntimeError("secret")

    async with running(database, failing=failing, broken=broken) as tasks:
        one = await ended(tasks, await tasks.start("failing", {}))
        other = await ended(tasks, await tasks.start("broken", {}))
    assert (one.state, one.reason) == (TaskState.FAILED, "The folder is not there.")
    assert other.state is TaskState.FAILED
    assert other.reason
    assert "secret" not in other.reason


async def test_errors_of_single_things_are_bounded_and_counted(database: Database) -> None:
    async def stumbling(arguments: Mapping[str, object], progress: Progress) -> None:
        for number in range(ERROR_LIMIT * 2):
            progress.error(f"/media/{number}", f"{number}" * 1000)

    async with running(database, stumbling=stumbling) as tasks:
        done = await ended(tasks, await tasks.start("stumbling", {}))
        items = await tasks.items(done.id, outcome="error", limit=1000)
    assert (done.state, len(done.errors), done.counts) == (
        TaskState.DONE,
        ERROR_LIMIT,
        {"errors": ERROR_LIMIT * 2},
    )
    assert max(map(len, done.errors)) <= 500
    assert [item.name for item in items] == [f"/media/{number}" for number in range(ERROR_LIMIT * 2)]
    assert tuple(item.reason for item in items[:ERROR_LIMIT]) == done.errors


async def test_unknown_kinds_and_too_many_are_refused(database: Database) -> None:
    async with running(database, gate=Gate()) as tasks:
        with pytest.raises(TaskRefused, match="unheard"):
            await tasks.start("unheard", {})
        for number in range(QUEUED_LIMIT):
            await tasks.start("gate", {"n": number})
        await eventually(partial(beat_after, database, NOON - timedelta(days=1)))
        await tasks.start("gate", {"n": "in place of the one that runs"})
        with pytest.raises(TaskRefused, match="are waiting"):
            await tasks.start("gate", {"n": "one too many"})


async def test_old_tasks_are_forgotten_and_the_newest_come_first(database: Database) -> None:
    for _ in range(3):
        await left_by_the_dead(database, state="done")
    async with running(database, gate=Gate()) as tasks:
        task = await tasks.start("gate", {})
        assert [found.id for found in await tasks.list(limit=2)] == [task.id, task.id - 1]
    rows = [
        {"kind": "x", "arguments": {}, "state": "done", "cancelling": False, "starts": 1, "done": 0}
    ] * KEPT
    rest = {"counts": {}, "errors": [], "created_at": NOON}
    await database.write(lambda c: c.execute(insert(table), [row | rest for row in rows]))
    async with running(database, gate=Gate()) as tasks:
        await tasks.start("gate", {"n": 2})

    async def count(connection: AsyncConnection) -> int:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())

    assert await database.read(count) <= KEPT + 2


async def test_what_became_of_each_thing_is_kept_with_its_task(database: Database) -> None:
    gone = Failure(failure_class=FailureClass.GONE, reason="The source answered 404.", at=NOON, retry_at=NOON)

    async def work(arguments: Mapping[str, object], progress: Progress) -> None:
        for number in range(3):
            progress.item(f"movie/tmdb:{number}/poster", "stored", size=100)
        progress.item("movie/tmdb:3/poster", "failed", failure=gone)

    async with running(database, sync=work) as tasks:
        task = await ended(tasks, await tasks.start("sync", {}))
        assert (task.state, task.done) == (TaskState.DONE, 4)
        assert task.counts == {"stored": 3, "failed": 1, "bytes": 300}
        items = await tasks.items(task.id)
        assert [item.outcome for item in items] == ["stored", "stored", "stored", "failed"]
        (failed,) = await tasks.items(task.id, outcome="failed")
        assert failed == TaskItem("movie/tmdb:3/poster", "failed", "gone", "The source answered 404.", NOON)
        assert len(await tasks.items(task.id, limit=2, offset=1)) == 2


async def test_items_are_bounded_and_the_others_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.tasks.task.ITEM_LIMIT", 2)

    async def work(arguments: Mapping[str, object], progress: Progress) -> None:
        for number in range(5):
            progress.item(str(number), "stored")

    async with running(database, sync=work) as tasks:
        task = await ended(tasks, await tasks.start("sync", {}))
        assert task.counts == {"stored": 5}
        assert [item.name for item in await tasks.items(task.id)] == ["0", "1"]


async def test_items_are_in_sight_while_the_task_runs_and_begin_anew_with_it(database: Database) -> None:
    gate = asyncio.Event()

    async def work(arguments: Mapping[str, object], progress: Progress) -> None:
        progress.item("one", "stored")
        await gate.wait()

    async with running(database, sync=work) as tasks:
        task = await tasks.start("sync", {})
        await eventually(lambda: _some(tasks, task))
    gate.set()
    async with running(database, sync=work) as tasks:
        await ended(tasks, task)
        assert len(await tasks.items(task.id)) == 1


async def _some(tasks: Tasks, task: Task) -> object:
    return await tasks.items(task.id) or None


async def test_how_far_a_task_is_is_told_at_its_begin_its_end_and_while_it_moves(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[TaskProgressed] = []
    gate, moved, end_told = Gate(), asyncio.Event(), asyncio.Event()
    beats: asyncio.Queue[None] = asyncio.Queue()
    really = TaskRows.beat

    async def beat(rows: TaskRows, task_id: int, progress: Progress) -> bool:
        if moved.is_set():
            beats.put_nowait(None)
        return await really(rows, task_id, progress)

    async def tell(event: TaskProgressed) -> None:
        told.append(event)
        if event.done:
            moved.set()
        if event.state == "done":
            end_told.set()

    monkeypatch.setattr(TaskRows, "beat", beat)
    async with Tasks.running(
        database, {"scan": gate}, background=Background(Metrics()), beat_s=0.02, tell=tell
    ) as tasks:
        task = await tasks.start("scan", {})
        await moved.wait()
        for _ in range(3):  # in which it does not move
            await beats.get()
        gate.open.set()
        await end_told.wait()
    said = [(event.state, event.done) for event in told]
    assert said[:2] == [("running", 0), ("running", 1)]
    assert said[2:] in ([("done", 2)], [("running", 2), ("done", 2)])  # a beat may have come in between
    assert told[-1] == TaskProgressed(
        task=task.id, kind="scan", state="done", done=2, total=2, counts={"found": 4}
    )


async def test_nothing_is_told_of_a_task_after_its_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where its end comes while its row is written."""
    told: list[str] = []
    beating, end_told = asyncio.Event(), asyncio.Event()
    really = TaskRows.beat

    async def beat(rows: TaskRows, task_id: int, progress: Progress) -> bool:
        answer = await really(rows, task_id, progress)
        beating.set()
        await end_told.wait()
        return answer

    async def tell(event: TaskProgressed) -> None:
        told.append(event.state)
        if event.state == "done":
            end_told.set()

    async def work(arguments: Mapping[str, object], progress: Progress) -> None:
        progress.step(1)
        await beating.wait()

    monkeypatch.setattr(TaskRows, "beat", beat)
    async with Tasks.running(
        database, {"scan": work}, background=Background(Metrics()), beat_s=0.02, tell=tell
    ) as tasks:
        await tasks.start("scan", {})
        await end_told.wait()
        await asyncio.sleep(0.05)
    assert told == ["running", "done"]


async def test_what_became_of_each_thing_is_kept_of_the_latest_tasks_and_of_those_that_run(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.tasks.rows.ITEMS_KEPT_OF", 2)
    gate = asyncio.Event()

    async def long(arguments: Mapping[str, object], progress: Progress) -> None:
        progress.item("one", "stored")
        await gate.wait()

    async def short(arguments: Mapping[str, object], progress: Progress) -> None:
        progress.item("one", "stored")

    async with running(database, long=long, short=short) as tasks:
        runs = await tasks.start("long", {})
        await eventually(lambda: _some(tasks, runs))
        ends = [await ended(tasks, await tasks.start("short", {"n": n})) for n in range(3)]
        assert [bool(await tasks.items(task.id)) for task in (runs, *ends)] == [True, False, True, True]
        gate.set()


async def test_who_is_alone_goes_on_at_once_with_what_a_dead_process_left(database: Database) -> None:
    gate = Gate()
    async with running(database, scan=gate) as dead:
        task = await dead.start("scan", {})
        await gate.begun.get()
        gate.open.set()
        async with Tasks.running(
            database, {"scan": Gate()}, background=Background(Metrics()), now=Clock(), look_s=0.02, alone=True
        ) as alone:
            # The other one's heart still beats: only who knows that it is alone takes this over.
            await eventually(lambda: _starts_again(alone, task))


async def _starts_again(tasks: Tasks, task: Task) -> bool | None:
    found = await tasks.get(task.id)
    return (found is not None and found.state in (TaskState.RUNNING, TaskState.DONE)) or None
