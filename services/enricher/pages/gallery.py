"""The gallery: the wall of posters, a title with its pictures, and the forms that bring titles in."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from services.enricher.api.access import Access
from services.enricher.finder import Finder
from services.enricher.finder.providers import Condition
from services.enricher.library.item import ItemOrder, MediaType, name_of
from services.enricher.library.pages.enrichment import EnrichedItem, EnrichedList
from services.enricher.pages import account
from services.enricher.pages.site import OwnApi, Sheet, Site
from services.enricher.pictures.shown import PictureUrls, ShownPicture, ShownPictures, usual_size
from shared.http import Problem
from shared.pictures import Name, Role
from shared.volume import Names

AT_ONCE = 60
PAGES_AT_MOST = 100_000
FACES = 18
ROLES = (Role.POSTER, Role.FANART, Role.LOGO, Role.BANNER)
_LARGE_POSTER = (342, 500, 780)
WHERE_KEYS_ARE = {
    "tmdb": "https://www.themoviedb.org/settings/api",
    "trakt": "https://trakt.tv/oauth/applications",
    "tvdb": "https://thetvdb.com/api-information",
    "fanart": "https://fanart.tv/get-an-api-key/",
    "twitch": "https://dev.twitch.tv/console/apps",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A title on the wall. `poster`: None where nobody knows one."""

    item: EnrichedItem
    poster: ShownPicture | None


ONLY = ("watched", "watchlist")
"""What of somebody's own titles is looked at alone."""


@dataclass(frozen=True, slots=True)
class WallQuery:
    """What is looked at, as the address says it. `only`: one of ONLY, or nothing."""

    text: str = ""
    media_type: MediaType | None = None
    order: ItemOrder = ItemOrder.NEWEST
    page: int = 1
    only: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "WallQuery":
        """Whatever cannot be read is left out."""
        kind, order, page = query.get("type"), query.get("sort"), query.get("page", "1")
        number = int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1  # noqa: PLR2004 - digits
        return cls(
            text=query.get("q", "").strip()[:200],
            media_type=MediaType(kind) if kind in set(MediaType) else None,
            order=ItemOrder(order) if order in set(ItemOrder) else ItemOrder.NEWEST,
            page=min(max(1, number), PAGES_AT_MOST),
            only=query.get("only", "") if query.get("only") in ONLY else "",
        )

    def path(self, **changed: object) -> str:
        """The address of this with something changed, without what is as usual."""
        values: dict[str, object] = {"q": self.text, "type": self.media_type, "sort": self.order}
        values |= {"page": self.page, "only": self.only} | changed
        usual: dict[str, object] = {"q": "", "type": None, "sort": ItemOrder.NEWEST, "page": 1, "only": ""}
        said = {name: str(value) for name, value in values.items() if value != usual[name]}
        return f"/?{urlencode(said)}" if said else "/"


class ShownPosters:
    """What titles show, a pin before what providers say."""

    def __init__(self, names: Names, shown: ShownPictures, urls: PictureUrls, finder: Finder) -> None:
        self._names = names
        self._shown = shown
        self._urls = urls
        self._finder = finder

    async def of(self, item: EnrichedItem, role: Role = Role.POSTER) -> ShownPicture | None:
        name = name_of(item, role)
        picture = await self._names.picture(name) if name else None
        if name and picture and (stored := await self._shown.of_name(name, picture)):
            return stored
        if role in item.images:
            return item.images[role]
        return self._asked(name) if name and self._can_be_found else None

    async def named(self, name: Name) -> ShownPicture:
        """What a name shows; where nothing is stored, by the name: it is looked for when a browser asks."""
        picture = await self._names.picture(name)
        stored = await self._shown.of_name(name, picture) if picture else None
        return stored or self._asked(name)

    @property
    def _can_be_found(self) -> bool:
        return any(status.condition is not Condition.OFF for status in self._finder.statuses.values())

    def _asked(self, name: Name) -> ShownPicture:
        """By its name: it is looked for when a browser asks."""
        sizes = ", ".join(f"{self._urls.by_name(name, f'w{width}')} {width}w" for width in _LARGE_POSTER)
        return ShownPicture(url=self._urls.by_name(name, usual_size(name.role)), srcset=sizes)


