"""Endpoints of streamers, categories and streams: adding, listing, reading, marking, removing."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel

from services.enricher.api.endpoint import Access, Body, Endpoint, Handler, Parameters
from services.enricher.finder.providers.errors import ProviderError
from services.enricher.streamers import naming
from services.enricher.streamers.api import listed
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.refreshing import SEEN_AFTER, StreamerRefresh
from services.enricher.streamers.rows import Category, LiveStream, NewCategory, Streamer
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.tables import categories, streamers, streams
from shared.http import Problem
from shared.pictures import HostRules, SourceUrl
from shared.telemetry import utc_now

_Thing = TypeVar("_Thing")


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
        admin, lists, page = Access.ADMIN, Access.LISTS, listed.ShelfPageParameters
        number, streamer, category = listed.NumberParameters, listed.ShownStreamer, listed.ShownCategory
        of_streamer, path = "/api/streamers/{id}", "/api/categories"
        of_category, favorites = f"{path}/{{id:[0-9]+}}", f"{path}/favorites"
        return [
            *_of_kind(
                of_streamer,
                (self.streamers, page, listed.ShownStreamers),
                (self.add_streamers, listed.StreamerOrder, listed.ShownStreamers),
                (self.streamer, self.remove_streamer, streamer),
            ),
            Endpoint("POST", f"{of_streamer}/refresh", self.refresh, streamer, number, access=admin),
            Endpoint("PUT", f"{of_streamer}/favorite", self.favor, streamer, number, access=admin),
            Endpoint("DELETE", f"{of_streamer}/favorite", self.disfavor, streamer, number, access=admin),
            *_of_kind(
                of_category,
                (self.categories, page, listed.ShownCategories),
                (self.add_categories, listed.CategoryOrder, listed.ShownCategories),
                (self.category, self.remove_category, category),
            ),
            Endpoint(
                "GET",
                f"{path}/search",
                self.search,
                listed.FoundCategories,
                listed.SearchParameters,
                access=admin,
            ),
            Endpoint("GET", favorites, self.favorites, listed.ShownCategories, access=lists),
            Endpoint("POST", favorites, self.add_favorite, category, body=listed.FavoriteOrder, access=admin),
            Endpoint("DELETE", f"{favorites}/{{id:[0-9]+}}", self.unmark, category, number, access=admin),
            Endpoint("PUT", f"{of_category}/favorite", self.mark, category, number, access=admin),
            Endpoint("DELETE", f"{of_category}/favorite", self.unmark, category, number, access=admin),
            *_of_kind(
                "/api/streams/{id}",
                (self.streams, listed.StreamListParameters, listed.ShownStreams),
                (self.add_stream, listed.StreamOrder, listed.ShownStream),
                (self.stream, self.remove_stream, listed.ShownStream),
            ),
            Endpoint(
                "POST",
                "/api/streams/{id}/artwork",
                self.set_artwork,
                listed.ShownStream,
                number,
                body=listed.ArtworkOrder,
                access=admin,
                status=HTTPStatus.ACCEPTED,
            ),
        ]

    async def add_streamers(self, _asked: Parameters, order: listed.StreamerOrder) -> listed.ShownStreamers:
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
        return listed.ShownStreamers(streamers=tuple(shown), total=len(shown))

    async def streamers(self, asked: listed.ShelfPageParameters) -> listed.ShownStreamers:
        """Streamers, in the order in which they were added."""
        chosen = [streamers.c.is_favorite.is_(True)] if asked.favorites else []
        found = await self._shelf.streamers.some(*chosen, limit=asked.limit, offset=asked.offset)
        shown = [await self._streamer(one) for one in found]
        return listed.ShownStreamers(streamers=tuple(shown), total=await self._shelf.streamers.count(*chosen))

    async def streamer(self, asked: listed.NumberParameters) -> listed.ShownStreamer:
        """One streamer. Twitch is asked again soon, where that was not done for an hour."""
        streamer = _known(await self._shelf.streamers.get(asked.id))
        if await self._shelf.mark_seen(streamers, streamer.id, utc_now() - SEEN_AFTER):
            self._refreshing.wake.set()
        return await self._streamer(streamer)

    async def remove_streamer(self, asked: listed.NumberParameters) -> None:
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

    async def refresh(self, asked: listed.NumberParameters) -> listed.ShownStreamer:
        """Ask Twitch about a streamer now."""
        streamer = _known(await self._shelf.streamers.get(asked.id))
        try:
            await self._refreshing.streamers([streamer])
        except ProviderError as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.reason) from None
        return await self._streamer(_known(await self._shelf.streamers.get(asked.id)))

    async def favor(self, asked: listed.NumberParameters) -> listed.ShownStreamer:
        """Mark a streamer as a favourite."""
        return await self._favored(asked.id, favorite=True)

    async def disfavor(self, asked: listed.NumberParameters) -> listed.ShownStreamer:
        """Let a streamer be no favourite any more."""
        return await self._favored(asked.id, favorite=False)

    async def _favored(self, number: int, *, favorite: bool) -> listed.ShownStreamer:
        await self._shelf.streamers.change(number, is_favorite=favorite)
        return await self._streamer(_known(await self._shelf.streamers.get(number)))

    async def add_categories(self, _asked: Parameters, order: listed.CategoryOrder) -> listed.ShownCategories:
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
        shown = await self._categories(added)
        return listed.ShownCategories(categories=tuple(shown), total=len(shown))

    async def search(self, asked: listed.SearchParameters) -> listed.FoundCategories:
        """Categories at Twitch, by words of their names."""
        try:
            found = await self._refreshing.search(asked.q)
        except ProviderError as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.reason) from None
        return listed.FoundCategories(
            categories=tuple(
                listed.FoundCategory(twitch_id=one.id, name=one.name, box_art_url=one.cover(285, 380))
                for one in found
            )
        )

    async def categories(self, asked: listed.ShelfPageParameters) -> listed.ShownCategories:
        """Categories, in the order in which they were first seen."""
        chosen = [categories.c.is_favorite.is_(True)] if asked.favorites else []
        found = await self._shelf.categories.some(*chosen, limit=asked.limit, offset=asked.offset)
        shown = await self._categories(found)
        return listed.ShownCategories(
            categories=tuple(shown), total=await self._shelf.categories.count(*chosen)
        )

    async def favorites(self, _asked: Parameters) -> listed.ShownCategories:
        """Categories that somebody marked."""
        found = await self._shelf.categories.some(categories.c.is_favorite.is_(True))
        shown = await self._categories(found)
        return listed.ShownCategories(categories=tuple(shown), total=len(shown))

    async def add_favorite(self, _asked: Parameters, order: listed.FavoriteOrder) -> listed.ShownCategory:
        """Mark a category as a favourite, by its number or its name."""
        if order.category_id is not None:
            category = _known(await self._shelf.categories.get(order.category_id))
        else:
            category = _known(await self._shelf.category_called(order.category_name or ""))
        return await self._marked(category.id, favorite=True)

    async def mark(self, asked: listed.NumberParameters) -> listed.ShownCategory:
        """Mark a category as a favourite."""
        return await self._marked(asked.id, favorite=True)

    async def unmark(self, asked: listed.NumberParameters) -> listed.ShownCategory:
        """Let a category be no favourite any more."""
        return await self._marked(asked.id, favorite=False)

    async def _marked(self, number: int, *, favorite: bool) -> listed.ShownCategory:
        await self._shelf.categories.change(number, is_favorite=favorite)
        return await self._category(_known(await self._shelf.categories.get(number)))

    async def category(self, asked: listed.NumberParameters) -> listed.ShownCategory:
        """One category. Twitch is asked again soon, where that was not done for an hour."""
        category = _known(await self._shelf.categories.get(asked.id))
        if await self._shelf.mark_seen(categories, category.id, utc_now() - SEEN_AFTER):
            self._refreshing.wake.set()
        return await self._category(category)

    async def remove_category(self, asked: listed.NumberParameters) -> None:
        """Remove a category with its picture."""
        category = _known(await self._shelf.categories.get(asked.id))
        await self._shelf.categories.remove(category.id)
        aliases = {category.cover_id, category.slug}
        if category.twitch_id:
            aliases.add(naming.twitchs(category.twitch_id))
        for one in aliases:
            await self._pictures.finder.forget(naming.cover_of(one))
        self._refreshing.changed()

    async def add_stream(self, _asked: Parameters, order: listed.StreamOrder) -> listed.ShownStream:
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

    async def streams(self, asked: listed.StreamListParameters) -> listed.ShownStreams:
        """Streams, of a streamer or of all, in the order in which they came here."""
        chosen = [] if asked.streamer_id is None else [streams.c.streamer_id == asked.streamer_id]
        found = await self._shelf.streams.some(*chosen, limit=asked.limit, offset=asked.offset)
        shown = [await self._stream(one) for one in found]
        return listed.ShownStreams(streams=tuple(shown), total=await self._shelf.streams.count(*chosen))

    async def stream(self, asked: listed.NumberParameters) -> listed.ShownStream:
        """One stream, with what it looked like while it was live."""
        stream = _known(await self._shelf.streams.get(asked.id))
        shown = await self._stream(stream)
        history = tuple(
            listed.ShownThumbnail(
                taken_at=one.taken_at, image_url=self._pictures.urls.by_name(one.name, "original")
            )
            for one in await self._shelf.thumbnails(stream.id)
        )
        return shown.model_copy(update={"history": history})

    async def remove_stream(self, asked: listed.NumberParameters) -> None:
        """Remove a stream with its artwork."""
        stream = _known(await self._shelf.streams.get(asked.id))
        await self._forget_stream(stream)
        self._refreshing.changed()

    async def _forget_stream(self, stream: LiveStream) -> None:
        history = await self._shelf.thumbnails(stream.id)
        await self._shelf.streams.remove(stream.id)
        for name in (naming.artwork_of(stream.id), *(one.name for one in history)):
            await self._pictures.finder.forget(name)

    async def set_artwork(
        self, asked: listed.NumberParameters, order: listed.ArtworkOrder
    ) -> listed.ShownStream:
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

    async def _streamer(self, one: Streamer) -> listed.ShownStreamer:
        return listed.ShownStreamer(
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

    async def _category(self, one: Category) -> listed.ShownCategory:
        [shown] = await self._categories([one])
        return shown

    async def _categories(self, some: Sequence[Category]) -> Sequence[listed.ShownCategory]:
        alike, shown = await self._shelf.called_alike(some), []
        for one in some:
            await asyncio.sleep(0)  # looking at the volume takes time, and there may be thousands
            shown.append(await self._shown_category(one, alike[one.id]))
        return shown

    async def _shown_category(self, one: Category, alike: Sequence[str]) -> listed.ShownCategory:
        return listed.ShownCategory(
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
            called_alike=tuple(alike),
        )

    async def _stream(self, one: LiveStream) -> listed.ShownStream:
        return listed.ShownStream(
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


def _of_kind(
    one: str,
    all_of_them: tuple[Handler, type[Parameters], type[BaseModel]],
    add: tuple[Handler, type[Body], type[BaseModel]],
    each: tuple[Handler, Handler, type[BaseModel]],
) -> Sequence[Endpoint]:
    """What streamers, categories and streams have alike: all of them, adding, one, removing it. `one`: its path."""
    path, number = one.partition("/{id")[0], listed.NumberParameters
    read, asked, shown_all = all_of_them
    added, order, shown_added = add
    get, remove, shown = each
    return (
        Endpoint("GET", path, read, shown_all, asked, access=Access.LISTS),
        Endpoint(
            "POST", path, added, shown_added, body=order, access=Access.ADMIN, status=HTTPStatus.CREATED
        ),
        Endpoint("GET", one, get, shown, number, access=Access.LISTS),
        Endpoint("DELETE", one, remove, None, number, access=Access.ADMIN),
    )


def _known(thing: _Thing | None) -> _Thing:
    if thing is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such thing in the library.")
    return thing
