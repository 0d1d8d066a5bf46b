"""What hangs beside the library's titles: streamers, categories and streams, the characters of a title, and what users uploaded."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from services.enricher.api.access import Access
from services.enricher.library.item import name_of
from services.enricher.library.pages.enrichment import EnrichedItem
from services.enricher.pages.gallery import AT_ONCE, FACES, ShownPosters, WallQuery
from services.enricher.pages.site import OwnApi, Sheet, Site
from services.enricher.pictures.shown import PictureUrls, ShownPicture, usual_size
from services.enricher.streamers import naming
from shared.http import Problem
from shared.pictures import Name, Role
from shared.pictures.name import file_id

STREAMS = 60
TWITCH = ("twitch",)


@dataclass(frozen=True, slots=True)
class ShelfCard:
    """A streamer, category or stream on its wall. `picture`: None where nobody knows one."""

    one: Any
    picture: ShownPicture | None


@dataclass(frozen=True, slots=True)
class ShelfWall:
    """One wall of them. `path` is the page's, `one` that of each; both begin the API's, too."""

    path: str
    one: str
    shape: str


_STREAMERS = ShelfWall("/streamers", "/streamer", "square")
_CATEGORIES = ShelfWall("/categories", "/category", "covers")


class Shelves:
    def __init__(self, api: OwnApi, posters: ShownPosters, urls: PictureUrls) -> None:
        self._api = api
        self._posters = posters
        self._urls = urls

    def routes(self, site: Site) -> list[web.RouteDef]:
        reading, admin = Access.LISTS, Access.ADMIN
        return [
            site.page("/streamers", self._streamers, reading),
            site.page("/streamer/{id:[0-9]+}", self._streamer, reading),
            site.page("/stream/{id:[0-9]+}", self._stream, reading),
            site.page("/categories", self._categories, reading),
            site.page("/category/{id:[0-9]+}", self._category, reading),
            site.page("/title/{id:[0-9]+}/characters", self._characters, reading),
            site.page("/title/{id:[0-9]+}/character", self._character, admin),
            site.page("/uploads", self._uploads, admin),
        ]

    async def _streamers(self, request: web.Request) -> Sheet:
        return await self._wall(request, _STREAMERS)

    async def _categories(self, request: web.Request) -> Sheet:
        return await self._wall(request, _CATEGORIES)

    async def _wall(self, request: web.Request, shelf: ShelfWall) -> Sheet:
        page, favorites = WallQuery.of(request.query).page, request.query.get("only") == "favorites"
        found = await self._api.ask(
            f"GET /api{shelf.path}", limit=AT_ONCE, offset=(page - 1) * AT_ONCE, favorites=favorites
        )
        shown = found.streamers if shelf is _STREAMERS else found.categories
        only = "&only=favorites" if favorites else ""
        left = found.total - page * AT_ONCE
        values = {
            "shelf": shelf,
            "total": found.total,
            "favorites": favorites,
            "cards": await asyncio.gather(*map(self._card, shown)),
            "path": f"{shelf.path}?page={page}{only}",
            "earlier": f"{shelf.path}?page={page - 1}{only}" if page > 1 else None,
            "later": f"{shelf.path}?page={page + 1}{only}" if left > 0 else None,
            "coming": min(AT_ONCE, left),
            "query": WallQuery(),
            "attributed": TWITCH,
        }
        return Sheet("shelf.html", values)

    async def _card(self, one: Any) -> ShelfCard:
        """Of a streamer, or of a category."""
        if hasattr(one, "slug"):
            known, name = one.original_box_art_url, naming.cover_of(file_id(one.file_name))
        else:
            known, name = one.original_profile_image_url, naming.profile_of(one.id)
        return ShelfCard(one, await self._shown(name, known))

    async def _shown(self, name: Name, known: str | None) -> ShownPicture | None:
        return await self._posters.named(name) if known else None

    async def _streamer(self, request: web.Request) -> Sheet:
        one = await self._api.ask("GET /api/streamers/{id}", id=request.match_info["id"])
        found = await self._api.ask("GET /api/streams", streamer_id=one.id, limit=STREAMS)
        streams = sorted(found.streams, key=lambda stream: stream.started_at, reverse=True)
        values = {
            "one": one,
            "picture": await self._shown(naming.profile_of(one.id), one.original_profile_image_url),
            "banner": await self._shown(naming.banner_of(one.id), one.original_offline_image_url),
            "streams": await asyncio.gather(*map(self._of_stream, streams)),
            "attributed": TWITCH,
        }
        return Sheet("streamer.html", values)

    async def _of_stream(self, stream: Any) -> ShelfCard:
        return ShelfCard(stream, await self._shown(naming.artwork_of(stream.id), stream.original_artwork_url))

    async def _stream(self, request: web.Request) -> Sheet:
        stream = await self._api.ask("GET /api/streams/{id}", id=request.match_info["id"])
        streamer = await self._api.ask("GET /api/streamers/{id}", id=stream.streamer_id)
        values = {
            "one": stream,
            "streamer": streamer,
            "picture": (await self._of_stream(stream)).picture,
            "attributed": TWITCH,
        }
        return Sheet("stream.html", values)

    async def _category(self, request: web.Request) -> Sheet:
        one = await self._api.ask("GET /api/categories/{id}", id=request.match_info["id"])
        values = {"one": one, "picture": (await self._card(one)).picture, "attributed": TWITCH}
        return Sheet("category.html", values)

    async def _item(self, request: web.Request) -> EnrichedItem:
        item = await self._api.ask("GET /api/library/items/{id}", id=request.match_info["id"])
        return EnrichedItem.model_validate(item)

    async def _characters(self, request: web.Request) -> Sheet:
        """Each character of the cast with its best picture: whoever has a cast is asked for it once."""
        item = await self._item(request)
        title = _title_of(item)
        preloaded = await self._api.ask("POST /api/v1/characters/preload", **title)
        cast = await self._cast(item)
        found = await asyncio.gather(*(self._character_of(title, one) for one in cast))
        values = {"item": item, "preloaded": preloaded, "characters": list(zip(cast, found, strict=True))}
        return Sheet("characters.html", values)

    async def _cast(self, item: EnrichedItem) -> Sequence[Any]:
        credits_ = await self._api.if_had(f"GET /api/tmdb/{item.media_type}/{{id}}/credits", id=item.tmdb_id)
        return [one for one in (credits_["cast"] if credits_ else ()) if one["character"]][:FACES]

    async def _character_of(self, title: dict[str, object], one: Any) -> Any:
        return await self._api.if_had("GET /api/v1/characters/image", name=one["character"], **title)

    async def _character(self, request: web.Request) -> Sheet:
        """Every candidate for a character's picture, and why one of them is shown."""
        item, name = await self._item(request), request.query.get("name", "")
        explained = await self._api.ask("GET /api/v1/admin/characters/explain", name=name, **_title_of(item))
        thumbnails = {
            one.image_url: self._urls.by_source(one.image_url, usual_size(Role.PROFILE))
            for one in explained.candidates
            if one.image_url.startswith("http")
        }
        values = {"item": item, "name": name, "explained": explained, "thumbnails": thumbnails}
        return Sheet("character.html", values | {"title": _title_of(item)})

    async def _uploads(self, request: web.Request) -> Sheet:
        page = WallQuery.of(request.query).page
        found = await self._api.ask("GET /api/images", limit=AT_ONCE, offset=(page - 1) * AT_ONCE)
        more = page * AT_ONCE < found.total
        return Sheet("uploads.html", {"found": found, "page": page, "more": more})


def _title_of(item: EnrichedItem) -> dict[str, object]:
    """As characters are asked for. Raise Problem for a title without an id, whose cast nobody can say."""
    if not item.tmdb_id or name_of(item, Role.POSTER) is None:
        raise Problem(HTTPStatus.NOT_FOUND, "No provider's id of the title is known.")
    return {"movie_title": f"tmdb:{item.tmdb_id}", "media_type": item.media_type}
