"""Endpoints of streamers, categories and streams: adding, listing, reading, marking, removing."""

from http import HTTPStatus
from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.finder.providers.errors import ProviderError
from services.enricher.streamers import naming
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.refreshing import SEEN_AFTER, StreamerRefresh
from services.enricher.streamers.shelf import Category, LiveStream, NewCategory, Streamer, StreamShelf
from services.enricher.streamers.tables import categories, streamers, streams
from shared.http import Problem
from shared.pictures import HostRules, SourceUrl
from shared.telemetry import utc_now

MANY = 5_000
_Thing = TypeVar("_Thing")


class NumberParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class ShelfPageParameters(Parameters):
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10_000_000)
    favorites: bool = Field(default=False, description="Only what was marked as one")


class StreamListParameters(ShelfPageParameters):
    streamer_id: int | None = Field(None, ge=1, le=2**63 - 1)


class StreamerOrder(Body):
    """Who is to be added: by login, by Twitch's id, by the URL of a channel; or many at once."""

    login: str | None = Field(None, max_length=200, description="A login, or https://www.twitch.tv/…")
    twitch_id: str | None = Field(None, pattern=r"^[0-9]{1,20}$")
    url: str | None = Field(None, max_length=200)
    logins: tuple[str, ...] = Field((), max_length=MANY)
    twitch_ids: tuple[str, ...] = Field((), max_length=MANY)


class CategoryOrder(Body):
    """What is to be added: by its name, by Twitch's id; or many at once."""

    name: str | None = Field(None, max_length=200)
    twitch_id: str | None = Field(None, pattern=r"^[0-9]{1,20}$")
    names: tuple[str, ...] = Field((), max_length=MANY)
    twitch_ids: tuple[str, ...] = Field((), max_length=MANY)


class SearchParameters(Parameters):
    q: str = Field(min_length=1, max_length=200)


class StreamOrder(Body):
    streamer_id: int = Field(ge=1, le=2**63 - 1)
    twitch_id: str | None = Field(None, pattern=r"^[0-9]{1,20}$")
    category: str | None = Field(None, max_length=200, description="A category's name")
    title: str | None = Field(None, max_length=1000)
    started_at: AwareDatetime | None = None
    artwork_url: str | None = Field(None, max_length=8192)


class ArtworkOrder(Body):
    url: str = Field(max_length=8192)


class FavoriteOrder(Body):
    """Either of them."""

    category_id: int | None = Field(None, ge=1, le=2**63 - 1)
    category_name: str | None = Field(None, max_length=200)


class ShownStreamer(BaseModel):
    """`profile_image_url` is ours once the picture is stored, and the source's before; `original_…` is always the source's."""

    model_config = ConfigDict(frozen=True)

    id: int
    twitch_id: str | None
    username: str
    login: str | None
    display_name: str | None
    description: str | None
    profile_image_url: str | None
    original_profile_image_url: str | None
    offline_image_url: str | None
    original_offline_image_url: str | None
    is_favorite: bool
    is_live: bool
    added_at: AwareDatetime
    checked_at: AwareDatetime | None = Field(description="When Twitch was last asked")
    trouble: str | None = Field(description="Why Twitch says nothing")


class ShownStreamers(BaseModel):
    model_config = ConfigDict(frozen=True)

    streamers: tuple[ShownStreamer, ...]
    total: int