class Wall:
    def __init__(
        self, api: OwnApi, posters: ShownPosters, urls: PictureUrls, finder: Finder, roots: Sequence[str]
    ) -> None:
        self._api = api
        self._posters = posters
        self._urls = urls
        self._finder = finder
        self._roots = roots

    def routes(self, site: Site) -> list[web.RouteDef]:
        reading, admin = Access.LISTS, Access.ADMIN
        return [
            site.page("/", self._wall, reading),
            site.page("/title/{id:[0-9]+}", self._title, reading),
            site.page("/title/{id:[0-9]+}/season/{season:[0-9]+}", self._season, reading),
            site.page("/title/{id:[0-9]+}/pictures/{role:[a-z]+}", self._pictures, admin),
            site.page("/picture", self._picture, admin),
            site.page("/add", self._add, admin),
            site.page("/scan", self._scan, admin),
            site.page("/unmatched", self._unmatched, admin),
        ]

    async def _wall(self, request: web.Request) -> Sheet:
        query = WallQuery.of(request.query)
        total, items = await (self._tracked(query) if query.only else self._all(query))
        posters = await asyncio.gather(*map(self._posters.of, items))
        more = query.page * AT_ONCE < total
        values = {
            "query": query,
            "orders": list(ItemOrder),
            "cards": [Card(item, poster) for item, poster in zip(items, posters, strict=True)],
            "total": total,
            "tracked": (await self._api.ask("GET /api/watch/entries", limit=1)).total,
            "shelved": await self._shelved(),
            "later": query.path(page=query.page + 1) if more else None,
            "coming": min(AT_ONCE, total - query.page * AT_ONCE),
            "earlier": query.path(page=query.page - 1) if query.page > 1 else None,
            "attributed": self._attributed(),
        }
        if not total and query == WallQuery():
            return Sheet("welcome.html", {**values, **self._missing()})
        return Sheet("wall.html", values)

    async def _shelved(self) -> bool:
        """Whether streamers and categories are to be seen: where Twitch is asked, or some are here without."""
        if self._finder.statuses["twitch"].condition is not Condition.OFF:
            return True
        listed = [await self._api.ask(f"GET /api/{shelf}", limit=1) for shelf in ("streamers", "categories")]
        return any(one.total for one in listed)

    async def _all(self, query: WallQuery) -> tuple[int, Sequence[EnrichedItem]]:
        """How many items there are, and those of the page."""
        items = await self._api.ask(
            "GET /api/library/items",
            limit=AT_ONCE,
            offset=(query.page - 1) * AT_ONCE,
            type=query.media_type,
            q=query.text,
            sort=query.order,
        )
        found = EnrichedList.model_validate(items)
        return found.total, found.items

    async def _tracked(self, query: WallQuery) -> tuple[int, Sequence[EnrichedItem]]:
        """The same of somebody's own titles, but for those that the library has no more."""
        found = await self._api.ask(
            "GET /api/watch/entries",
            limit=AT_ONCE,
            offset=(query.page - 1) * AT_ONCE,
            media_type=query.media_type,
            q=query.text,
            **{query.only: True},
        )
        asked = (self._api.if_had("GET /api/library/items/{id}", id=entry.item_id) for entry in found.entries)
        items = [item for item in await asyncio.gather(*asked) if item]
        return found.total, [EnrichedItem.model_validate(item) for item in items]

    def _missing(self) -> Mapping[str, object]:
        statuses = self._finder.statuses
        providers = [
            {
                "name": spec.name,
                "title": spec.title,
                "status": statuses[spec.name],
                "link": WHERE_KEYS_ARE.get(spec.name),
            }
            for spec in self._finder.providers.settings
        ]
        return {"providers": providers, "roots": self._roots}

    def _attributed(self) -> Sequence[str]:
        """The providers that are asked, whose pictures and texts may show."""
        return [
            name for name, status in self._finder.statuses.items() if status.condition is not Condition.OFF
        ]

    async def _item(self, request: web.Request) -> EnrichedItem:
        item = await self._api.ask("GET /api/library/items/{id}", id=request.match_info["id"])
        return EnrichedItem.model_validate(item)

    async def _title(self, request: web.Request) -> Sheet:
        item = await self._item(request)
        images = {role: await self._posters.of(item, role) for role in (Role.POSTER, Role.FANART)}
        said = await self._metadata(item)
        tmdb_id = item.tmdb_id or (said and said.tmdb_id)
        tv = item.media_type is MediaType.TV
        watch = await account.watched(self._api, item.media_type, tmdb_id)
        crew, series = await asyncio.gather(
            self._of_tmdb(
                "GET /api/tmdb/tv/{id}/credits" if tv else "GET /api/tmdb/movie/{id}/credits", tmdb_id
            ),
            self._of_tmdb("GET /api/tmdb/tv/{id}", tmdb_id if tv else None),
        )
        values = {
            "item": item,
            "said": said,
            "images": images,
            "roles": ROLES,
            "role": _role(request),
            "has_name": name_of(item, Role.POSTER) is not None,
            "cast": crew["cast"][:FACES] if crew else [],
            "makers": _makers(crew["crew"]) if crew else [],
            "seasons": [one for one in series["seasons"] if one["season_number"] or one["episode_count"]]
            if series
            else account.seasons_of(watch),
            "watch": watch,
            "open_season": int(season) if (season := request.query.get("season", "")).isdecimal() else None,
            "attributed": self._attributed(),
        }
        return Sheet("title.html", values)

    async def _metadata(self, item: EnrichedItem) -> Any:
        known = item.imdb_id or (item.tmdb_id and f"tmdb:{item.tmdb_id}")
        if not known:
            return None
        return await self._api.if_had(
            "GET /api/metadata/{media_type}/{id}", media_type=item.media_type, id=known
        )

    async def _of_tmdb(self, asked: str, tmdb_id: object) -> Any:
        return await self._api.if_had(asked, id=tmdb_id) if tmdb_id else None

    async def _season(self, request: web.Request) -> Sheet:
        item = await self._item(request)
        said = await self._metadata(item)
        tmdb_id, number = item.tmdb_id or (said and said.tmdb_id), int(request.match_info["season"])
        watch = await account.watched(self._api, item.media_type, tmdb_id)
        known = account.season_of(watch, number)
        asked = "GET /api/tmdb/tv/{id}/season/{number}"
        season = (known and await self._api.if_had(asked, id=tmdb_id, number=number)) or known
        season = season or await self._api.ask(asked, id=tmdb_id, number=number)
        return Sheet("season.html", {"item": item, "season": season, "watch": watch})

    async def _pictures(self, request: web.Request) -> Sheet:
        """All that the providers have for one role, and why the one that is shown was chosen."""
        item, role = await self._item(request), _role(request)
        name = name_of(item, role)
        if name is None:
            raise Problem(HTTPStatus.NOT_FOUND, "No provider's id of the item is known.")
        explained = await self._api.ask(
            "GET /api/v1/admin/explain/{kind}/{id}/{role}", kind=name.kind, id=name.id, role=name.role
        )
        size = usual_size(role)
        values = {
            "item": item,
            "name": name,
            "roles": ROLES,
            "role": role,
            "explained": explained,
            "shown": await self._posters.of(item, role),
            "thumbnails": {
                one.candidate.source_url: self._urls.by_source(one.candidate.source_url, size)
                for one in explained.finding.choice.verdicts
            },
        }
        return Sheet("pictures.html", values)

    async def _picture(self, request: web.Request) -> Sheet:
        url = request.query.get("url", "").strip()
        explained = await self._api.ask("GET /api/v1/admin/explain", url=url)
        values = {"url": url, "shown": self._urls.by_source(url, "medium"), "explained": explained}
        return Sheet("picture.html", values)

    async def _add(self, request: web.Request) -> Sheet:
        text = request.query.get("q", "").strip()
        found, problem = None, None
        if text:
            try:
                found = await self._api.ask("GET /api/tmdb/search/multi", query=text)
            except Problem as error:
                problem = error.detail
        results = [one for one in found["results"] if one["media_type"] in set(MediaType)] if found else []
        values = {"text": text, "results": results, "problem": problem, "attributed": self._attributed()}
        return Sheet("add.html", values)

    async def _scan(self, _request: web.Request) -> Sheet:
        tasks = await self._api.ask("GET /api/v1/admin/tasks", limit=50)
        scans = [task for task in tasks.tasks if task.kind == "scan"][:10]
        return Sheet("scan.html", {"roots": self._roots, "tasks": scans})

    async def _unmatched(self, request: web.Request) -> Sheet:
        page = WallQuery.of(request.query).page
        found = await self._api.ask("GET /api/v1/admin/unmatched", limit=AT_ONCE, offset=(page - 1) * AT_ONCE)
        more = page * AT_ONCE < found.total
        values = {"found": found, "page": page, "more": more, "attributed": self._attributed()}
        return Sheet("unmatched.html", values)


def _role(request: web.Request) -> Role:
    given = request.match_info.get("role") or request.query.get("role")
    return Role(given) if given in set(ROLES) else Role.POSTER


_JOBS = (
    "Director",
    "Creator",
    "Screenplay",
    "Writer",
    "Novel",
    "Original Music Composer",
    "Director of Photography",
)


def _makers(crew: Sequence[Mapping[str, Any]]) -> Sequence[tuple[str, str]]:
    """Job and names of those whom a reader looks for."""
    by_job = {job: [one["name"] for one in crew if one["job"] == job] for job in _JOBS}
    return [(job, ", ".join(dict.fromkeys(names))) for job, names in by_job.items() if names]
