"""Endpoints of the catalog: statistics, lists, eviction, cleaning up, scrubbing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, known, started
from services.enricher.keeper.catalog.entry import CatalogEntry
from services.enricher.keeper.catalog.opening import KIND, OpenCatalog
from services.enricher.keeper.catalog.statistics import MIB, CatalogStatistics, DiskUse, statistics
from services.enricher.keeper.catalog.table import CatalogFilter
from services.enricher.keeper.scrub import Scrub
from services.enricher.tasks.task import TaskState
from services.enricher.tasks.tasks import Tasks
from shared.pictures import FailureClass, Kind
from shared.telemetry import utc_now
from shared.volume import Extent, StorageFacts

NEXT_SHOWN = 100
UNUSED_DAYS = 30


class CatalogListParameters(Parameters):
    limit: int = Field(50, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10_000_000)
    source: str | None = Field(None, max_length=40, description="A provider")
    kind: Kind | None = None
    failure_class: FailureClass | None = None


class CleanupParameters(Parameters):
    unused_days: float = Field(
        UNUSED_DAYS, ge=0, le=36_500, description="Nobody has looked at it for so many days"
    )
    dry_run: bool = Field(default=False, description="Only say what would go")


_CLEANUP = "/api/images/cache/cleanup"
CLEANUP_WAIT_S = 30.0
LOOK_EVERY_S = 0.2
MONTH_HOURS, DAY_HOURS = 720, 24


class HoursParameters(Parameters):
    hours: float


class PostedHours(HoursParameters):
    hours: float = Field(MONTH_HOURS, ge=DAY_HOURS, le=876_000)


class DeletedHours(HoursParameters):
    hours: float = Field(DAY_HOURS, ge=0, le=876_000)


class CacheCleanup(BaseModel):
    """What a cleanup came to; while it still runs, what it has come to."""

    model_config = ConfigDict(frozen=True)

    success: bool
    deleted_count: int
    hours: float
    message: str
    task_id: int

    @classmethod
    def of(cls, task: ShownTask, hours: float) -> "CacheCleanup":
        gone = task.counts.get("leaves", 0)
        done = f"{gone} pictures leave that nobody has looked at for {hours:g} hours."
        message = task.reason or (done if task.state.ended else f"The cleanup goes on; so far: {done}")
        return cls(
            success=task.state is TaskState.DONE,
            deleted_count=gone,
            hours=hours,
            message=message,
            task_id=task.id,
        )


class CachedImage(BaseModel):
    """A picture in the catalog. `disk_bytes`: with all its renditions; `file_size`: its original. Without a local_path
    only a failure is remembered.
    """

    model_config = ConfigDict(frozen=True)

    picture_id: str
    image_url: str | None
    local_path: str | None = Field(description="Below the volume's root")
    mime_type: str | None
    file_size: int | None
    width: int | None
    height: int | None
    source: str | None
    kind: str | None
    cached_at: AwareDatetime | None
    last_accessed: AwareDatetime
    disk_bytes: int
    kept: bool
    failure_class: str | None
    retry_at: AwareDatetime | None

    @classmethod
    def of(cls, entry: CatalogEntry) -> "CachedImage":
        return cls(
            picture_id=entry.picture,
            image_url=entry.image_url,
            local_path=entry.local_path,
            mime_type=entry.mime_type,
            file_size=entry.file_size,
            width=entry.width,
            height=entry.height,
            source=entry.source,
            kind=entry.kind,
            cached_at=entry.cached_at,
            last_accessed=entry.last_accessed,
            disk_bytes=entry.disk.bytes,
            kept=entry.kept.files > 0,
            failure_class=entry.failure_class,
            retry_at=entry.retry_at,
        )


class CachedImages(BaseModel):
    model_config = ConfigDict(frozen=True)

    items: tuple[CachedImage, ...]
    images: tuple[CachedImage, ...] = Field(description="The same, for scripts that know this name")
    total: int
    limit: int
    offset: int


class StorageStatistics(BaseModel):
    """The disk. A budget or floor of 0 is none."""

    model_config = ConfigDict(frozen=True)

    total_objects: int
    total_size_mb: float = Field(description="What pictures and videos take, in MiB")
    used: DiskUse
    videos: DiskUse = Field(description="Of it, what are videos")
    leaving: DiskUse = Field(description="Of it, what is on its way out")
    excess: DiskUse = Field(description="Of the rest, what has to go")
    budget: DiskUse
    free_bytes: int
    free_files: int | None = Field(description="Absent where the file system counts none")
    floor: DiskUse = Field(description="With less room than this nothing new is downloaded")
    obstacle: str | None = Field(description="Why nothing goes although it should")
    total_size_bytes: int
    total_size_gb: float = Field(description="The same in GiB")
    backend: str = Field(
        "none", description="Of object storage, as the next three: s3; none where pictures are in files"
    )
    enabled: bool = False
    bucket: str | None = None
    endpoint: str | None = None


class Eviction(StorageStatistics):
    next: tuple[CachedImage, ...] = Field(description="What goes first, the longest unused in front")
    next_bytes: int


def catalog_endpoints(
    catalog: OpenCatalog,
    tasks: Tasks,
    videos: Callable[[], Awaitable[Extent]],
    facts: StorageFacts | None = None,
) -> list[Endpoint]:
    """`videos`: what they take. `facts`: where pictures are, if that is a store of objects."""
    table, budget = catalog.table, catalog.budget

    async def counted(_asked: Parameters) -> CatalogStatistics:
        """Pictures counted by kind, provider, format, age and class of failure."""
        return await statistics(table, utc_now())

    async def listed(asked: CatalogListParameters) -> CachedImages:
        """The catalog, the last used first."""
        chosen = CatalogFilter(source=asked.source, kind=asked.kind, failure_class=asked.failure_class)
        entries = await table.list(chosen, limit=asked.limit, offset=asked.offset)
        images = tuple(map(CachedImage.of, entries))
        total = await table.count(chosen)
        return CachedImages(items=images, images=images, total=total, limit=asked.limit, offset=asked.offset)

    async def storage(_asked: Parameters) -> StorageStatistics:
        """What pictures take of the disk, what they may, and what is left."""
        return StorageStatistics(**await _storage())

    async def eviction(_asked: Parameters) -> Eviction:
        """What leaves next when room is needed, by name and bytes, without letting it."""
        chosen = await budget.next(at_most=NEXT_SHOWN)
        images = tuple(map(CachedImage.of, chosen))
        return Eviction(
            **await _storage(), next=images, next_bytes=sum(entry.cached.bytes for entry in chosen)
        )

    async def cleanup(asked: CleanupParameters) -> ShownTask:
        """Let pictures go that no name and no item shows, and nobody has looked at for long: a task.

        With `dry_run` it only says which, and how many bytes they take.
        """
        return await started(tasks, KIND, asked.model_dump())

    async def cleaned_up(asked: HoursParameters) -> CacheCleanup:
        """Let pictures go that nothing shows and nobody has looked at for so many hours, and wait for that, 30 s at most.

        The same as the task of /api/v1/admin/sync/images/cleanup, for scripts that know this path.
        """
        arguments = CleanupParameters(unused_days=asked.hours / 24).model_dump()
        task = await started(tasks, KIND, arguments)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_WAIT_S):
                while not task.state.ended:
                    await asyncio.sleep(LOOK_EVERY_S)
                    task = known(await tasks.get(task.id))
        return CacheCleanup.of(task, asked.hours)

    async def _storage() -> dict[str, object]:
        standing, whole = await budget.standing(), await statistics(table, utc_now())
        used = standing.usage.disk
        return {
            "total_objects": whole.total_objects,
            "total_size_mb": round(used.bytes / MIB, 1),
            "used": DiskUse.of(used),
            "videos": DiskUse.of(await videos()),
            "leaving": DiskUse.of(standing.usage.leaving),
            "excess": DiskUse.of(standing.excess),
            "budget": DiskUse.of(standing.budget),
            "free_bytes": standing.space.bytes,
            "free_files": standing.space.files,
            "floor": DiskUse.of(standing.floor),
            "obstacle": standing.obstacle,
            "total_size_bytes": used.bytes,
            "total_size_gb": round(used.bytes / MIB / 1024, 2),
            **(asdict(facts) | {"enabled": True} if facts else {}),
        }

    return [
        Endpoint("GET", "/api/images/cache/stats", counted, CatalogStatistics),
        Endpoint(
            "GET", "/api/images/cache/list", listed, CachedImages, CatalogListParameters, access=Access.LISTS
        ),
        Endpoint("POST", _CLEANUP, cleaned_up, CacheCleanup, PostedHours, access=Access.ADMIN),
        Endpoint("DELETE", _CLEANUP, cleaned_up, CacheCleanup, DeletedHours, access=Access.ADMIN),
        Endpoint("GET", "/api/v1/images/storage/stats", storage, StorageStatistics),
        Endpoint("GET", "/api/v1/admin/eviction", eviction, Eviction, access=Access.ADMIN),
        Endpoint(
            "POST",
            "/api/v1/admin/sync/images/cleanup",
            cleanup,
            ShownTask,
            CleanupParameters,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        ),
    ]


class ScrubParameters(Parameters):
    dry_run: bool = Field(default=False, description="Only say what is damaged")


def integrity_endpoints(tasks: Tasks) -> list[Endpoint]:
    async def scrub(asked: ScrubParameters) -> ShownTask:
        """Read every picture that is stored, and compare it with what it should be: a task.

        What is empty, truncated, altered, or has lost its pointer or manifest is made or fetched again. With `dry_run` it is
        only told.
        """
        return await started(tasks, Scrub.KIND, {"dry_run": asked.dry_run})

    return [
        Endpoint(
            "POST",
            "/api/v1/admin/scrub",
            scrub,
            ShownTask,
            ScrubParameters,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        )
    ]
