"""The catalog, composed: records are indexed, the volume swept, room made and pictures refreshed while it is open."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from services.enricher.database import Database
from services.enricher.keeper.catalog.access_times import AccessTimes
from services.enricher.keeper.catalog.budget import (
    CatalogSettings,
    DiskBudget,
    keeping_within,
    order_eviction,
)
from services.enricher.keeper.catalog.entry import CatalogEntry
from services.enricher.keeper.catalog.indexer import Indexer, Sweep, consuming_records, sweeping
from services.enricher.keeper.catalog.refreshing import Refreshing, refreshing
from services.enricher.keeper.catalog.table import CatalogTable, ShownBy
from services.enricher.tasks import Progress, patiently
from shared.background import Background
from shared.contracts import Envelope, PicturesUsed
from shared.contracts.jobs import EVICTED_AT_ONCE
from shared.pictures import HostRules, PictureId, Source, parse_source
from shared.queue import Lane, Queue
from shared.telemetry import Metrics, utc_now
from shared.volume import Inventory

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
                    ),
                    progress,
                )
            for entry in orphans:
                outcome = "would leave" if dry_run else "leaves"
                progress.item(entry.image_url or entry.picture, outcome, size=entry.cached.bytes)
            progress.step()
            after = orphans[-1].picture

    async def _orphans(self, unused: timedelta, after: PictureId) -> Sequence[CatalogEntry]:
        now = self._now()
        return await self._table.orphans(
            unused_since=now - unused, cached_before=now - self._grace, after=after, limit=EVICTED_AT_ONCE
        )


@dataclass(frozen=True, slots=True)
class OpenCatalog:
    table: CatalogTable
    budget: DiskBudget
    cleanup: Cleanup

    async def source_of(self, picture: PictureId) -> Source | None:
        """Where a picture comes from that is on the volume, or was."""
        url = await self.table.source_url_of(picture)
        return parse_source(url) if url else None


@asynccontextmanager
async def open_catalog(
    settings: CatalogSettings,
    *,
    database: Database,
    queue: Queue,
    inventory: Inventory,
    shown_by: Sequence[ShownBy],
    rules: HostRules,
    metrics: Metrics,
    background: Background,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[OpenCatalog]:
    table = CatalogTable(database, shown_by)
    use = AccessTimes(table, now=now)
    budget = DiskBudget(settings, table, inventory, queue, lag=lambda: looking.lag, metrics=metrics, now=now)
    looking = Indexer(table, inventory, now=now, on_looked=budget.change.set)

    def lag_s() -> float:
        return looking.lag.total_seconds()

    metrics.catalog_lag_seconds.follow(lag_s)

    async def hear(event: Envelope) -> None:
        if isinstance(event.payload, PicturesUsed):
            use.hear(event.payload.used)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(use.noting(background))
        await enter(queue.listen(hear))
        await enter(consuming_records(looking, queue, metrics))
        await enter(sweeping(Sweep(table, inventory, now=now), background, every_s=settings.sweep_every_s))
        await enter(keeping_within(budget, background))
        await enter(refreshing(Refreshing(table, queue, rules, now=now), background))
        yield OpenCatalog(table, budget, Cleanup(table, queue, grace=settings.grace, now=now))
