"""Dead letters, composed: the lane `dead` is read into the table while it is open."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from services.enricher.database import Database, DatabaseUnavailable, Rounds
from services.enricher.dead_letters.redriving import Redriving
from services.enricher.dead_letters.table import KEPT_AT_MOST, LetterTable
from shared.contracts import DeadLetter, Envelope
from shared.queue import Delay, Lane, Queue, Retry
from shared.telemetry import Metrics, utc_now

AT_ONCE = 200
_LANES = frozenset(lane.value for lane in Lane)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenDeadLetters:
    table: LetterTable
    redriving: Redriving


@asynccontextmanager
async def open_dead_letters(
    database: Database, queue: Queue, metrics: Metrics, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[OpenDeadLetters]:
    table = LetterTable(database)

    async def keep(letters: Sequence[Envelope]) -> None:
        if dropped := await table.keep(letters):
            _log.warning("dead letters dropped", count=dropped, limit=KEPT_AT_MOST)
        for letter in letters:
            if isinstance(letter.payload, DeadLetter):
                metrics.dead_letters.labels(_lane(letter.payload.lane)).inc()

    rounds = Rounds(keep)

    async def handle(envelope: Envelope) -> None:
        """Acknowledged once it is in the table."""
        metrics.took(Lane.DEAD, max(0.0, (now() - envelope.occurred_at).total_seconds()))
        try:
            await rounds.join(envelope)
        except DatabaseUnavailable as error:
            raise Retry(Delay.TEN_SECONDS, str(error), counted=False) from error

    async with queue.consume(Lane.DEAD, handle, concurrency=AT_ONCE):
        yield OpenDeadLetters(table, Redriving(table, queue, now=now))


def _lane(name: str) -> str:
    """As a label: from a closed set, whatever a letter says."""
    return name if name in _LANES else "unknown"
