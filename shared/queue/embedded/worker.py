"""The heart of the embedded queue: collects what is asked for and lets the file make one turn of it.

What is published, settled and taken in the same moment shares one transaction and one flush to the disk, and
a published message is with its consumer when its publisher hears that it is safe. What somebody waits for is begun while it
is still being written: doing it twice is harmless, and its publisher hears nothing before it is safe.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from shared.contracts import Envelope
from shared.queue.embedded.store import Change, Put, Release, Settle, Store, StoreTransaction, TakenMessage
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

    def begin(self, message: "BegunMessage") -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class BegunMessage:
    """A message that is being written. `number`: that it has by then; None, where it could not be written."""

    number: asyncio.Future[int | None]
    body: str
    envelope: Envelope | None


Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """`done`: what the publisher waits for; None, where it is tried again until it is made, as a settlement is. `number`: of a
    message that was handed out while it is still to be written; None in it: it could not be.
    """

    change: Change
    done: asyncio.Future[None] | None = None
    number: asyncio.Future[int | None] | None = None

    @property
    def must_be_made(self) -> bool:
        return self.done is None or not isinstance(self.change, Put)

    def end(self, error: QueueError | None, number: int | None = None) -> None:
        if self.number and not self.number.done():
            self.number.set_result(number)
        if self.done is None:
            if error and isinstance(self.change, Put):
                log.warning("message_refused", lane=self.change.lane.value, error=str(error))
            return
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


BEGUN_AT_ONCE = frozenset({Lane.PICTURES_NOW, Lane.RESOLVE_NOW})


class StoreThread:
    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="queue-file")
        self._asked: list[_Asked] = []
        self._under_way: Sequence[Change] = ()
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
        await self._ask(change)

    async def settle(self, seq: int, follow_ups: Sequence[Put]) -> None:
        """The same of a message that goes, with what comes of it: what somebody waits for of that is begun, too."""
        begun, left = list[Put](), list[Put]()
        for put in follow_ups:
            (begun if self._begins_at_once(put) else left).append(put)
        await self._ask(Settle(seq, tuple(left)), *begun)

    async def _ask(self, change: Change, *others: Put) -> None:
        """One turn makes all of them, or none. `others`: what is tried again with the change, where that is."""
        if self._closing:
            raise QueueUnavailable("the queue is closed")
        done = asyncio.get_running_loop().create_future()
        self._asked += [self._begun(_Asked(change, done)), *(self._begun(_Asked(put)) for put in others)]
        self._wake.set()
        await done

    def _begun(self, asked: _Asked) -> _Asked:
        """It as it is to be written, in the hands of whoever is free to begin at once."""
        put = asked.change
        if not (isinstance(put, Put) and (taker := self._begins_at_once(put))):
            return asked
        number: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        taker.begin(BegunMessage(number, put.body, put.envelope))
        return replace(asked, change=replace(put, handed_out=True), number=number)

    def _begins_at_once(self, put: Put) -> Taker | None:
        """Who is free to do it, where nothing of its lane waits before it."""
        lane = put.lane
        if put.envelope is None or put.after_s is not None or lane not in BEGUN_AT_ONCE or not self.alive:
            return None
        before = (*self._under_way, *(asked.change for asked in self._asked))
        if self.waiting(lane) or any(
            isinstance(change, Put) and change.lane is lane and not change.handed_out for change in before
        ):
            return None
        return next((taker for taker in self._takers if taker.lane is lane and taker.free > 0), None)

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
        self._under_way = changes = [one.change for one in asked]
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
        finally:
            self._under_way = ()

    def _wanted(self) -> Counter[Lane]:
        wanted: Counter[Lane] = Counter()
        for taker in self._takers:
            wanted[taker.lane] += taker.free
        return wanted

    def _answer(self, asked: list[_Asked], turn: StoreTransaction) -> None:
        self._failing = False
        self._waiting = turn.waiting
        for index, one in enumerate(asked):
            one.end(turn.refused.get(index), turn.numbers.get(index))
        for message in turn.taken:
            self._hand_out(message)
        self._wake_in(turn.next_due_in_s)

    def _wake_in(self, next_due_in_s: float | None) -> None:
        """One timer, for the next message that was put off."""
        loop = asyncio.get_running_loop()
        due_s = None if next_due_in_s is None else loop.time() + min(next_due_in_s, LONGEST_SLEEP_S)
        if self._timer is not None:
            if due_s is not None and loop.time() < self._timer.when() <= due_s:
                return  # it wakes us no later, and looks again then
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer = loop.call_at(due_s, self._wake.set)

    def _hand_out(self, message: TakenMessage) -> None:
        for taker in self._takers:
            if taker.lane is message.lane and taker.free > 0:
                taker.take(message)
                return
        self._asked.append(_Asked(Release(message.seq)))
        self._wake.set()

    async def _recover(self, asked: list[_Asked], error: Exception) -> None:
        """Publishers are told; what was settled must not be forgotten, and is tried again."""
        self._failing = True
        for one in asked:
            if not one.must_be_made:
                one.end(QueueUnavailable(f"the queue file failed: {error}"))
        self._asked = [one for one in asked if one.must_be_made] + self._asked
        if not self._closing:
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            self._wake.set()
        else:
            self._fail_all(f"the queue file failed: {error}")

    def _fail_all(self, why: str) -> None:
        asked, self._asked = self._asked, []
        for one in asked:
            one.end(QueueUnavailable(why))
