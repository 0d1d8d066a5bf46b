"""What only the file can do: one owner, a count of deliveries, a clock that is set back."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import Envelope
from shared.queue import Delay, Lane, Queue, QueueSettings, QueueUnavailable, open_queue
from shared.queue.embedded import worker
from shared.queue.embedded.engine import open_embedded
from shared.queue.embedded.store import Change, Put, Settle, Store
from shared.queue.port import MAX_DELIVERIES
from tests.contract.conftest import REAL, Embedded, Received, a_job
from tests.integration.onesheet import until

LANE = Lane.PICTURES_NOW

OPENS_THE_FILE = """
import asyncio, sys
from pathlib import Path
from shared.queue import QueueSettings, open_queue

async def main():
    async with open_queue(QueueSettings(url=None), state_dir=Path(sys.argv[1])):
        pass

asyncio.run(main())
"""


@pytest.fixture
def engine(tmp_path: Path) -> Embedded:
    return Embedded(tmp_path / "queue.sqlite")


async def test_a_second_process_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with open_queue(QueueSettings(url=None), state_dir=tmp_path):
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-c", OPENS_THE_FILE, tmp_path, stderr=subprocess.PIPE
        )
        _, said = await second.communicate()
    assert second.returncode != 0
    assert f"Another process already has the queue file {tmp_path}/queue.sqlite" in said.decode()


async def test_a_second_queue_in_this_process_is_refused_too(engine: Embedded) -> None:
    async with engine.open():
        with pytest.raises(QueueUnavailable, match="Another process"):
            async with engine.open():
                pass
    async with engine.open():
        pass


async def test_opening_that_is_given_up_is_given_up_quietly_and_can_be_done_again(engine: Embedded) -> None:
    async def opened() -> None:
        async with engine.open():
            await asyncio.Event().wait()

    opening = asyncio.create_task(opened())
    await asyncio.sleep(0)  # until it waits for the file
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with engine.open():
        pass


async def test_a_message_that_nobody_survives_ends_among_the_dead(engine: Embedded) -> None:
    letters, received = Received(), Received()
    async with engine.open() as queue:
        await queue.publish(job := a_job(), LANE)
    in_the_file(engine.path, f"UPDATE messages SET deliveries = {MAX_DELIVERIES}, state = 'taken'")
    async with (
        engine.open() as queue,
        queue.consume(LANE, received, concurrency=1),
        queue.consume(Lane.DEAD, letters, concurrency=1),
    ):
        letter = await letters.next_letter()
    assert (letter.lane, letter.reason.startswith("given up by the queue")) == (LANE.value, True)
    assert Envelope.model_validate_json(letter.body) == job
    assert received.count == 0


async def test_deliveries_are_counted_in_the_file(engine: Embedded) -> None:
    for _ in range(3):
        await take_and_be_cancelled(engine)
    assert in_the_file(engine.path, "SELECT deliveries, state FROM messages") == [(3, "ready")]


async def take_and_be_cancelled(engine: Embedded) -> None:
    taken = asyncio.Event()

    async def hang(_: Envelope) -> None:
        taken.set()
        await asyncio.Event().wait()

    async with engine.open(consumer_grace_s=0.01) as queue:
        if await queue.depth(LANE) == 0:
            await queue.publish(a_job(), LANE)
        async with queue.consume(LANE, hang, concurrency=1):
            await taken.wait()


async def test_a_clock_that_was_set_back_puts_nothing_off_for_years(engine: Embedded) -> None:
    received = Received()
    async with engine.open(delays=REAL) as queue:
        await queue.publish(job := a_job(), LANE, delay=Delay.TEN_MINUTES)
    in_the_file(engine.path, "UPDATE messages SET due = due + 1e9")
    async with engine.open(delays=REAL) as queue, queue.consume(LANE, received, concurrency=1):
        assert await received.next() == job


async def test_what_was_settled_is_not_forgotten_when_the_file_fails_for_a_moment(engine: Embedded) -> None:
    received = Received()
    async with engine.open() as queue:
        await queue.publish(a_job(), LANE)
        blocker = sqlite3.connect(engine.path)
        blocker.execute(
            "CREATE TRIGGER broken BEFORE DELETE ON messages BEGIN SELECT RAISE(FAIL, 'broken'); END"
        )
        blocker.commit()
        async with queue.consume(LANE, received, concurrency=1):
            await received.next()
            with pytest.raises(QueueUnavailable):
                await queue.publish(a_job(), LANE)
            with pytest.raises(QueueUnavailable):
                await queue.ping()
            blocker.execute("DROP TRIGGER broken")
            blocker.commit()
        blocker.close()
        await queue.publish(a_job(), Lane.PICTURES_LATER)
        await queue.ping()
        assert await queue.depth(LANE) == 0
    assert in_the_file(engine.path, "SELECT lane FROM messages") == [(Lane.PICTURES_LATER.value,)]


async def test_the_queue_goes_on_after_an_error_that_nobody_expected(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, faults = Store.turn, iter([KeyError("unexpected")])

    def broken_once(store: Store, *asked: Any) -> Any:
        if fault := next(faults, None):
            raise fault
        return turn(store, *asked)

    monkeypatch.setattr(worker, "PAUSE_AFTER_ERROR_S", 0.0)
    async with engine.open() as queue:
        await queue.publish(a_job(), LANE)
        monkeypatch.setattr(Store, "turn", broken_once)
        with pytest.raises(QueueUnavailable):
            await queue.publish(a_job(), LANE)
        await queue.publish(a_job(), LANE)
        await queue.ping()
        assert await queue.depth(LANE) == 2


async def test_a_slow_listener_loses_the_oldest_events(tmp_path: Path) -> None:
    received, held = Received(), asyncio.Event()

    async def slow(envelope: Envelope) -> None:
        await received(envelope)
        await held.wait()

    events = [a_job(number) for number in range(10)]
    async with open_embedded(tmp_path / "q", lane_limit=10, listener_limit=3) as queue, queue.listen(slow):
        await queue.announce(events[0])
        await received.next()
        for event in events[1:]:
            await queue.announce(event)
        held.set()
        assert [await received.next() for _ in range(3)] == events[-3:]


async def test_a_closed_queue_says_so(engine: Embedded) -> None:
    async with engine.open() as queue:
        pass
    for ask in (queue.publish(a_job(), LANE), queue.ping()):
        with pytest.raises(QueueUnavailable):
            await ask


async def test_a_file_that_is_no_queue_is_refused(engine: Embedded) -> None:
    engine.path.write_text("this is not a database, and long enough not to be an empty one\n" * 50)
    with pytest.raises(QueueUnavailable, match="cannot be used"):
        async with engine.open():
            pass


async def test_a_file_of_another_format_is_refused(engine: Embedded) -> None:
    async with engine.open():
        pass
    in_the_file(engine.path, "PRAGMA user_version = 7")
    with pytest.raises(QueueUnavailable, match="format 7"):
        async with engine.open():
            pass


@pytest.mark.parametrize("url", ["redis://localhost", "postgresql://x", "queue"])
def test_an_unknown_scheme_is_refused_with_a_sentence(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="amqp, amqps or sqlite are known"):
        open_queue(QueueSettings(url=url), state_dir=tmp_path)


@pytest.mark.parametrize("url", ["", "sqlite:"])
async def test_the_file_is_in_the_state_directory_unless_it_is_said_otherwise(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_URL", url)
    async with open_queue(QueueSettings(), state_dir=tmp_path / "state") as queue:
        check: Queue = queue
        await check.ping()
    assert (tmp_path / "state" / "queue.sqlite").exists()


def in_the_file(path: Path, statement: str) -> list[tuple[object, ...]]:
    file = sqlite3.connect(path)
    with file:
        rows = file.execute(statement).fetchall()
    file.close()
    return rows


async def test_of_too_many_dead_letters_the_oldest_goes(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.embedded.store.DEAD_LIMIT", 2)
    letters = [a_job() for _ in range(4)]
    async with engine.open() as queue:
        for letter in letters:
            await queue.publish(letter, Lane.DEAD)
        assert await queue.depth(Lane.DEAD) == 2
    kept = in_the_file(engine.path, "SELECT body FROM messages ORDER BY seq")
    assert [Envelope.model_validate_json(str(body)) for (body,) in kept] == letters[2:]


async def test_a_job_is_begun_while_it_is_being_written(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, received = Writing(monkeypatch), Received()
    async with engine.open() as queue, queue.consume(LANE, received, concurrency=1):
        writing.stops()
        publishing = asyncio.create_task(queue.publish(job := a_job(), LANE))
        assert (await received.next()).id == job.id
        assert not publishing.done()
        writing.goes_on()
        await publishing
    assert in_the_file(engine.path, "SELECT * FROM messages") == []


async def test_what_was_begun_and_could_not_be_written_is_nobodys(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, received = Writing(monkeypatch), Received()
    async with engine.open() as queue, queue.consume(LANE, received, concurrency=1):
        writing.fails()
        with pytest.raises(QueueUnavailable):
            await queue.publish(lost := a_job(), LANE)
        writing.goes_on()
        assert (await received.next()).id == lost.id
        await queue.publish(job := a_job(), LANE)
        assert (await received.next()).id == job.id
    assert in_the_file(engine.path, "SELECT * FROM messages") == []


async def test_what_a_job_publishes_at_its_end_is_written_with_that_end(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, received = Writing(monkeypatch), Received()
    async with engine.open() as queue:

        async def handle(_job: Envelope) -> None:
            await queue.publish_at_end(a_job(2), Lane.CATALOG)
            assert await queue.depth(Lane.CATALOG) == 0

        async with (
            queue.consume(LANE, handle, concurrency=1),
            queue.consume(Lane.CATALOG, received, concurrency=1),
        ):
            await queue.publish(a_job(1), LANE)
            assert (await received.next()).payload == a_job(2).payload
        await queue.publish_at_end(a_job(3), Lane.CATALOG)
        assert await queue.depth(Lane.CATALOG) == 1
    assert writing.changes == ["Put", "Settle", "Settle", "Put"]


async def test_what_somebody_waits_for_is_begun_at_the_end_of_the_job_that_it_comes_of_and_written_with_it(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, received = Writing(monkeypatch), Received()
    async with engine.open() as queue:

        async def handle(_job: Envelope) -> None:
            await until(lambda: writing.changes)  # its own
            await queue.publish_at_end(a_job(2), LANE)
            writing.stops()

        async with (
            queue.consume(Lane.RESOLVE_NOW, handle, concurrency=1),
            queue.consume(LANE, received, concurrency=1),
        ):
            await queue.publish(a_job(1), Lane.RESOLVE_NOW)
            assert (await received.next()).payload == a_job(2).payload
            assert writing.changes == ["Put"]
            writing.goes_on()
    assert writing.changes == ["Put", "Settle", "Put", "Settle"]
    assert received.count == 1
    assert in_the_file(engine.path, "SELECT * FROM messages") == []


async def test_what_was_begun_at_the_end_of_a_job_is_written_again_with_that_end(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PAUSE_AFTER_ERROR_S", 0.01)
    writing, received = Writing(monkeypatch), Received()
    async with engine.open() as queue:

        async def handle(_job: Envelope) -> None:
            await until(lambda: writing.changes)  # its own
            await queue.publish_at_end(a_job(2), LANE)
            writing.fails()

        async with (
            queue.consume(Lane.RESOLVE_NOW, handle, concurrency=1),
            queue.consume(LANE, received, concurrency=1),
        ):
            await queue.publish(a_job(1), Lane.RESOLVE_NOW)
            assert (await received.next()).payload == a_job(2).payload
            await until(lambda: writing.failed)
            assert in_the_file(engine.path, "SELECT lane FROM messages") == [(Lane.RESOLVE_NOW,)]
            writing.goes_on()
    assert received.count == 1
    assert in_the_file(engine.path, "SELECT * FROM messages") == []


def test_only_what_is_published_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[int] = []

    class Told(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                levels.append(super().execute("PRAGMA synchronous").fetchone()[0])
            return super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, factory=Told, **named))
    with closing(Store(tmp_path / "queue.sqlite", now=time.time)) as store:
        put = Put(LANE, a_job().model_dump_json())

        def turn(*changes: Change, take: int = 0) -> list[int]:
            return [message.seq for message in store.turn(changes, {LANE: take}).taken]

        turn(put)
        (first,) = turn(take=1)
        turn(Settle(first, (put,)))
        (second,) = turn(take=1)
        turn(Settle(second, ()))
        assert turn(take=1) == []
    full, normal = 2, 1
    assert levels == [full, normal, full, normal, normal, normal]


class Writing:
    """The turns of the file: they can be held up, and fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._may_go_on = threading.Event()
        self._fails = False
        self.failed = 0
        self.changes: list[str] = []
        really = Store.turn

        def turn(store: Store, changes: Any, wanted: Any) -> Any:
            assert self._may_go_on.wait(60)
            if self._fails:
                self.failed += 1
                raise sqlite3.OperationalError("disk I/O error")
            self.changes += [type(change).__name__ for change in changes]
            return really(store, changes, wanted)

        self.goes_on()
        monkeypatch.setattr(Store, "turn", turn)

    def stops(self) -> None:
        self._may_go_on.clear()

    def fails(self) -> None:
        self._fails = True

    def goes_on(self) -> None:
        self._fails = False
        self._may_go_on.set()
