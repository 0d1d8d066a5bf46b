"""Endpoints by which StreamVault's pages and scripts ask about pictures, with the fields that they know."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, known, started
from services.enricher.keeper.catalog.statistics import CatalogStatistics
from services.enricher.streamers import naming
from services.enricher.streamers.adoption import ImportStreamVault
from services.enricher.streamers.pictures import Pair, ShelfPictures
from services.enricher.streamers.refreshing import StreamerRefresh
from services.enricher.streamers.shelf import Category, NewCategory, Streamer, StreamShelf
from services.enricher.streamers.upkeep import CleanShelf, PicturesCount, SyncShelf, Upkeep, cleaned
from services.enricher.tasks.tasks import Tasks
from shared.http import Problem
from shared.pictures import Kind
from shared.queue import Lane, Queue

WAIT_S = 5.0
"""For a task that is mostly done sooner; else the answer says how far it is."""

LOOK_EVERY_S = 0.1
NAMES_AT_MOST = 500


class StreamerParameters(Parameters):
    id: str = Field(max_length=40, description="Ours, or Twitch's as tw:123")


class CategoryParameters(Parameters):
    name: str = Field(max_length=300, description="As Twitch calls it, or its file")


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


class CategoryNames(Body):
    """A list of names, bare or as `category_names`."""

    category_names: tuple[str, ...] = Field(max_length=NAMES_AT_MOST)

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return {"category_names": given} if isinstance(given, list) else given


class StreamerImage(BaseModel):
    streamer_id: int
    username: str
    image_url: str | None = Field(description="Ours once it is stored, the source's before")
    original_image_url: str | None
    cached: bool


class CategoryImage(BaseModel):
    category_name: str
    image_url: str | None = Field(
        description="Ours once it is stored, the source's before; null: nobody knows it"
    )
    cached: bool


class ImageUrl(BaseModel):
    image_url: str | None


class StreamerImages(BaseModel):
    streamers: tuple[StreamerImage, ...]
    total: int


class CategoryImages(BaseModel):
    categories: tuple[CategoryImage, ...]
    total: int


class CategoryUrls(BaseModel):
    category_images: dict[str, str | None]


class Told(BaseModel):
    """What was begun."""

    message: str


class ToldCategories(Told):
    categories: tuple[str, ...]


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


class CategoryCacheStatus(BaseModel):
    cached_categories: int
    failed_downloads: int
    cache_directory: str
    cached_categories_list: tuple[str, ...]


class MissingCategory(BaseModel):
    id: int
    name: str
    reason: str | None


class MissingImages(BaseModel):
    total_categories: int
    have_images: int
    missing_images: int
    missing_categories: tuple[MissingCategory, ...]


Counted = Callable[[], Awaitable[CatalogStatistics]]


class ImagesApi:
    def __init__(
        self,
        shelf: StreamShelf,
        pictures: ShelfPictures,
        refreshing: StreamerRefresh,
        upkeep: Upkeep,
        *,
        tasks: Tasks,
        queue: Queue,
        counted: Counted,
    ) -> None:
        """`counted`: what there is of all pictures."""
        self._shelf = shelf
        self._pictures = pictures
        self._refreshing = refreshing
        self._upkeep = upkeep
        self._tasks = tasks
        self._queue = queue
        self._counted = counted

    @property
    def endpoints(self) -> list[Endpoint]:
        admin, lists, of_streamer, of_category = (
            Access.ADMIN,
            Access.LISTS,
            StreamerParameters,
            CategoryParameters,
        )
        images, files = "/api/images", "/data/images"
        streamer, category = f"{images}/streamer/{{id}}", f"{images}/category/{{name}}"
        return [
            Endpoint("GET", f"{images}/stats", self.all_statistics, ImagesStatistics),
            Endpoint("GET", f"{files}/stats", self.statistics, StreamerStatistics),
            Endpoint("GET", f"{images}/streamers", self.streamers, StreamerImages, access=lists),
            Endpoint("GET", f"{images}/categories", self.categories, CategoryImages, access=lists),
            Endpoint("GET", streamer, self.streamer, StreamerImage, of_streamer, access=lists),
            Endpoint("POST", f"{streamer}/download", self.download, Told, of_streamer, access=admin),
            Endpoint("GET", category, self.category, CategoryImage, of_category, access=lists),
            Endpoint("POST", f"{category}/download", self.download_cover, Told, of_category, access=admin),
            Endpoint("GET", f"{files}/profile/{{id}}", self.profile_url, ImageUrl, of_streamer, access=lists),
            Endpoint(
                "GET", f"{files}/category/{{name}}", self.cover_url, ImageUrl, of_category, access=lists
            ),
            Endpoint("POST", f"{images}/sync", self.sync, SyncOutcome, access=admin),
            Endpoint("POST", f"{files}/sync/profiles", self.sync_profiles, SyncOutcome, access=admin),
            Endpoint("POST", f"{files}/sync/categories", self.sync_categories, SyncOutcome, access=admin),
            Endpoint(
                "POST", f"{images}/sync/check-missing", self.check_missing, MissingOutcome, access=admin
            ),
            Endpoint("GET", f"{images}/sync/queue-status", self.queue_status, QueueStatus),
            *(
                Endpoint("POST", f"{where}/cleanup", self.clean, CleanupOutcome, DaysParameters, access=admin)
                for where in (images, files)
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
            *self._of_categories,
        ]

    @property
    def _of_categories(self) -> list[Endpoint]:
        admin, lists, path = Access.ADMIN, Access.LISTS, "/api/categories"
        names = CategoryNames
        return [
            Endpoint(
                "GET",
                f"{path}/image/{{name}}",
                self.category,
                CategoryImage,
                CategoryParameters,
                access=lists,
            ),
            Endpoint("POST", f"{path}/images/batch", self.batch, CategoryUrls, body=names, access=lists),
            Endpoint(
                "POST", f"{path}/preload-images", self.preload, ToldCategories, body=names, access=admin
            ),
            Endpoint(
                "POST", f"{path}/refresh-images", self.refresh, ToldCategories, body=names, access=admin
            ),
            Endpoint(
                "POST",
                f"{path}/cleanup-images",
                self.clean_covers,
                CleanupOutcome,
                DaysParameters,
                access=admin,
            ),
            Endpoint("GET", f"{path}/cache-status", self.cache_status, CategoryCacheStatus, access=lists),
            Endpoint("GET", f"{path}/missing-images", self.missing_images, MissingImages, access=lists),
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

    async def streamers(self, _asked: Parameters) -> StreamerImages:
        """The profile picture of each streamer."""
        shown = [await self._of_streamer(one) for one in await self._shelf.streamers.some()]
        return StreamerImages(streamers=tuple(shown), total=len(shown))

    async def categories(self, _asked: Parameters) -> CategoryImages:
        """The picture of each category."""
        shown = [await self._of_category(one) for one in await self._shelf.categories.some()]
        return CategoryImages(categories=tuple(shown), total=len(shown))

    async def streamer(self, asked: StreamerParameters) -> StreamerImage:
        """A streamer's profile picture."""
        return await self._of_streamer(await self._streamer(asked.id))

    async def download(self, asked: StreamerParameters) -> Told:
        """Have a streamer's pictures fetched, in the background."""
        streamer = await self._streamer(asked.id)
        pairs = list(self._pictures.of_streamer(streamer))
        if not pairs:
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"Nobody knows a profile picture of {streamer.username} yet."
            )
        await self._order(pairs)
        return Told(message=f"Profile image download started for {streamer.username}")

    async def category(self, asked: CategoryParameters) -> CategoryImage:
        """A category's picture; where it is not stored it is fetched from now on."""
        category = await self._shelf.category_called(asked.name)
        if category is None:
            return CategoryImage(category_name=asked.name, image_url=None, cached=False)
        shown = await self._of_category(category)
        if not shown.cached:
            await self._order(self._pictures.of_category(category))
        return shown

    async def download_cover(self, asked: CategoryParameters) -> Told:
        """Have a category's picture fetched, in the background; the category is added where it is not here."""
        await self._covers([asked.name])
        return Told(message=f"Category image download started for {asked.name}")

    async def profile_url(self, asked: StreamerParameters) -> ImageUrl:
        """Where a streamer's profile picture is."""
        return ImageUrl(image_url=await self._pictures.profile_url(await self._streamer(asked.id)))

    async def cover_url(self, asked: CategoryParameters) -> ImageUrl:
        """Where a category's picture is."""
        return ImageUrl(image_url=(await self.category(asked)).image_url)

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

    async def batch(self, _asked: Parameters, order: CategoryNames) -> CategoryUrls:
        """Where the pictures of many categories are."""
        shown = {name: await self.category(CategoryParameters(name=name)) for name in order.category_names}
        return CategoryUrls(category_images={name: one.image_url for name, one in shown.items()})

    async def preload(self, _asked: Parameters, order: CategoryNames) -> ToldCategories:
        """Have the pictures of these categories fetched; those that are not here are added."""
        await self._covers(order.category_names)
        count = len(order.category_names)
        return ToldCategories(
            message=f"Started preloading {count} category images", categories=order.category_names
        )

    async def refresh(self, _asked: Parameters, order: CategoryNames) -> ToldCategories:
        """The same, asking Twitch again where their pictures are."""
        for category in await self._covers(order.category_names):
            await self._shelf.categories.change(category.id, check_at=category.first_seen)
        self._refreshing.wake.set()
        count = len(order.category_names)
        return ToldCategories(
            message=f"Started refreshing {count} category images", categories=order.category_names
        )

    async def cache_status(self, _asked: Parameters) -> CategoryCacheStatus:
        """Of which categories pictures are stored."""
        shelved = await self._shelf.categories.some()
        stored = [
            one.name for one in shelved if await self._pictures.is_stored(naming.cover_of(one.cover_id))
        ]
        count = await self._upkeep.count(await self._upkeep.covers())
        return CategoryCacheStatus(
            cached_categories=len(stored),
            failed_downloads=count.failed,
            cache_directory="names/category",
            cached_categories_list=tuple(stored),
        )

    async def missing_images(self, _asked: Parameters) -> MissingImages:
        """Of which categories no pictures are stored, and why."""
        shelved, missing = await self._shelf.categories.some(), []
        for one in shelved:
            if await self._pictures.is_stored(naming.cover_of(one.cover_id)):
                continue
            reason = one.trouble
            for name, source in self._pictures.of_category(one):
                failure = await self._pictures.failure(name, source)
                reason = failure.reason if failure else reason
            missing.append(MissingCategory(id=one.id, name=one.name, reason=reason))
        return MissingImages(
            total_categories=len(shelved),
            have_images=len(shelved) - len(missing),
            missing_images=len(missing),
            missing_categories=tuple(missing),
        )

    async def _covers(self, names: Sequence[str]) -> Sequence[Category]:
        """Here, or added, and their pictures ordered where it is known where they are."""
        here = {name: await self._shelf.category_called(name) for name in names}
        try:
            await self._refreshing.add_categories(
                [NewCategory(name=name) for name, one in here.items() if one is None]
            )
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        categories = [one for one in here.values() if one]
        for one in categories:
            await self._order(self._pictures.of_category(one))
        return categories

    async def _order(self, pairs: Iterable[Pair]) -> None:
        for name, source in pairs:
            await self._pictures.order(name, source)

    async def _streamer(self, id_: str) -> Streamer:
        streamer = await self._shelf.streamer_called(id_)
        if streamer is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such streamer.")
        return streamer

    async def _of_streamer(self, streamer: Streamer) -> StreamerImage:
        return StreamerImage(
            streamer_id=streamer.id,
            username=streamer.username,
            image_url=await self._pictures.profile_url(streamer),
            original_image_url=streamer.profile_source,
            cached=await self._pictures.is_stored(naming.profile_of(streamer.id)),
        )

    async def _of_category(self, category: Category) -> CategoryImage:
        return CategoryImage(
            category_name=category.name,
            image_url=await self._pictures.cover_url(category),
            cached=await self._pictures.is_stored(naming.cover_of(category.cover_id)),
        )

    async def _waited(self, kind: str, arguments: Mapping[str, object]) -> ShownTask:
        task = await started(self._tasks, kind, arguments)
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while not task.state.ended:
                    await asyncio.sleep(LOOK_EVERY_S)
                    task = known(await self._tasks.get(task.id))
        return task