class ShownCategory(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    twitch_id: str | None
    name: str
    slug: str
    file_name: str = Field(description="What its picture is called in /data/images/categories, without .jpg")
    box_art_url: str | None = Field(description="Ours once it is stored, Twitch's before")
    original_box_art_url: str | None
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    is_favorite: bool
    checked_at: AwareDatetime | None
    trouble: str | None
    called_alike: tuple[str, ...] = Field(
        description="Names of others that would have the same file name, and so have a suffix, or made this one have it"
    )


class ShownCategories(BaseModel):
    model_config = ConfigDict(frozen=True)

    categories: tuple[ShownCategory, ...]
    total: int


class ShownThumbnail(BaseModel):
    taken_at: AwareDatetime
    image_url: str


class ShownStream(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    twitch_id: str | None
    streamer_id: int
    category_id: int | None
    title: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    artwork_url: str | None = Field(description="Ours once it is stored, the source's before")
    original_artwork_url: str | None
    history: tuple[ShownThumbnail, ...] = Field(
        (), description="What it looked like while it was live, the newest first"
    )


class ShownStreams(BaseModel):
    model_config = ConfigDict(frozen=True)

    streams: tuple[ShownStream, ...]
    total: int


class FoundCategory(BaseModel):
    twitch_id: str
    name: str
    box_art_url: str | None


class FoundCategories(BaseModel):
    categories: tuple[FoundCategory, ...]


class ShelfApi:
    def __init__(
        self, shelf: StreamShelf, pictures: ShelfPictures, refreshing: StreamerRefresh, rules: HostRules
    ) -> None:
        self._shelf = shelf
        self._pictures = pictures
        self._refreshing = refreshing
        self._rules = rules

    @property
    def endpoints(self) -> list[Endpoint]:
        admin, lists, path = Access.ADMIN, Access.LISTS, "/api/streamers"
        number, answer, one = NumberParameters, ShownStreamer, "/api/streamers/{id}"
        return [
            Endpoint("GET", path, self.streamers, ShownStreamers, ShelfPageParameters, access=lists),
            Endpoint(
                "POST",
                path,
                self.add_streamers,
                ShownStreamers,
                body=StreamerOrder,
                access=admin,
                status=HTTPStatus.CREATED,
            ),
            Endpoint("GET", one, self.streamer, answer, number, access=lists),
            Endpoint("DELETE", one, self.remove_streamer, None, number, access=admin),
            Endpoint("POST", f"{one}/refresh", self.refresh, answer, number, access=admin),
            Endpoint("PUT", f"{one}/favorite", self.favor, answer, number, access=admin),
            Endpoint("DELETE", f"{one}/favorite", self.disfavor, answer, number, access=admin),
            *self._of_categories,
            *self._of_streams,
        ]

    @property
    def _of_categories(self) -> list[Endpoint]:
        admin, lists, path = Access.ADMIN, Access.LISTS, "/api/categories"
        number, answer = NumberParameters, ShownCategory
        one = f"{path}/{{id:[0-9]+}}"
        return [
            Endpoint("GET", path, self.categories, ShownCategories, ShelfPageParameters, access=lists),
            Endpoint(
                "POST",
                path,
                self.add_categories,
                ShownCategories,
                body=CategoryOrder,
                access=admin,
                status=HTTPStatus.CREATED,
            ),
            Endpoint("GET", f"{path}/search", self.search, FoundCategories, SearchParameters, access=admin),
            Endpoint("GET", f"{path}/favorites", self.favorites, ShownCategories, access=lists),
            Endpoint(
                "POST", f"{path}/favorites", self.add_favorite, answer, body=FavoriteOrder, access=admin
            ),
            Endpoint("DELETE", f"{path}/favorites/{{id:[0-9]+}}", self.unmark, answer, number, access=admin),
            Endpoint("PUT", f"{one}/favorite", self.mark, answer, number, access=admin),
            Endpoint("DELETE", f"{one}/favorite", self.unmark, answer, number, access=admin),
            Endpoint("GET", one, self.category, answer, number, access=lists),
            Endpoint("DELETE", one, self.remove_category, None, number, access=admin),
        ]

    @property
    def _of_streams(self) -> list[Endpoint]:
        admin, lists, path = Access.ADMIN, Access.LISTS, "/api/streams"
        number, one = NumberParameters, "/api/streams/{id}"
        return [
            Endpoint("GET", path, self.streams, ShownStreams, StreamListParameters, access=lists),
            Endpoint(
                "POST",
                path,
                self.add_stream,
                ShownStream,
                body=StreamOrder,
                access=admin,
                status=HTTPStatus.CREATED,
            ),
            Endpoint("GET", one, self.stream, ShownStream, number, access=lists),
            Endpoint("DELETE", one, self.remove_stream, None, number, access=admin),
            Endpoint(
                "POST",
                f"{one}/artwork",
                self.set_artwork,
                ShownStream,
                number,
                body=ArtworkOrder,
                access=admin,
                status=HTTPStatus.ACCEPTED,
            ),
        ]

    async def add_streamers(self, _asked: Parameters, order: StreamerOrder) -> ShownStreamers:
        """Add streamers, by login, Twitch's id or URL. What Twitch says of them and their pictures come by themselves; of one
        alone Twitch is asked at once, and 404 is the answer where it knows none.
        """
        texts = [text for text in (order.login, order.url, *order.logins) if text]
        twitch_ids = [one for one in (order.twitch_id, *order.twitch_ids) if one]
        try:
            logins = [naming.login_in(text) for text in texts]
            twitch_ids = [naming.number_in(one) for one in twitch_ids]
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        if not logins and not twitch_ids:
            raise Problem(HTTPStatus.BAD_REQUEST, "Say who: login, twitch_id or url; or many.")
        added = await self._refreshing.add_streamers(logins=logins, twitch_ids=twitch_ids)
        if not added:
            raise Problem(HTTPStatus.NOT_FOUND, "Twitch knows no such streamer.")
        shown = [await self._streamer(one) for one in added]
        return ShownStreamers(streamers=tuple(shown), total=len(shown))

    async def streamers(self, asked: ShelfPageParameters) -> ShownStreamers:
        """Streamers, in the order in which they were added."""
        chosen = [streamers.c.is_favorite.is_(True)] if asked.favorites else []
        found = await self._shelf.streamers.some(*chosen, limit=asked.limit, offset=asked.offset)
        shown = [await self._streamer(one) for one in found]
        return ShownStreamers(streamers=tuple(shown), total=await self._shelf.streamers.count(*chosen))

    async def streamer(self, asked: NumberParameters) -> ShownStreamer:
        """One streamer. Twitch is asked again soon, where that was not done for an hour."""
        streamer = _known(await self._shelf.streamers.get(asked.id))
        if await self._shelf.mark_seen(streamers, streamer.id, utc_now() - SEEN_AFTER):
            self._refreshing.wake.set()
        return await self._streamer(streamer)

    async def remove_streamer(self, asked: NumberParameters) -> None:
        """Remove a streamer with all streams and pictures."""
        streamer = _known(await self._shelf.streamers.get(asked.id))
        of_streams = await self._shelf.streams.some(streams.c.streamer_id == streamer.id)
        names = [naming.profile_of(streamer.id), naming.banner_of(streamer.id)]
        if streamer.twitch_id:
            by_twitch = naming.twitchs(streamer.twitch_id)
            names += [naming.profile_of(by_twitch), naming.banner_of(by_twitch)]
        for stream in of_streams:
            await self._forget_stream(stream)
        await self._shelf.streamers.remove(streamer.id)
        for name in names:
            await self._pictures.finder.forget(name)
        self._refreshing.changed()

    async def refresh(self, asked: NumberParameters) -> ShownStreamer:
        """Ask Twitch about a streamer now."""
        streamer = _known(await self._shelf.streamers.get(asked.id))
        try:
            await self._refreshing.streamers([streamer])
        except ProviderError as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.reason) from None
        return await self._streamer(_known(await self._shelf.streamers.get(asked.id)))

    async def favor(self, asked: NumberParameters) -> ShownStreamer:
        """Mark a streamer as a favourite."""
        return await self._favored(asked.id, favorite=True)

    async def disfavor(self, asked: NumberParameters) -> ShownStreamer:
        """Let a streamer be no favourite any more."""
        return await self._favored(asked.id, favorite=False)

    async def _favored(self, number: int, *, favorite: bool) -> ShownStreamer:
        await self._shelf.streamers.change(number, is_favorite=favorite)
        return await self._streamer(_known(await self._shelf.streamers.get(number)))

    async def add_categories(self, _asked: Parameters, order: CategoryOrder) -> ShownCategories:
        """Add categories, by name or Twitch's id. Of one alone Twitch is asked at once."""
        wanted = [NewCategory(name=name) for name in order.names]
        if order.name or order.twitch_id:
            wanted.append(NewCategory(name=order.name, twitch_id=order.twitch_id))
        if not wanted and not order.twitch_ids:
            raise Problem(HTTPStatus.BAD_REQUEST, "Say what: name or twitch_id; or many.")
        try:
            wanted += [NewCategory(twitch_id=naming.number_in(one)) for one in order.twitch_ids]
            added = await self._refreshing.add_categories(wanted)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        shown = [await self._category(one) for one in added]
        return ShownCategories(categories=tuple(shown), total=len(shown))

    async def search(self, asked: SearchParameters) -> FoundCategories:
        """Categories at Twitch, by words of their names."""
        try:
            found = await self._refreshing.search(asked.q)
        except ProviderError as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.reason) from None
        return FoundCategories(
            categories=tuple(
                FoundCategory(twitch_id=one.id, name=one.name, box_art_url=one.cover(285, 380))
                for one in found
            )
        )

    async def categories(self, asked: ShelfPageParameters) -> ShownCategories:
        """Categories, in the order in which they were first seen."""
        chosen = [categories.c.is_favorite.is_(True)] if asked.favorites else []
        found = await self._shelf.categories.some(*chosen, limit=asked.limit, offset=asked.offset)
        shown = [await self._category(one) for one in found]
        return ShownCategories(categories=tuple(shown), total=await self._shelf.categories.count(*chosen))

    async def favorites(self, _asked: Parameters) -> ShownCategories:
        """Categories that somebody marked."""
        found = await self._shelf.categories.some(categories.c.is_favorite.is_(True))
        shown = [await self._category(one) for one in found]
        return ShownCategories(categories=tuple(shown), total=len(shown))

    async def add_favorite(self, _asked: Parameters, order: FavoriteOrder) -> ShownCategory:
        """Mark a category as a favourite, by its number or its name."""
        if order.category_id is not None:
            category = _known(await self._shelf.categories.get(order.category_id))
        else:
            category = _known(await self._shelf.category_called(order.category_name or ""))
        return await self._marked(category.id, favorite=True)

    async def mark(self, asked: NumberParameters) -> ShownCategory:
        """Mark a category as a favourite."""
        return await self._marked(asked.id, favorite=True)

    async def unmark(self, asked: NumberParameters) -> ShownCategory:
        """Let a category be no favourite any more."""
        return await self._marked(asked.id, favorite=False)

    async def _marked(self, number: int, *, favorite: bool) -> ShownCategory:
        await self._shelf.categories.change(number, is_favorite=favorite)
        return await self._category(_known(await self._shelf.categories.get(number)))

    async def category(self, asked: NumberParameters) -> ShownCategory:
        """One category. Twitch is asked again soon, where that was not done for an hour."""
        category = _known(await self._shelf.categories.get(asked.id))
        if await self._shelf.mark_seen(categories, category.id, utc_now() - SEEN_AFTER):
            self._refreshing.wake.set()
        return await self._category(category)

    async def remove_category(self, asked: NumberParameters) -> None:
        """Remove a category with its picture."""
        category = _known(await self._shelf.categories.get(asked.id))
        await self._shelf.categories.remove(category.id)
        aliases = {category.cover_id, category.slug}
        if category.twitch_id:
            aliases.add(naming.twitchs(category.twitch_id))
        for one in aliases:
            await self._pictures.finder.forget(naming.cover_of(one))
        self._refreshing.changed()

    async def add_stream(self, _asked: Parameters, order: StreamOrder) -> ShownStream:
        """Add a stream of a streamer, with its artwork where that is known; the one that Twitch calls so, where it is here."""
        streamer = _known(await self._shelf.streamers.get(order.streamer_id))
        source = self._source(order.artwork_url) if order.artwork_url else None
        category = None
        if order.category:
            try:
                [category] = await self._refreshing.add_categories([NewCategory(name=order.category)])
            except ValueError as error:
                raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        stream = await self._shelf.put_stream(
            streamer.id,
            order.twitch_id,
            started_at=order.started_at or utc_now(),
            title=order.title,
            category_id=category.id if category else None,
            **({"artwork_source": str(source)} if source else {}),
        )
        await self._order(stream)
        return await self._stream(stream)

    async def streams(self, asked: StreamListParameters) -> ShownStreams:
        """Streams, of a streamer or of all, in the order in which they came here."""
        chosen = [] if asked.streamer_id is None else [streams.c.streamer_id == asked.streamer_id]
        found = await self._shelf.streams.some(*chosen, limit=asked.limit, offset=asked.offset)
        shown = [await self._stream(one) for one in found]
        return ShownStreams(streams=tuple(shown), total=await self._shelf.streams.count(*chosen))

    async def stream(self, asked: NumberParameters) -> ShownStream:
        """One stream, with what it looked like while it was live."""
        stream = _known(await self._shelf.streams.get(asked.id))
        shown = await self._stream(stream)
        history = tuple(
            ShownThumbnail(taken_at=one.taken_at, image_url=self._pictures.urls.by_name(one.name, "original"))
            for one in await self._shelf.thumbnails(stream.id)
        )
        return shown.model_copy(update={"history": history})

    async def remove_stream(self, asked: NumberParameters) -> None:
        """Remove a stream with its artwork."""
        stream = _known(await self._shelf.streams.get(asked.id))
        await self._forget_stream(stream)
        self._refreshing.changed()

    async def _forget_stream(self, stream: LiveStream) -> None:
        history = await self._shelf.thumbnails(stream.id)
        await self._shelf.streams.remove(stream.id)
        for name in (naming.artwork_of(stream.id), *(one.name for one in history)):
            await self._pictures.finder.forget(name)

    async def set_artwork(self, asked: NumberParameters, order: ArtworkOrder) -> ShownStream:
        """Have a stream show the picture at this URL, as soon as it is stored."""
        stream = _known(await self._shelf.streams.get(asked.id))
        await self._shelf.streams.change(stream.id, artwork_source=str(self._source(order.url)))
        stream = _known(await self._shelf.streams.get(asked.id))
        await self._order(stream)
        return await self._stream(stream)

    async def _order(self, stream: LiveStream) -> None:
        for name, source in self._pictures.of_stream(stream):
            await self._pictures.order(name, source)
        self._refreshing.changed()

    def _source(self, url: str) -> SourceUrl:
        """Raise Problem for what is no URL of a picture that may be fetched."""
        try:
            source = self._rules.source(url)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        if not self._rules.allow(source):
            raise Problem(HTTPStatus.FORBIDDEN, f"Pictures are not fetched from {source.authority}.")
        return source

    async def _streamer(self, one: Streamer) -> ShownStreamer:
        return ShownStreamer(
            id=one.id,
            twitch_id=one.twitch_id,
            username=one.username,
            login=one.login,
            display_name=one.display_name,
            description=one.description,
            profile_image_url=await self._pictures.profile_url(one),
            original_profile_image_url=one.profile_source,
            offline_image_url=await self._pictures.banner_url(one),
            original_offline_image_url=one.offline_source,
            is_favorite=one.is_favorite,
            is_live=one.live_at is not None,
            added_at=one.added_at,
            checked_at=one.checked_at,
            trouble=one.trouble,
        )

    async def _category(self, one: Category) -> ShownCategory:
        alike = await self._shelf.called_alike(one)
        return ShownCategory(
            id=one.id,
            twitch_id=one.twitch_id,
            name=one.name,
            slug=one.slug,
            file_name=one.file_name,
            box_art_url=await self._pictures.cover_url(one),
            original_box_art_url=one.small_source,
            first_seen=one.first_seen,
            last_seen=one.last_seen,
            is_favorite=one.is_favorite,
            checked_at=one.checked_at,
            trouble=one.trouble,
            called_alike=tuple(other.name for other in alike),
        )

    async def _stream(self, one: LiveStream) -> ShownStream:
        return ShownStream(
            id=one.id,
            twitch_id=one.twitch_id,
            streamer_id=one.streamer_id,
            category_id=one.category_id,
            title=one.title,
            started_at=one.started_at,
            ended_at=one.ended_at,
            artwork_url=await self._pictures.artwork_url(one),
            original_artwork_url=one.artwork_source,
        )


def _known(thing: _Thing | None) -> _Thing:
    if thing is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such thing in the library.")
    return thing
