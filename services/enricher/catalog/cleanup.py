"""Cleaning up: pictures that no name and no item shows, and nobody has looked at for long, leave."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from services.enricher.catalog.budget import order_eviction
from services.enricher.catalog.entry import Entry
from services.enricher.catalog.table import CatalogTable
from services.enricher.tasks import Progress, patiently
from shared.contracts.jobs import EVICTED_AT_ONCE
from shared.pictures import PictureId
from shared.queue import Lane, Queue

KIND = "cleanup"


class Cleanup:
    """The work of a task: `dry_run` says what would go, `unused_days` for how long nobody has looked at it."""

    def __init__(
        self, table: CatalogTable, queue: Queue, *, grace: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._table = table
        self._queue = queue
        self._grace = grace
        self._now = now

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        dry_run = bool(arguments["dry_run"])
        unused = timedelta(days=float(str(arguments["unused_days"])))
        after = PictureId("")
        while orphans := await self._orphans(unused, after):
            if not dry_run:
                await patiently(
                    partial(
                        order_eviction,
                        orphans,
                        self._table,
                        self._queue,
                        Lane.PICTURES_LATER,
                        now=self._now(),
                    )
                )
            for entry in orphans:
                outcome = "would leave" if dry_run else "leaves"
                progress.item(entry.image_url or entry.picture, outcome, size=entry.cached.bytes)
            progress.step()
            after = orphans[-1].picture

    async def _orphans(self, unused: timedelta, after: PictureId) -> Sequence[Entry]:
        now = self._now()
        return await self._table.orphans(
            unused_since=now - unused, cached_before=now - self._grace, after=after, limit=EVICTED_AT_ONCE
        )
