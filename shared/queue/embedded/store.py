"""The embedded queue's file: messages as rows, changed many in one transaction."""

import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from shared.contracts import Envelope
from shared.queue.port import MAX_DELIVERIES, Delay, Lane, LaneMeasure, QueueFull
from shared.queue.settlement import bury
from shared.telemetry import utc_now


@dataclass(frozen=True)
class Put:
    """A new message: at once, or `after_s`. Refused when the lane holds `limit` already."""

    lane: Lane
    body: str
    after_s: float | None = None
    limit: int | None = None
    envelope: Envelope | None = None
    """What `body` says, where it is known: then it is not read once more when it is handed out soon."""
    handed_out: bool = False
    """Somebody is at it already."""


@dataclass(frozen=True)
class Settle:
    """A message that was taken goes, and what comes of it is there, but for what its lane refuses: all of it or nothing."""

    seq: int
    follow_ups: tuple[Put, ...]


@dataclass(frozen=True)
class Release:
    """A message that was taken waits again."""

    seq: int


Change = Put | Settle | Release


@dataclass(frozen=True)
class TakenMessage:
    """A message handed out."""

    seq: int
    lane: Lane
    body: str
    redelivered: bool
    envelope: Envelope | None = None


@dataclass(frozen=True)
class StoreTransaction:
    """What one transaction did. `refused` by the index of the change, as are `numbers` of what was handed out already."""

    refused: Mapping[int, QueueFull]
    numbers: Mapping[int, int]
    taken: tuple[TakenMessage, ...]
    waiting: Mapping[Lane, int]
    next_due_in_s: float | None


log = structlog.get_logger(__name__)

DEAD_LIMIT = 100_000
"""So many dead letters are kept; for each one more, the oldest goes."""

KNOWN_AT_MOST = 1000
"""Messages that were published here and not handed out yet are known as they are, and need not be read."""

LONGEST_DELAY_S = max(delay.value for delay in Delay)

FORMAT = 1
BUSY_TIMEOUT_MS = 5000
KNOWN_LANES = frozenset(lane.value for lane in Lane)

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'taken', 'put off')),
    due REAL,
    deliveries INTEGER NOT NULL DEFAULT 0,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ready ON messages (lane, seq) WHERE state = 'ready';
