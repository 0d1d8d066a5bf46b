"""Dead letters, read from their lane into the table, and sent again once."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from services.enricher.database.database import Database, DatabaseUnavailable, WriteBatch
from services.enricher.keeper.dead_letters.table import KEPT_AT_MOST, Letter, LetterFilter, LetterTable
from services.enricher.tasks.task import Progress, patiently
from shared.contracts import DeadLetter, Envelope
from shared.queue import Delay, Lane, Queue, QueueError, Retry
from shared.queue.consuming import redrive
from shared.telemetry import Metrics, start_at_zero, utc_now

KIND = "redrive"
CLAIM_LASTS = timedelta(minutes=1)
"""Far longer than sending takes: whoever claimed it has died."""

REDRIVEN_AT_ONCE = 100


class LetterTaken(Exception):
    """Somebody else sends it just now, or has."""


class NotReadable(Exception):
    """The message cannot be read, so that nobody could do it."""


class Redriving:
    def __init__(self, table: LetterTable, queue: Queue, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._queue = queue
        self._now = now

    async def one(self, letter_id: int) -> Letter:
        """Raises LetterTaken, NotReadable, and QueueError where it could not be sent and stays."""
        claimed_at = self._now()
        letter = await self._table.claim(letter_id, claimed_at, stale=claimed_at - CLAIM_LASTS)
        if letter is None:
            raise LetterTaken
        try:
            await redrive(self._queue, letter.dead)
        except ValueError as error:
            await self._table.release(letter_id)
            raise NotReadable(str(error)) from error
        except QueueError:
            await self._table.release(letter_id)
            raise
        await self._table.sent(letter_id, claimed_at)
        return letter

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        """The work of a task: all of a filter that are there when it begins, or only which."""
        chosen = LetterFilter(lane=_text(arguments["lane"]), failure_class=_text(arguments["failure_class"]))
        progress.total = sum((await self._table.counts(chosen)).values())
        after, left = 0, progress.total
        while left > 0 and (
            letters := await self._table.next(chosen, after=after, limit=min(left, REDRIVEN_AT_ONCE))
        ):
            for letter in letters:
                await self._item(letter, progress, dry_run=bool(arguments["dry_run"]))
                progress.step()
            after, left = letters[-1].id, left - len(letters)

    async def _item(self, letter: Letter, progress: Progress, *, dry_run: bool) -> None:
        name = f"{letter.type or 'unreadable'} {letter.about or letter.letter_id}"
        if dry_run:
            progress.item(name, "would be sent", size=len(letter.body))
            return
        try:
            await patiently(partial(self.one, letter.id), progress)
        except LetterTaken:
            progress.item(name, "taken")
        except NotReadable:
            progress.item(name, "unreadable")
        else:
            progress.item(name, "sent", size=len(letter.body))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


READ_AT_ONCE = 200
_LANES = frozenset(lane.value for lane in Lane if lane is not Lane.DEAD)
_UNKNOWN = "unknown"
_LABELS = (*sorted(_LANES), _UNKNOWN)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenDeadLetters:
    table: LetterTable
    redriving: Redriving
    metrics: Metrics

    async def count(self) -> None:
        """For metrics, how many there are. Raises DatabaseUnavailable."""
        kept = Counter(dict.fromkeys(_LABELS, 0))
        for (lane, _), count in (await self.table.counts(LetterFilter())).items():
            kept[_lane(lane)] += count
        for lane, count in kept.items():
            self.metrics.dead_letters_kept.set(count, lane)


@asynccontextmanager
async def open_dead_letters(
    database: Database, queue: Queue, metrics: Metrics, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[OpenDeadLetters]:
    table = LetterTable(database)
    start_at_zero(metrics.dead_letters, _LABELS)

    async def keep(letters: Sequence[Envelope]) -> None:
        if dropped := await table.keep(letters):
            _log.warning("dead letters dropped", count=dropped, limit=KEPT_AT_MOST)
        for letter in letters:
            if isinstance(letter.payload, DeadLetter):
                metrics.dead_letters.labels(_lane(letter.payload.lane)).inc()

    rounds = WriteBatch(keep)

    async def handle(envelope: Envelope) -> None:
        """Acknowledged once it is in the table."""
        metrics.took(Lane.DEAD, max(0.0, (now() - envelope.occurred_at).total_seconds()))
        try:
            await rounds.join(envelope)
        except DatabaseUnavailable as error:
            raise Retry(Delay.TEN_SECONDS, str(error), counted=False) from error

    async with queue.consume(Lane.DEAD, handle, concurrency=READ_AT_ONCE):
        yield OpenDeadLetters(table, Redriving(table, queue, now=now), metrics)


def _lane(name: str) -> str:
    """As a label: from a closed set, whatever a letter says."""
    return name if name in _LANES else _UNKNOWN
