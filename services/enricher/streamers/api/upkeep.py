"""Endpoints by which the pictures of the streamer library are looked after, with the fields that StreamVault's pages and scripts know:
counting, having what is missing, letting go what is over, taking over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, known, started
from services.enricher.keeper.catalog.statistics import CatalogStatistics
from services.enricher.streamers.adoption import ImportStreamVault
from services.enricher.streamers.api.images import Told
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.upkeep import CleanShelf, PicturesCount, SyncShelf, Upkeep, cleaned
from services.enricher.tasks.tasks import Tasks
from shared.pictures import Kind
from shared.queue import Lane, Queue

WAIT_S = 5.0
"""For a task that is mostly done sooner; else the answer says how far it is."""

LOOK_EVERY_S = 0.1


class DaysParameters(Parameters):
    days_old: float = Field(30, ge=0, le=36_500, description="Artwork of streams that began before")


class StreamVaultOrder(Body):
    directory: str = Field(
        min_length=1,
        max_length=4096,
        description="StreamVault's .images or .media, or the folder it is in, on the server",
    )
    ids: Literal["internal", "twitch"] | None = Field(
        None, description="Whose numbers are in the files' names: the streamers' here, or Twitch's"
    )
    dry_run: bool = Field(default=False, description="Only say what would come")


class SyncOutcome(Told):
    """Counts, as far as the task has come."""

    task_id: int
    downloaded: int
    skipped: int
    failed: int


class CleanupOutcome(Told):
    task_id: int
    profiles: int
    banners: int
    categories: int
    artwork: int
    total_cleaned: int


class MissingOutcome(Told):
    missing: int


class QueueStatus(BaseModel):
    queue_size: int = Field(description="Jobs that wait behind what somebody waits for")
    is_running: bool
    service_initialized: bool


class ProfileCount(BaseModel):
    cached_profiles: int
    failed_downloads: int


class BannerCount(BaseModel):
    cached_banners: int
    failed_downloads: int


class CategoryCount(BaseModel):
    cached_categories: int
    failed_downloads: int


class ArtworkCount(BaseModel):
    cached_artworks: int
    streamers_with_artwork: int
    failed_downloads: int


class StreamerStatistics(BaseModel):
    model_config = ConfigDict(frozen=True)

    profiles: ProfileCount
    banners: BannerCount
    categories: CategoryCount
    artwork: ArtworkCount
    total_cached: int
    total_failed: int


class ImagesStatistics(CatalogStatistics):
    """Of all pictures, and of those of the streamer library."""

    profiles: ProfileCount
    banners: BannerCount
    categories: CategoryCount
    artwork: ArtworkCount
    total_cached: int
    total_failed: int


Counted = Callable[[], Awaitable[CatalogStatistics]]


class UpkeepApi:
    def __init__(
        self, pictures: ShelfPictures, upkeep: Upkeep, *, tasks: Tasks, queue: Queue, counted: Counted
    ) -> None:
        """`counted`: what there is of all pictures."""
        self._pictures = pictures
        self._upkeep = upkeep
        self._tasks = tasks
        self._queue = queue
        self._counted = counted

    @property
    def endpoints(self) -> list[Endpoint]:
        admin, days = Access.ADMIN, DaysParameters
        images, files = "/api/images", "/data/images"
        return [
            Endpoint("GET", f"{images}/stats", self.all_statistics, ImagesStatistics),
            Endpoint("GET", f"{files}/stats", self.statistics, StreamerStatistics),
            Endpoint("POST", f"{images}/sync", self.sync, SyncOutcome, access=admin),
            Endpoint("POST", f"{files}/sync/profiles", self.sync_profiles, SyncOutcome, access=admin),
            Endpoint("POST", f"{files}/sync/categories", self.sync_categories, SyncOutcome, access=admin),
            Endpoint(
                "POST", f"{images}/sync/check-missing", self.check_missing, MissingOutcome, access=admin
            ),
            Endpoint("GET", f"{images}/sync/queue-status", self.queue_status, QueueStatus),
            Endpoint("POST", f"{images}/cleanup", self.clean, CleanupOutcome, days, access=admin),
            Endpoint("POST", f"{files}/cleanup", self.clean, CleanupOutcome, days, access=admin),
            Endpoint(
                "POST",
                "/api/categories/cleanup-images",
                self.clean_covers,
                CleanupOutcome,
                days,
                access=admin,
            ),
            Endpoint(
                "POST",
                "/api/import/streamvault",
                self.take_over,
                ShownTask,
                body=StreamVaultOrder,
                access=admin,
                status=HTTPStatus.ACCEPTED,
            ),
        ]

    async def all_statistics(self, _asked: Parameters) -> ImagesStatistics:
        """Pictures counted by kind, provider, format, age and class of failure; and those of the streamer library."""
        counted, ours = await self._counted(), await self._statistics()
        return ImagesStatistics(**counted.model_dump(), **ours.model_dump())

    async def statistics(self, _asked: Parameters) -> StreamerStatistics:
        """Pictures of the streamer library: stored, and not to be had for now."""
        return await self._statistics()

    async def _statistics(self) -> StreamerStatistics:
        profiles = await self._upkeep.count(await self._upkeep.profiles())
        banners = await self._upkeep.count(await self._upkeep.banners())
        covers = await self._upkeep.count(await self._upkeep.covers())
        artworks = await self._upkeep.artworks()
        artwork = await self._upkeep.count([pair for _, pair in artworks])
        shown = {one.streamer_id for one, (name, _) in artworks if await self._pictures.is_stored(name)}
        counts: Sequence[PicturesCount] = (profiles, banners, covers, artwork)
        return StreamerStatistics(
            profiles=ProfileCount(cached_profiles=profiles.stored, failed_downloads=profiles.failed),
            banners=BannerCount(cached_banners=banners.stored, failed_downloads=banners.failed),
            categories=CategoryCount(cached_categories=covers.stored, failed_downloads=covers.failed),
            artwork=ArtworkCount(
                cached_artworks=artwork.stored,
                streamers_with_artwork=len(shown),
                failed_downloads=artwork.failed,
            ),
            total_cached=sum(one.stored for one in counts),
            total_failed=sum(one.failed for one in counts),
        )

    async def sync(self, _asked: Parameters) -> SyncOutcome:
        """Have whatever is missing fetched: a task, of which the answer tells how far it came in five seconds."""
        return await self._synced(profiles=True, categories=True)

    async def sync_profiles(self, _asked: Parameters) -> SyncOutcome:
        """The same of streamers' pictures."""
        return await self._synced(profiles=True, categories=False)

    async def sync_categories(self, _asked: Parameters) -> SyncOutcome:
        """The same of categories' pictures."""
        return await self._synced(profiles=False, categories=True)

    async def _synced(self, **arguments: bool) -> SyncOutcome:
        task = await self._waited(SyncShelf.KIND, arguments)
        counts = task.counts
        done = "Image sync completed" if task.state.ended else "Image sync started"
        return SyncOutcome(
            message=done,
            task_id=task.id,
            downloaded=counts.get("stored", 0),
            skipped=counts.get("was stored", 0),
            failed=counts.get("failed", 0) + counts.get("not due", 0),
        )

    async def take_over(self, _asked: Parameters, order: StreamVaultOrder) -> ShownTask:
        """Take over StreamVault's folder of pictures: a task, which may be done again.

        Pictures are adopted as they lie there, without a download, checked and rendered as any other; the folder stays as it is.
        """
        arguments = {"directory": order.directory, "ids": order.ids or "", "dry_run": order.dry_run}
        return await started(self._tasks, ImportStreamVault.KIND, arguments)

    async def check_missing(self, _asked: Parameters) -> MissingOutcome:
        """Have what is missing fetched again, from where it is known to come."""
        missing = await self._upkeep.order_missing()
        return MissingOutcome(message=f"{missing} missing images are fetched again", missing=missing)

    async def queue_status(self, _asked: Parameters) -> QueueStatus:
        """How many jobs wait."""
        waiting = await self._queue.depth(Lane.PICTURES_LATER)
        return QueueStatus(queue_size=waiting, is_running=True, service_initialized=True)

    async def clean(self, asked: DaysParameters) -> CleanupOutcome:
        """Let go what no streamer, category or stream has any more, and artwork of old streams."""
        return await self._cleaned([], asked.days_old)

    async def clean_covers(self, asked: DaysParameters) -> CleanupOutcome:
        """The same of categories only."""
        return await self._cleaned([Kind.CATEGORY.value], asked.days_old)

    async def _cleaned(self, kinds: list[str], days_old: float) -> CleanupOutcome:
        task = await self._waited(CleanShelf.KIND, {"kinds": kinds, "days_old": days_old})
        counts = dict(cleaned(task.counts))
        total = sum(counts.values())
        done = (
            f"Cleaned up {total} images"
            if task.state.ended
            else f"The cleanup goes on; so far {total} images"
        )
        return CleanupOutcome(message=done, task_id=task.id, total_cleaned=total, **counts)

    async def _waited(self, kind: str, arguments: Mapping[str, object]) -> ShownTask:
        task = await started(self._tasks, kind, arguments)
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while not task.state.ended:
                    await asyncio.sleep(LOOK_EVERY_S)
                    task = known(await self._tasks.get(task.id))
        return task
