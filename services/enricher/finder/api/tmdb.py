"""TMDB as it is, through the cache: any client of TMDB's works when it is pointed here, and gets our pictures.

What TMDB says stays as it is, paths of pictures too, for `configuration` names our own `/t/p/` as their base; beside each
path stands a URL of ours that needs no base.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters, SeenOrigin, SeeOther
from services.enricher.finder.api.outcomes import askers_urgency, found_or_problem
from services.enricher.finder.api.tmdb_resources import RESOURCES, TmdbResource
from services.enricher.finder.metadata.tmdb_cache import ShelfEntry, TmdbMetadata, TmdbStatistics
from services.enricher.finder.providers.tmdb.models import people
from services.enricher.pictures.shown import PictureUrls, usual_size
from shared.http import Problem, RenderedBody
from shared.pictures.public_paths import TMDB_FILE, TMDB_SIZES, PublicPaths, TmdbForm


class CacheListParameters(Parameters):
    kind: str | None = Field(None, max_length=40, description="movie, tv, search …")
    limit: int = Field(50, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10_000_000)


class ShelfEntries(BaseModel):
    model_config = ConfigDict(frozen=True)

    entries: tuple[ShelfEntry, ...]
    total: int


class CacheCleared(BaseModel):
    model_config = ConfigDict(frozen=True)

    cleared: int = Field(description="Stored answers that were removed")
    bytes_freed: int


class ConnectionTest(BaseModel):
    model_config = ConfigDict(frozen=True)

    success: bool
    message: str


class TmdbImages(BaseModel):
    model_config = ConfigDict(frozen=True)

    base_url: str
    secure_base_url: str
    backdrop_sizes: tuple[str, ...] = ("w300", "w780", "w1280", "original")
    logo_sizes: tuple[str, ...] = ("w45", "w92", "w154", "w185", "w300", "w500", "original")
    poster_sizes: tuple[str, ...] = ("w92", "w154", "w185", "w342", "w500", "w780", "original")
    profile_sizes: tuple[str, ...] = ("w45", "w185", "h632", "original")
    still_sizes: tuple[str, ...] = ("w92", "w185", "w300", "original")


class TmdbConfiguration(BaseModel):
    """As TMDB's own, with our picture paths as the base."""

    model_config = ConfigDict(frozen=True)

    images: TmdbImages
    change_keys: tuple[str, ...] = ()


STALE = {"X-Metadata-Stale": "1"}
PREFIXES = ("/api/tmdb", "/api/tmdb/3")
"""The second is for clients that write the version of TMDB's API behind whatever host they are given."""

FOLDERS: Mapping[str, str] = {
    "posters": "w500",
    "backdrops": "w1280",
    "profiles": "w185",
    "season_posters": "w300",
    "stills": "w300",
    "collections": "w500",
}
"""Cinemarco's folders of pictures, with the size it kept each in."""

MOVED_FOR_S = 86_400


class InFolder(Parameters):
    folder: str
    file: str = Field(pattern=f"^{TMDB_FILE}$", description="TMDB's path without its slash")


assert set(TMDB_SIZES) >= {
    size
    for name, field in TmdbImages.model_fields.items()
    if name.endswith("_sizes")
    for size in field.default
    if size != "original"
}


