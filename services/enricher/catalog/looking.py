"""Looking: what records speak of is looked at on the volume, so that their order does not matter."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.enricher.catalog.table import CatalogTable
from services.enricher.database import DatabaseUnavailable
from shared.contracts import Envelope, LookAtPicture, LookAtPictures
from shared.pictures import PictureId
from shared.queue import Delay, Lane, Queue, Reject, Retry
from shared.telemetry import Metrics
from shared.volume import Inventory

AT_ONCE = 500
"""Records, of which each round takes what has come while the last one was written."""

WRITTEN_AT_ONCE = 500
"""Pictures, in one transaction."""

REMEMBERED = timedelta(seconds=5)
"""So long a round says how far behind the records are."""


@dataclass(eq=False, slots=True)
class _Round:
    source_urls: dict[PictureId, str | None] = field(default_factory=dict)
    oldest: datetime | None = None
    task: "asyncio.Task[None] | None" = None

    def add(self, pictures: Mapping[PictureId, str | None], said_at: datetime) -> None:
        for picture, source_url in pictures.items():
            self.source_urls[picture] = source_url or self.source_urls.get(picture)
        self.oldest = min(said_at, self.oldest or said_at)


class Looking:
    def __init__(self, table: CatalogTable, inventory: Inventory, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._inventory = inventory
        self._now = now
        self._next: _Round | None = None
        self._turn = asyncio.Lock()
        self._behind = (now(), timedelta())

    async def look(self, pictures: Mapping[PictureId, str | None], said_at: datetime) -> None:
        """Return when the catalog knows of the pictures what the volume has of them, durably.

        `pictures`: with the URL of their source, where that was said. Raises DatabaseUnavailable, and OSError where the volume cannot be read.
        """
        if self._next is None:
            self._next = _Round()
            self._next.task = asyncio.create_task(self._look(self._next), name="looking at pictures")
        mine = self._next
        mine.add(pictures, said_at)
        assert mine.task
        await asyncio.shield(mine.task)

    @property
    def lag(self) -> timedelta:
        """How long ago that was said which was looked at last; nothing, where nothing was for a while."""
        at, lag = self._behind
        return lag if self._now() - at < REMEMBERED else timedelta()

    async def _look(self, mine: _Round) -> None:
        async with self._turn:
            self._next = None
            assert mine.oldest
            self._behind = (self._now(), self._now() - mine.oldest)
            said = {picture: url for picture, url in mine.source_urls.items() if url}
            pictures = list(mine.source_urls)
            for first in range(0, len(pictures), WRITTEN_AT_ONCE):
                some = pictures[first : first + WRITTEN_AT_ONCE]
                held = await self._inventory.holdings(some)
                await self._table.note(some, held, now=self._now(), source_urls=said)


@asynccontextmanager
async def consuming_records(looking: Looking, queue: Queue, metrics: Metrics) -> AsyncIterator[None]:
    """Look at what comes in the lane `catalog` while the context lasts."""

    async def handle(envelope: Envelope) -> None:
        try:
            await looking.look(_pictures(envelope), envelope.occurred_at)
        except (DatabaseUnavailable, OSError) as error:
            raise Retry(Delay.TEN_SECONDS, str(error), counted=False) from error
        metrics.job_age_seconds.labels(Lane.CATALOG).observe(max(0.0, looking.lag.total_seconds()))

    async with queue.consume(Lane.CATALOG, handle, concurrency=AT_ONCE):
        yield


def _pictures(envelope: Envelope) -> Mapping[PictureId, str | None]:
    """Raise Reject for what is no record."""
    match envelope.payload:
        case LookAtPicture(picture=picture, source_url=source_url):
            return {picture: source_url}
        case LookAtPictures(pictures=pictures):
            return dict.fromkeys(pictures)
    raise Reject(f"The catalog does no {envelope.type}.")