CREATE INDEX IF NOT EXISTS put_off ON messages (due) WHERE state = 'put off';
PRAGMA user_version = 1;
"""


class Store:
    """Open it, turn it and close it on the same thread."""

    def __init__(self, path: Path, *, now: Callable[[], float]) -> None:
        """`now` is the wall clock, because a delay goes on while nothing runs."""
        self._now = now
        self._waiting: Counter[Lane] = Counter()
        self._known: OrderedDict[int, Envelope] = OrderedDict()
        self._is_flushed: bool | None = None
        self._due: tuple[float, float] | None = None
        """Of what is put off, the soonest and the latest: nobody else writes here, so that most turns need not look."""
        self._file = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._file.close()
            raise

    def _prepare(self) -> None:
        self._file.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        self._file.execute("PRAGMA journal_mode = WAL")
        self._flush_commits(flushed=True)
        (found,) = self._file.execute("PRAGMA user_version").fetchone()
        if found not in (0, FORMAT):
            raise sqlite3.DatabaseError(f"the queue file has format {found}, this version reads {FORMAT}")
        self._file.executescript(SCHEMA)
        self._file.execute("UPDATE messages SET state = 'ready' WHERE state = 'taken'")
        self._count(self._file.execute("SELECT lane FROM messages WHERE state = 'ready'"))
        self._look_what_is_due()

    def _flush_commits(self, *, flushed: bool) -> None:
        """FULL: a publish that returned survives a power cut, as one that a broker confirmed does. NORMAL, where nothing was
        published: after a power cut a message may be handed out once more, as it may be at any time.
        """
        if flushed is not self._is_flushed:
            self._file.execute(f"PRAGMA synchronous = {'FULL' if flushed else 'NORMAL'}")
            self._is_flushed = flushed

    @property
    def waiting(self) -> Mapping[Lane, int]:
        return dict(self._waiting)

    def measure(self, lane: Lane) -> LaneMeasure:
        """The first of those that wait need not be the oldest: it may have come back."""
        states = "SELECT state, count(*) FROM messages WHERE lane = ? GROUP BY state"
        first = "SELECT body FROM messages WHERE lane = ? AND state = 'ready' ORDER BY seq LIMIT 1"
        counts = dict(self._file.execute(states, (lane,)).fetchall())
        found = self._file.execute(first, (lane,)).fetchone()
        oldest_s = _age_s(found[0], self._now()) if found else None
        return LaneMeasure(
            counts.get("ready", 0), in_hand=counts.get("taken", 0), oldest_s=oldest_s, exact=True
        )

    def put_off(self) -> int:
        (count,) = self._file.execute("SELECT count(*) FROM messages WHERE state = 'put off'").fetchone()
        return int(count)

    def close(self) -> None:
        self._file.close()

    def turn(self, changes: Sequence[Change], wanted: Mapping[Lane, int]) -> StoreTransaction:
        """Make the changes and take what is wanted. Raises sqlite3.Error having done nothing of it."""
        before, due = self._waiting.copy(), self._due
        self._flush_commits(flushed=any(map(_says_something_new, changes)))
        self._file.execute("BEGIN IMMEDIATE")
        try:
            turn = self._turned(changes, wanted)
            self._file.execute("COMMIT")
        except BaseException:
            self._waiting, self._due = before, due
            self._known.clear()  # the numbers that were given are given once more
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise
        return turn

    def _turned(self, changes: Sequence[Change], wanted: Mapping[Lane, int]) -> StoreTransaction:
        refused: dict[int, QueueFull] = {}
        numbers: dict[int, int] = {}
        for index, change in enumerate(changes):
            try:
                if isinstance(change, Put) and change.handed_out:
                    numbers[index] = self._put_handed_out(change)
                else:
                    self._make(change)
            except QueueFull as full:
                refused[index] = full
        self._promote()
        taken = tuple(message for lane, count in wanted.items() for message in self._take(lane, count))
        return StoreTransaction(refused, numbers, taken, self.waiting, self._next_due_in_s())

    def _make(self, change: Change) -> None:
        match change:
            case Put():
                self._put(change)
            case Settle(seq, follow_ups):
                self._file.execute("DELETE FROM messages WHERE seq = ?", (seq,))
                for put in follow_ups:
                    try:
                        self._put(put)
                    except QueueFull as full:
                        log.warning("message_refused", lane=put.lane.value, error=str(full))
            case Release(seq):
                self._release(seq)

    def _put_handed_out(self, put: Put) -> int:
        self._check_room(put)
        insert = "INSERT INTO messages (lane, state, deliveries, body) VALUES (?, 'taken', 1, ?)"
        return self._file.execute(insert, (put.lane, put.body)).lastrowid or 0

    def _check_room(self, put: Put) -> None:
        if put.limit is not None and self._waiting[put.lane] >= put.limit:
            raise QueueFull(f"the lane {put.lane} holds its limit of {put.limit} messages")

    def _put(self, put: Put) -> None:
        self._check_room(put)
        insert = "INSERT INTO messages (lane, state, due, body) VALUES (?, ?, ?, ?)"
        if put.after_s is None:
            put_in = self._file.execute(insert, (put.lane, "ready", None, put.body))
            self._waiting[put.lane] += 1
            if put.envelope and put_in.lastrowid:
                self._remember(put_in.lastrowid, put.envelope)
            if put.lane is Lane.DEAD:
                self._drop_oldest_dead()
        else:
            due = self._now() + put.after_s
            self._file.execute(insert, (put.lane, "put off", due, put.body))
            soonest, latest = self._due or (due, due)
            self._due = (min(soonest, due), max(latest, due))

    def _remember(self, seq: int, envelope: Envelope) -> None:
        self._known[seq] = envelope
        if len(self._known) > KNOWN_AT_MOST:
            self._known.popitem(last=False)

    def _drop_oldest_dead(self) -> None:
        excess = self._waiting[Lane.DEAD] - DEAD_LIMIT
        if excess <= 0:
            return
        self._file.execute(
            "DELETE FROM messages WHERE seq IN "
            "(SELECT seq FROM messages WHERE lane = ? AND state = 'ready' ORDER BY seq LIMIT ?)",
            (Lane.DEAD, excess),
        )
        self._waiting[Lane.DEAD] -= excess
        log.warning("dead_letters_dropped", count=excess, limit=DEAD_LIMIT)

    def _release(self, seq: int) -> None:
        released = self._file.execute(
            "UPDATE messages SET state = 'ready' WHERE seq = ? AND state = 'taken' RETURNING lane", (seq,)
        ).fetchall()
        self._count(released)

    def _promote(self) -> None:
        """What is due waits again, and so does what cannot be: then the clock was set back."""
        now = self._now()
        latest = now + LONGEST_DELAY_S
        if self._due is None or (self._due[0] > now and self._due[1] <= latest):
            return
        promoted = self._file.execute(
            "UPDATE messages SET state = 'ready' WHERE state = 'put off' AND (due <= ? OR due > ?) RETURNING lane",
            (now, latest),
        ).fetchall()
        self._count(promoted)
        self._look_what_is_due()

    def _look_what_is_due(self) -> None:
        found = "SELECT min(due), max(due) FROM messages WHERE state = 'put off'"
        soonest, latest = self._file.execute(found).fetchone()
        self._due = None if soonest is None else (soonest, latest)

    def _count(self, rows: Iterable[tuple[str]]) -> None:
        """A lane that only another version knows waits for that version."""
        self._waiting.update(Lane(lane) for (lane,) in rows if lane in KNOWN_LANES)

    def _take(self, lane: Lane, count: int) -> list[TakenMessage]:
        """In the order of their numbers; what was handed out too often becomes a dead letter instead."""
        if count <= 0 or not self._waiting[lane]:
            return []
        rows = self._file.execute(
            "SELECT seq, deliveries, body FROM messages WHERE lane = ? AND state = 'ready' ORDER BY seq LIMIT ?",
            (lane, count),
        ).fetchall()
        self._waiting[lane] -= len(rows)
        taken = []
        for seq, deliveries, body in rows:
            if deliveries >= MAX_DELIVERIES and lane is not Lane.DEAD:
                self._give_up(seq, lane, body)
                continue
            self._file.execute(
                "UPDATE messages SET state = 'taken', deliveries = deliveries + 1 WHERE seq = ?", (seq,)
            )
            known = self._known.pop(seq, None)
            taken.append(TakenMessage(seq, lane, body, redelivered=deliveries > 0, envelope=known))
        return taken

    def _give_up(self, seq: int, lane: Lane, body: str) -> None:
        reason = f"given up by the queue: handed out {MAX_DELIVERIES} times without an end"
        letter = bury(body.encode(), lane, reason, utc_now())
        self._make(Settle(seq, (Put(Lane.DEAD, letter.model_dump_json()),)))

    def _next_due_in_s(self) -> float | None:
        return None if self._due is None else max(self._due[0] - self._now(), 0.0)


def _says_something_new(change: Change) -> bool:
    return isinstance(change, Put) or (isinstance(change, Settle) and bool(change.follow_ups))


def _age_s(body: str, now_s: float) -> float | None:
    """None where the message cannot be read."""
    try:
        return max(0.0, now_s - Envelope.model_validate_json(body).occurred_at.timestamp())
    except ValidationError:
        return None