class TmdbApi:
    def __init__(self, tmdb: TmdbMetadata, urls: PictureUrls, paths: PublicPaths, *, image_url: str) -> None:
        self._tmdb = tmdb
        self._urls = urls
        self._image_url = image_url
        self._base = paths.all(TmdbForm)[0].pattern.partition("{")[0]

    @property
    def endpoints(self) -> list[Endpoint]:
        return [
            *(self._of(offered, prefix) for prefix in PREFIXES for offered in RESOURCES),
            *self._ourselves(),
            *self._cache(),
            self._by_folder(),
        ]

    def _of(self, offered: TmdbResource, prefix: str) -> Endpoint:
        async def handle(asked: Parameters) -> RenderedBody:
            try:
                wanted = offered.resource(asked)
            except ValueError as error:
                raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
            found = found_or_problem(await self._tmdb.get(wanted, urgency=askers_urgency()))
            said = with_ours(found.value.model_dump(mode="json"), self._url)
            return RenderedBody.of(pydantic_core.to_json(said), STALE if found.stale else {})

        handle.__doc__ = (
            f"{offered.says}, as TMDB describes it.\n\nBeside each path of a picture, such as `poster_path`, its URL with us, "
            "`poster_url`; beside `genre_ids` and `genres` their `genre_names`."
        )
        return Endpoint("GET", f"{prefix}/{offered.path}", handle, offered.answer, offered.parameters)

    def _url(self, field: str, path: str) -> str:
        return self._urls.by_source(f"{self._image_url}/original{path}", usual_size(people.PATHS[field]))

    def _ourselves(self) -> list[Endpoint]:
        async def configuration(_asked: Parameters, seen: SeenOrigin) -> TmdbConfiguration:
            """What a client of TMDB's builds pictures' URLs of: our paths for them."""
            base = self._urls.whole(self._base, seen.url)
            return TmdbConfiguration(images=TmdbImages(base_url=base, secure_base_url=base))

        async def test(_asked: Parameters) -> ConnectionTest:
            """Whether TMDB answers, and accepts the key that is set here."""
            try:
                found_or_problem(await self._tmdb.test())
            except Problem as problem:
                return ConnectionTest(success=False, message=problem.detail)
            return ConnectionTest(success=True, message="TMDB answers, and accepts the key.")

        return [
            *(
                Endpoint(
                    "GET", f"{prefix}/configuration", configuration, TmdbConfiguration, wants_origin=True
                )
                for prefix in PREFIXES
            ),
            Endpoint("GET", "/api/tmdb/test", test, ConnectionTest, access=Access.ADMIN),
        ]

    def _by_folder(self) -> Endpoint:
        async def picture(asked: InFolder) -> SeeOther:
            """Where a picture is that Cinemarco kept by what it shows and by its name at TMDB."""
            path = f"{self._base}{FOLDERS[asked.folder]}/{asked.file}"
            return SeeOther(self._urls.whole(path, ""), MOVED_FOR_S)

        path = f"/images/{{folder:{'|'.join(FOLDERS)}}}/{{file}}"
        return Endpoint("GET", path, picture, None, InFolder, access=Access.ANYBODY, status=HTTPStatus.FOUND)

    def _cache(self) -> list[Endpoint]:
        async def statistics(_asked: Parameters) -> TmdbStatistics:
            """What is kept of TMDB's answers, of which kinds, and how often that helped."""
            return await self._tmdb.statistics()

        async def listed(asked: CacheListParameters) -> ShelfEntries:
            """What is kept, the last fetched first."""
            total, entries = await self._tmdb.list(kind=asked.kind, limit=asked.limit, offset=asked.offset)
            return ShelfEntries(entries=tuple(entries), total=total)

        async def clear(_asked: Parameters) -> CacheCleared:
            """Forget all that TMDB answered."""
            before = await self._tmdb.statistics()
            return CacheCleared(cleared=await self._tmdb.clear(), bytes_freed=before.stored.bytes)

        async def clear_expired(_asked: Parameters) -> CacheCleared:
            """Forget what has expired, and would only be given while TMDB is down."""
            before = await self._tmdb.statistics()
            cleared = await self._tmdb.clear_expired()
            after = await self._tmdb.statistics()
            freed = max(0, before.stored.bytes - after.stored.bytes)
            return CacheCleared(cleared=cleared, bytes_freed=freed)

        cache = "/api/tmdb/cache"
        return [
            Endpoint("GET", f"{cache}/stats", statistics, TmdbStatistics),
            Endpoint("GET", f"{cache}/list", listed, ShelfEntries, CacheListParameters, access=Access.LISTS),
            Endpoint("POST", f"{cache}/clear", clear, CacheCleared, access=Access.ADMIN),
            Endpoint("POST", f"{cache}/clear-expired", clear_expired, CacheCleared, access=Access.ADMIN),
        ]


GENRES: Mapping[int, str] = MappingProxyType(
    {
        12: "Adventure",
        14: "Fantasy",
        16: "Animation",
        18: "Drama",
        27: "Horror",
        28: "Action",
        35: "Comedy",
        36: "History",
        37: "Western",
        53: "Thriller",
        80: "Crime",
        99: "Documentary",
        878: "Science Fiction",
        9648: "Mystery",
        10402: "Music",
        10749: "Romance",
        10751: "Family",
        10752: "War",
        10759: "Action & Adventure",
        10762: "Kids",
        10763: "News",
        10764: "Reality",
        10765: "Sci-Fi & Fantasy",
        10766: "Soap",
        10767: "Talk",
        10768: "War & Politics",
        10770: "TV Movie",
    }
)
"""TMDB's genres of movies and of series (`/genre/movie/list`, `/genre/tv/list`): lists of titles have only the numbers."""


def with_ours(said: Any, url: Callable[[str, str], str]) -> Any:
    """What TMDB said, with ours beside it. `url` makes one of a field's name and the path in it."""
    if isinstance(said, list):
        return [with_ours(one, url) for one in said]
    if not isinstance(said, dict):
        return said
    ours = {name: with_ours(value, url) for name, value in said.items()}
    for field in people.PATHS.keys() & said.keys():
        path = said[field]
        ours[f"{field.removesuffix('path')}url"] = url(field, path) if path else None
    if "genre_ids" in said:
        ours["genre_names"] = [GENRES[number] for number in said["genre_ids"] if number in GENRES]
    elif isinstance(said.get("genres"), list):
        ours["genre_names"] = [genre["name"] for genre in said["genres"]]
    return ours
