"""The catalog, composed: records are indexed, the volume swept, room made, pictures refreshed and cleaned up while it is open."""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from cachetools import TTLCache

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.ground import Ground
from services.enricher.keeper.catalog.budget import (
    CatalogSettings,
    DiskBudget,
    NextToPictures,
    keeping_within,
    order_eviction,
)
from services.enricher.keeper.catalog.entry import CatalogEntry
from services.enricher.keeper.catalog.indexer import (
    WHOLE_WITHIN_S,
    AccessTimes,
    Indexer,
    Sweep,
    consuming_records,
    sweeping,
)
from services.enricher.keeper.catalog.table import CatalogTable, ShownBy
from services.enricher.tasks.task import Progress, patiently
from shared.background import Background
from shared.contracts import Envelope, PicturesUsed, RefreshPicture
from shared.contracts.jobs import EVICTED_AT_ONCE
from shared.pictures import HostRules, PictureId, Source, SourceUrl, parse_source, picture_host
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import trace_id, utc_now

USED_WITHIN = timedelta(days=7)
ASKED_LASTS_S = 900.0
"""How long a picture that was queued is not queued again, whatever came of it."""

AT_ONCE = 200
LOOK_EVERY_S = 30.0


class Refreshing:
    def __init__(
        self, table: CatalogTable, queue: Queue, rules: HostRules, *, now: Callable[[], datetime]
    ) -> None:
        self._table = table
        self._queue = queue
        self._rules = rules
        self._now = now
        self._asked: TTLCache[PictureId, None] = TTLCache(100 * AT_ONCE, ttl=ASKED_LASTS_S)

    async def refresh(self) -> int:
        """Queue what is due; how many. Raises DatabaseUnavailable and QueueError."""
        now = self._now()
        due = await self._table.due(now, used_since=now - USED_WITHIN, limit=AT_ONCE + len(self._asked))
        queued = 0
        for entry in due:
            if entry.picture in self._asked or queued == AT_ONCE:
                continue
            if source := self._askable(entry.image_url):
                job = Envelope.of(RefreshPicture(source_url=source), trace_id=trace_id())
                await self._queue.publish(job, Lane.PICTURES_LATER)
                queued += 1
            self._asked[entry.picture] = (
                None  # also what nobody may ask about: it stays due, and others come after it
            )
        return queued

    def _askable(self, url: str | None) -> SourceUrl | None:
        try:
            source = SourceUrl.parse(url or "")
        except ValueError:  # an upload
            return None
        host = picture_host(source.host)
        return source if self._rules.allow(source) and not (host and host.immutable) else None


def refreshing(pictures: Refreshing, background: Background) -> AbstractAsyncContextManager[None]:
    """Queue what is due, now and then, while the context lasts."""
    return background.repeating(
        "refreshing pictures",
        pictures.refresh,
        every_s=LOOK_EVERY_S,
        at_once=False,
        expected=(DatabaseUnavailable, QueueError),
    )


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
    looking: Indexer

    async def source_of(self, picture: PictureId) -> Source | None:
        """Where a picture comes from that is on the volume, or was."""
        url = await self.table.source_url_of(picture)
        return parse_source(url) if url else None


@asynccontextmanager
async def open_catalog(
    settings: CatalogSettings,
    ground: Ground,
    *,
    shown_by: Sequence[ShownBy],
    videos: NextToPictures | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[OpenCatalog]:
    """`videos`: what takes room beside pictures."""
    inventory, led = ground.volume.inventory, ground.led
    table = CatalogTable(ground.database, shown_by)
    use = AccessTimes(table, now=now, leads=lambda: ground.database.sharing.leads)
    budget = DiskBudget(
        settings,
        table,
        inventory,
        ground.queue,
        beside=videos,
        lag=lambda: looking.lag,
        metrics=ground.metrics,
        now=now,
    )
    looking = Indexer(table, inventory, now=now, on_looked=budget.changed)

    def lag_s() -> float:
        return looking.lag.total_seconds()

    ground.metrics.catalog_lag_seconds.follow(lag_s)

    async def hear(event: Envelope) -> None:
        if isinstance(event.payload, PicturesUsed):
            use.hear(event.payload.used)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(use.noting(ground.background))
        await enter(ground.queue.listen(hear, PicturesUsed))
        await enter(consuming_records(looking, ground.queue, ground.metrics))
        wholes = math.ceil(len(inventory.shelves) * settings.sweep_every_s / WHOLE_WITHIN_S)
        sweep = Sweep(table, inventory, now=now, wholes=wholes)
        await enter(sweeping(sweep, led, every_s=settings.sweep_every_s))
        await enter(keeping_within(budget, led))
        await enter(refreshing(Refreshing(table, ground.queue, ground.rules, now=now), led))
        cleanup = Cleanup(table, ground.queue, grace=settings.grace, now=now)
        yield OpenCatalog(table, budget, cleanup, looking)
