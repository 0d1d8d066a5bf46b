"""The catalog, composed: records are looked at, the volume swept, room made and pictures refreshed while it is open."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from services.enricher.catalog.budget import Budget, keeping_within
from services.enricher.catalog.cleanup import Cleanup
from services.enricher.catalog.looking import Looking, consuming_records
from services.enricher.catalog.refreshing import Refreshing, refreshing
from services.enricher.catalog.settings import CatalogSettings
from services.enricher.catalog.sweep import Sweep, sweeping
from services.enricher.catalog.table import CatalogTable
from services.enricher.catalog.use import Use
from services.enricher.database import Database
from shared.contracts import Envelope, PicturesUsed
from shared.pictures import HostRules, PictureId, Source, parse_source
from shared.queue import Queue
from shared.telemetry import Metrics, utc_now
from shared.volume import Inventory


@dataclass(frozen=True, slots=True)
class OpenCatalog:
    table: CatalogTable
    budget: Budget
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
    rules: HostRules,
    metrics: Metrics,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[OpenCatalog]:
    table = CatalogTable(database)
    use = Use(table, now=now)
    budget = Budget(settings, table, inventory, queue, lag=lambda: looking.lag, metrics=metrics, now=now)
    looking = Looking(table, inventory, now=now, on_looked=budget.changed)

    async def hear(event: Envelope) -> None:
        if isinstance(event.payload, PicturesUsed):
            use.hear(event.payload.used)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(use.noting())
        await enter(queue.listen(hear))
        await enter(consuming_records(looking, queue, metrics))
        await enter(sweeping(Sweep(table, inventory, now=now), every_s=settings.sweep_every_s))
        await enter(keeping_within(budget))
        await enter(refreshing(Refreshing(table, queue, rules, now=now)))
        yield OpenCatalog(table, budget, Cleanup(table, queue, grace=settings.grace, now=now))
