"""Looking: what records speak of is looked at on the volume, so that their order does not matter."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.enricher.catalog.table import CatalogTable
from services.enricher.database import DatabaseUnavailable, Rounds
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


@dataclass(frozen=True, slots=True)
class _Record:
    """Pictures with the URL of their source, where that was said."""

    pictures: Mapping[PictureId, str | None]
    said_at: datetime


class Looking:
    def __init__(
        self,
        table: CatalogTable,
        inventory: Inventory,
        *,
        now: Callable[[], datetime],
        on_looked: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_looked = on_looked
        self._table = table
        self._inventory = inventory
        self._now = now
        self._rounds = Rounds(self._look)
        self._behind = (now(), timedelta())

    async def look(self, pictures: Mapping[PictureId, str | None], said_at: datetime) -> None:
        """Return when the catalog knows of the pictures what the volume has of them, durably.

        `pictures`: with the URL of their source, where that was said. Raises DatabaseUnavailable, and OSError where
        the volume cannot be read.
        """
        await self._rounds.join(_Record(pictures, said_at))

    @property
    def lag(self) -> timedelta:
        """How long ago that was said which was looked at last; nothing, where nothing was for a while."""
        at, lag = self._behind
        return lag if self._now() - at < REMEMBERED else timedelta()

    async def _look(self, records: Sequence[_Record]) -> None:
        self._behind = (self._now(), self._now() - min(record.said_at for record in records))
        pictures = list(dict.fromkeys(picture for record in records for picture in record.pictures))
        said = {picture: url for record in records for picture, url in record.pictures.items() if url}
        for first in range(0, len(pictures), WRITTEN_AT_ONCE):
            some = pictures[first : first + WRITTEN_AT_ONCE]
            held = await self._inventory.holdings(some)
            await self._table.note(some, held, now=self._now(), source_urls=said)
        self._on_looked()


@asynccontextmanager
async def consuming_records(looking: Looking, queue: Queue, metrics: Metrics) -> AsyncIterator[None]:
    """Look at what comes in the lane `catalog` while the context lasts."""

    async def handle(envelope: Envelope) -> None:
        try:
            await looking.look(_pictures(envelope), envelope.occurred_at)
        except (DatabaseUnavailable, OSError) as error:
            raise Retry(Delay.TEN_SECONDS, str(error), counted=False) from error
        metrics.took(Lane.CATALOG, max(0.0, looking.lag.total_seconds()))

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
