"""The heart of the embedded queue: collects what is asked for and lets the file make one turn of it.

What is published, settled and taken in the same moment shares one transaction and one flush to the disk, and
a published message is with its consumer when its publisher hears that it is safe.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from shared.queue.embedded.store import Change, Put, Release, Store, StoreTransaction, TakenMessage
from shared.queue.port import Lane, LaneMeasure, QueueError, QueueUnavailable

log = structlog.get_logger(__name__)

PAUSE_AFTER_ERROR_S = 1.0
LONGEST_SLEEP_S = 60.0
"""So that a clock that was set forward is noticed."""


class Taker(Protocol):
    """Somebody who takes messages of a lane: as many as are free at the moment."""

    lane: Lane

    @property
    def free(self) -> int: ...

    def take(self, message: TakenMessage) -> None: ...


Found = TypeVar("Found")
Asked = tuple[Change, asyncio.Future[None]]


class StoreThread:
    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="queue-file")
        self._asked: list[Asked] = []
        self._takers: list[Taker] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._failing = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: Mapping[Lane, int] = Counter()
        self._store: Store | None = None

    async def run(self, opened: asyncio.Future[None]) -> None:
        """Open the file, turn it as long as `close` is not called, close it."""
        loop = asyncio.get_running_loop()
        try:
            store = await loop.run_in_executor(self._thread, lambda: Store(self._path, now=self._now))
        except sqlite3.Error as error:
            opened.set_exception(QueueUnavailable(f"The queue file {self._path} cannot be used: {error}"))
            self._thread.shutdown(wait=False)
            return
        self._store = store
        self._waiting = store.waiting
        self._wake.set()
        opened.set_result(None)
        try:
            while not self._closing or self._asked:
                await self._next_turn(store)
        finally:
            self._closing = True
            self._store = None
            self._wake_in(None)
            self._fail_all("the queue was closed")
            await loop.run_in_executor(self._thread, store.close)
            self._thread.shutdown(wait=False)

    def close(self) -> None:
        """Finish what was asked for until now, then end."""
        self._closing = True
        self._wake.set()

    async def ask(self, change: Change) -> None:
        """Return when the change is durable. Raises a QueueError when it is not made."""
        if self._closing:
            raise QueueUnavailable("the queue is closed")
        done = asyncio.get_running_loop().create_future()
        self._asked.append((change, done))
        self._wake.set()
        await done

    @property
    def alive(self) -> bool:
        """The file answered the last time, and is open."""
        return not (self._closing or self._failing)

    def waiting(self, lane: Lane) -> int:
        return self._waiting.get(lane, 0)

    async def measure(self, lane: Lane) -> LaneMeasure:
        """Raise QueueUnavailable, as `put_off` does, where the file cannot be asked."""
        found = await self._look(lambda store: store.measure(lane))
        return replace(found, consumers=sum(taker.lane is lane for taker in self._takers))

    async def put_off(self) -> int:
        return await self._look(Store.put_off)

    async def _look(self, look: Callable[[Store], Found]) -> Found:
        if self._store is None:
            raise QueueUnavailable("the queue is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, look, self._store)
        except (sqlite3.Error, RuntimeError) as error:  # RuntimeError: it was closed meanwhile
            raise QueueUnavailable(f"the queue file failed: {error}") from error

    def join(self, taker: Taker) -> None:
        self._takers.append(taker)
        self._wake.set()

    def leave(self, taker: Taker) -> None:
        self._takers.remove(taker)

    def more_room(self) -> None:
        self._wake.set()

    async def _next_turn(self, store: Store) -> None:
        await self._wake.wait()
        self._wake.clear()
        asked, self._asked = self._asked, []
        changes = [change for change, _ in asked]
        try:
            turn = await asyncio.get_running_loop().run_in_executor(
                self._thread, store.turn, changes, self._wanted()
            )
        except (
            Exception
        ) as error:  # the outermost edge of a turn: without the next, everybody would wait for ever
            log.exception("queue_file_failed", path=str(self._path))
            await self._recover(asked, error)
        else:
            self._answer(asked, turn)

    def _wanted(self) -> Counter[Lane]:
        wanted: Counter[Lane] = Counter()
        for taker in self._takers:
            wanted[taker.lane] += taker.free
        return wanted

    def _answer(self, asked: list[Asked], turn: StoreTransaction) -> None:
        self._failing = False
        self._waiting = turn.waiting
        for index, (_, done) in enumerate(asked):
            _end(done, turn.refused.get(index))
        for message in turn.taken:
            self._hand_out(message)
        self._wake_in(turn.next_due_in_s)

    def _wake_in(self, next_due_in_s: float | None) -> None:
        """One timer, for the next message that was put off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if next_due_in_s is not None:
            sleep_s = min(next_due_in_s, LONGEST_SLEEP_S)
            self._timer = asyncio.get_running_loop().call_later(sleep_s, self._wake.set)

    def _hand_out(self, message: TakenMessage) -> None:
        for taker in self._takers:
            if taker.lane is message.lane and taker.free > 0:
                taker.take(message)
                return
        self._asked.append((Release(message.seq), asyncio.get_running_loop().create_future()))
        self._wake.set()

    async def _recover(self, asked: list[Asked], error: Exception) -> None:
        """Publishers are told; what was settled must not be forgotten, and is tried again."""
        self._failing = True
        for change, done in asked:
            if isinstance(change, Put):
                _end(done, QueueUnavailable(f"the queue file failed: {error}"))
        self._asked = [(change, done) for change, done in asked if not isinstance(change, Put)] + self._asked
        if not self._closing:
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            self._wake.set()
        else:
            self._fail_all(f"the queue file failed: {error}")

    def _fail_all(self, why: str) -> None:
        asked, self._asked = self._asked, []
        for _, done in asked:
            _end(done, QueueUnavailable(why))


def _end(done: asyncio.Future[None], error: QueueError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
