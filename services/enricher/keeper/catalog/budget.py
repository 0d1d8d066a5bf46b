"""What can be set of the catalog and of the disk that pictures may take."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from pydantic import Field

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.keeper.catalog.entry import CatalogEntry
from services.enricher.keeper.catalog.table import CatalogTable, Usage
from shared.background import Background
from shared.contracts import Envelope, Evictable, EvictPictures
from shared.contracts.jobs import EVICTED_AT_ONCE
from shared.queue import Lane, Queue, QueueError
from shared.settings import Settings
from shared.telemetry import Metrics, trace_id
from shared.volume import NOTHING, Extent, FloorSettings, Inventory, Space, lacking


class CatalogSettings(Settings):
    room: FloorSettings = Field(default_factory=FloorSettings)
    budget_gb: float = Field(50, validation_alias="DISK_BUDGET_GB", ge=0)
    """0: no limit."""
    budget_files: int = Field(0, validation_alias="DISK_BUDGET_FILES", ge=0)
    """Files, directories and links; 0: no limit."""
    grace_s: float = Field(600, validation_alias="EVICTION_GRACE", ge=0)
    """A picture younger than this is never evicted."""
    sweep_every_s: float = Field(900, validation_alias="CATALOG_SWEEP_EVERY", gt=0)

    @property
    def budget(self) -> Extent:
        """A part that is 0 has no limit."""
        return Extent(int(self.budget_gb * 1024**3), self.budget_files)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_s)


BEGIN_AT, END_AT = 0.98, 0.95
"""Shares of the budget: room is made before it is exceeded, and some at once."""

FLOOR_BEGIN_AT, FLOOR_END_AT = 1.05, 1.10
"""Of the floor: before fetchers stop at it."""

NEAR_AT, FLOOR_NEAR_AT = 0.9, 1.5
"""From there on each change of the catalog is looked at soon; before, once a second is enough."""

LEAVING_AT_MOST = 3 * EVICTED_AT_ONCE
"""Pictures that may be on their way out: enough for some hundred a second, and few enough that hits go on as before."""

ORDER_LASTS = timedelta(minutes=10)
JUST_USED = timedelta(minutes=1)
"""What was served so lately is not evicted: its use is heard of late, and it may be on its way to somebody."""

LAG_AT_MOST = timedelta(minutes=5)
"""Further behind, the catalog may not know what is used."""

FAILURES_KEPT = timedelta(hours=24)
"""After its end, so that the pauses of one that comes back go on growing."""

EVICTED_KNOWN_FOR = timedelta(days=365)
EVICTED_KNOWN_AT_MOST = 1_000_000
LOOK_EVERY_S = 1.0
LOOK_AGAIN_S = 0.1
"""While room is being made, or the catalog changes."""

TIDY_EVERY_S = 60.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """How the disk stands. `excess`: what has to go of what is staying. A part of `budget` or `floor` that is 0 is no
    limit.
    """

    usage: Usage
    space: Space
    budget: Extent
    floor: Extent
    excess: Extent
    obstacle: str | None = None
    """Why nothing goes although it should."""


class NextToPictures(Protocol):
    """What takes room beside pictures, and goes once none of those can that could be fetched again. Raises OSError."""

    async def extent(self) -> Extent: ...

    async def make_room(self, excess: Extent, *, came_before: datetime) -> bool:
        """Whether any of it went."""


class DiskBudget:
    def __init__(
        self,
        settings: CatalogSettings,
        table: CatalogTable,
        inventory: Inventory,
        queue: Queue,
        *,
        beside: NextToPictures | None = None,
        lag: Callable[[], timedelta],
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._table = table
        self._inventory = inventory
        self._queue = queue
        self._beside = beside
        self._lag = lag
        self._metrics = metrics
        self._now = now
        self._making_room = False
        self._obstacle: str | None = None
        self._is_near = True
        self.change = asyncio.Event()
        """Set where it has to be looked at soon."""

    def changed(self) -> None:
        """The catalog knows of more, or less."""
        if self._is_near:
            self.change.set()

    @property
    def obstacle(self) -> str | None:
        return self._obstacle

    async def standing(self) -> DiskStatus:
        """Raises DatabaseUnavailable, and OSError where the volume cannot be read."""
        usage = await self._usage()
        space = await self._inventory.space()
        budget, floor = self._settings.budget, self._settings.room.floor
        excess = _excess(usage, space, budget * END_AT, floor * FLOOR_END_AT)
        if (
            not self._making_room
            and _excess(usage, space, budget * BEGIN_AT, floor * FLOOR_BEGIN_AT) == NOTHING
        ):
            excess = NOTHING
        self._is_near = _excess(usage, space, budget * NEAR_AT, floor * FLOOR_NEAR_AT) != NOTHING
        return DiskStatus(usage, space, budget, floor, excess, self._obstacle)

    async def _usage(self) -> Usage:
        """With the directories that pictures share, and what is beside them."""
        usage = await self._table.usage(self._now() - ORDER_LASTS)
        beside = await self._beside.extent() if self._beside else NOTHING
        return replace(usage, disk=usage.disk + await self._inventory.shelving(usage.pictures) + beside)

    async def next(self, *, at_most: int) -> Sequence[CatalogEntry]:
        """What goes when room is needed, the longest unused first."""
        now = self._now()
        return await self._table.least_recently_used(
            ordered_before=now - ORDER_LASTS,
            used_before=now - min(JUST_USED, self._settings.grace),
            cached_before=now - self._settings.grace,
            limit=at_most,
        )

    async def make_room(self) -> bool:
        """Order a little of what has to go; whether more has to. Raises QueueError as well."""
        standing = await self.standing()
        self._making_room = standing.excess != NOTHING
        self._tell(standing)
        if not self._making_room:
            self._meet(None)
            return False
        if self._lag() > LAG_AT_MOST:
            self._meet("the catalog is too far behind to say what is used")
            return False
        room = LEAVING_AT_MOST - standing.usage.pictures_leaving
        if room <= 0:
            return True
        chosen = _enough(await self.next(at_most=min(room, EVICTED_AT_ONCE)), standing.excess)
        if chosen:
            # In `now`: behind what waits in `later`, the disk would be full before its turn came.
            await self._order(chosen, Lane.PICTURES_NOW)
            self._meet(None)
        elif not standing.usage.pictures_leaving:
            too_young = self._now() - self._settings.grace
            if self._beside and await self._beside.make_room(standing.excess, came_before=too_young):
                self._meet(None)
                return True
            self._meet("all that is left is kept, younger than EVICTION_GRACE, or in use")
        return bool(chosen)

    async def tidy(self) -> bool:
        """Let some failures go that were over long ago, and what is known of pictures that went; whether there may be
        more. Raises QueueError as well.
        """
        now = self._now()
        over = await self._table.failures_over(
            now - FAILURES_KEPT, ordered_before=now - ORDER_LASTS, limit=EVICTED_AT_ONCE
        )
        if over:
            await self._order(over, Lane.PICTURES_LATER)
        await self._table.forget_evicted(gone_before=now - EVICTED_KNOWN_FOR, at_most=EVICTED_KNOWN_AT_MOST)
        return len(over) == EVICTED_AT_ONCE

    async def _order(self, entries: Sequence[CatalogEntry], lane: Lane) -> None:
        await order_eviction(entries, self._table, self._queue, lane, now=self._now())
        self._metrics.evictions_ordered.inc(len(entries))

    def _tell(self, standing: DiskStatus) -> None:
        self._metrics.disk_bytes.set(standing.usage.disk.bytes)
        self._metrics.disk_files.set(standing.usage.disk.files)
        self._metrics.disk_free_bytes.set(standing.space.bytes)

    def _meet(self, obstacle: str | None) -> None:
        if obstacle and obstacle != self._obstacle:
            _log.warning("no room can be made", reason=obstacle)
        self._obstacle = obstacle


async def order_eviction(
    entries: Sequence[CatalogEntry], table: CatalogTable, queue: Queue, lane: Lane, *, now: datetime
) -> None:
    """At most EVICTED_AT_ONCE. Raises DatabaseUnavailable, and QueueError, having ordered nothing."""
    pictures = [entry.picture for entry in entries]
    chosen = tuple(
        Evictable(picture=entry.picture, revision=entry.revision, fetched_at=entry.cached_at)
        for entry in entries
    )
    await table.order_eviction(pictures, now)
    try:
        job = Envelope.of(EvictPictures(pictures=chosen), trace_id=trace_id())
        await queue.publish(job, lane)
    except QueueError:
        await table.order_eviction(pictures, None)
        raise


@asynccontextmanager
async def keeping_within(budget: DiskBudget, background: Background) -> AsyncIterator[None]:
    """Make room, as it is needed, while the context lasts."""
    expected = (DatabaseUnavailable, QueueError, OSError)
    making_room = background.repeating(
        "making room",
        budget.make_room,
        every_s=LOOK_EVERY_S,
        soon_s=LOOK_AGAIN_S,
        wake=budget.change,
        expected=expected,
    )
    tidying = background.repeating(
        "tidying the catalog",
        budget.tidy,
        every_s=TIDY_EVERY_S,
        soon_s=LOOK_EVERY_S,
        at_once=False,
        expected=expected,
    )
    async with making_room, tidying:
        yield


def _excess(usage: Usage, space: Space, budget: Extent, floor: Extent) -> Extent:
    """What has to go of what is staying: for the budget, or for the floor, whichever is more."""
    missing = lacking(space, floor)
    bytes_over = usage.staying.bytes - budget.bytes if budget.bytes else 0
    files_over = usage.staying.files - budget.files if budget.files else 0
    return Extent(
        max(0, bytes_over, missing.bytes - usage.leaving.bytes),
        max(0, files_over, missing.files - usage.leaving.files),
    )


def _enough(entries: Sequence[CatalogEntry], excess: Extent) -> Sequence[CatalogEntry]:
    """As many of them as it takes."""
    gone = NOTHING
    for number, entry in enumerate(entries):
        if gone.bytes >= excess.bytes and gone.files >= excess.files:
            return entries[:number]
        gone += entry.cached
    return entries
