"""Endpoints by which StreamVault's pages and scripts ask where pictures are, and have them fetched, with the fields that they know."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field, model_validator

from services.enricher.api.endpoint import Access, Body, Endpoint, Handler, Parameters
from services.enricher.streamers import naming
from services.enricher.streamers.pictures import Pair, ShelfPictures
from services.enricher.streamers.refreshing import StreamerRefresh
from services.enricher.streamers.rows import Category, NewCategory, Streamer
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.upkeep import Upkeep
from shared.http import Problem

NAMES_AT_MOST = 500


class StreamerParameters(Parameters):
    id: str = Field(max_length=40, description="Ours, or Twitch's as tw:123")


class CategoryParameters(Parameters):
    name: str = Field(max_length=300, description="As Twitch calls it, or its file")


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


class ImagesApi:
    def __init__(
        self, shelf: StreamShelf, pictures: ShelfPictures, refreshing: StreamerRefresh, upkeep: Upkeep
    ) -> None:
        self._shelf = shelf
        self._pictures = pictures
        self._refreshing = refreshing
        self._upkeep = upkeep

    @property
    def endpoints(self) -> list[Endpoint]:
        of_streamer, of_category = StreamerParameters, CategoryParameters
        images, files, path = "/api/images", "/data/images", "/api/categories"
        streamer, category = f"{images}/streamer/{{id}}", f"{images}/category/{{name}}"
        return [
            _shows(f"{images}/streamers", self.streamers, StreamerImages),
            _shows(f"{images}/categories", self.categories, CategoryImages),
            _shows(streamer, self.streamer, StreamerImage, of_streamer),
            _has_fetched(f"{streamer}/download", self.download, Told, of_streamer),
            _shows(category, self.category, CategoryImage, of_category),
            _has_fetched(f"{category}/download", self.download_cover, Told, of_category),
            _shows(f"{files}/profile/{{id}}", self.profile_url, ImageUrl, of_streamer),
            _shows(f"{files}/category/{{name}}", self.cover_url, ImageUrl, of_category),
            _shows(f"{path}/image/{{name}}", self.category, CategoryImage, of_category),
            _of_many(f"{path}/images/batch", self.batch, CategoryUrls, Access.LISTS),
            _of_many(f"{path}/preload-images", self.preload, ToldCategories, Access.ADMIN),
            _of_many(f"{path}/refresh-images", self.refresh, ToldCategories, Access.ADMIN),
            _shows(f"{path}/cache-status", self.cache_status, CategoryCacheStatus),
            _shows(f"{path}/missing-images", self.missing_images, MissingImages),
        ]

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


def _shows(
    path: str, answer: Handler, shown: type[BaseModel], asked: type[Parameters] = Parameters
) -> Endpoint:
    return Endpoint("GET", path, answer, shown, asked, access=Access.LISTS)


def _has_fetched(path: str, answer: Handler, shown: type[BaseModel], asked: type[Parameters]) -> Endpoint:
    return Endpoint("POST", path, answer, shown, asked, access=Access.ADMIN)


def _of_many(path: str, answer: Handler, shown: type[BaseModel], access: Access) -> Endpoint:
    return Endpoint("POST", path, answer, shown, body=CategoryNames, access=access)
