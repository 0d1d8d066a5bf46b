"""TMDB as it is, through the cache, with pictures of ours."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.finder.api.outcomes import askers_urgency, found_or_problem
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata, TmdbStatistics
from services.enricher.finder.providers.models import Lenient, TitleKind
from services.enricher.finder.providers.tmdb import Resource, resources
from services.enricher.finder.providers.tmdb.models import titles
from services.enricher.finder.providers.tmdb.models.people import CombinedCredits, Credits, Person
from services.enricher.pictures.shown import PictureUrls, usual_size
from shared.http import Problem, RenderedBody
from shared.pictures import Role

_LANGUAGE = Field(None, pattern=r"^[a-z]{2}(-[A-Z]{2})?$", description="en, or en-US")
_ID = Field(ge=1, le=resources.MAX_ID)


class Localised(Parameters):
    language: str | None = _LANGUAGE


class ById(Localised):
    id: int = _ID


class BySeason(ById):
    number: int = Field(ge=0, le=resources.MAX_SEASON)


class Paged(Localised):
    page: int = Field(1, ge=1, le=resources.MAX_PAGE)


class Searched(Paged):
    query: str = Field(min_length=1, max_length=resources.MAX_QUERY)


class SearchedByYear(Searched):
    year: int | None = Field(None, ge=1800, le=2200)


class CacheCleared(BaseModel):
    model_config = ConfigDict(frozen=True)

    cleared: int = Field(description="Stored answers that were removed")


_Asked = TypeVar("_Asked", bound=Parameters)
STALE = {"X-Metadata-Stale": "1"}


class TmdbApi:
    """What TMDB says, each picture's path replaced by its URL with us, in the size that is usual for its role."""

    def __init__(self, tmdb: TmdbMetadata, urls: PictureUrls, *, image_url: str) -> None:
        self._tmdb = tmdb
        self._urls = urls
        self._image_url = image_url

    @property
    def endpoints(self) -> list[Endpoint]:
        return [*self._resources(), *self._cache()]

    def _resources(self) -> list[Endpoint]:
        get, r = self._get, resources
        movie, tv = TitleKind.MOVIE, TitleKind.TV
        return [
            get(
                "search/movie",
                "Search movies",
                titles.MoviePage,
                SearchedByYear,
                lambda q: r.search_movie(**dict(q)),
            ),
            get(
                "search/tv", "Search series", titles.TvPage, SearchedByYear, lambda q: r.search_tv(**dict(q))
            ),
            get(
                "search/multi",
                "Search everything",
                titles.MultiPage,
                Searched,
                lambda q: r.search_multi(**dict(q)),
            ),
            get("movie/{id}", "A movie", titles.Movie, ById, lambda q: r.movie(q.id, language=q.language)),
            get(
                "movie/{id}/credits",
                "Who made a movie",
                Credits,
                ById,
                lambda q: r.title_credits(movie, q.id, language=q.language),
            ),
            get("tv/{id}", "A series", titles.Tv, ById, lambda q: r.tv(q.id, language=q.language)),
            get(
                "tv/{id}/credits",
                "Who made a series",
                Credits,
                ById,
                lambda q: r.title_credits(tv, q.id, language=q.language),
            ),
            get(
                "tv/{id}/season/{number}",
                "A season with its episodes",
                titles.Season,
                BySeason,
                lambda q: r.season(q.id, q.number, language=q.language),
            ),
            get("person/{id}", "A person", Person, ById, lambda q: r.person(q.id, language=q.language)),
            get(
                "person/{id}/combined_credits",
                "What a person made",
                CombinedCredits,
                ById,
                lambda q: r.combined_credits(q.id, language=q.language),
            ),
            get(
                "collection/{id}",
                "A collection of movies",
                titles.Collection,
                ById,
                lambda q: r.collection(q.id, language=q.language),
            ),
            get(
                "trending/movie/week",
                "Movies of the week",
                titles.MoviePage,
                Paged,
                lambda q: r.trending_movie(**dict(q)),
            ),
            get(
                "trending/tv/week",
                "Series of the week",
                titles.TvPage,
                Paged,
                lambda q: r.trending_tv(**dict(q)),
            ),
        ]

    def _get(
        self,
        path: str,
        says: str,
        answer: type[BaseModel],
        parameters: type[_Asked],
        resource: Callable[[_Asked], Resource[Lenient]],
    ) -> Endpoint:
        async def handle(asked: _Asked) -> RenderedBody:
            try:
                wanted = resource(asked)
            except ValueError as error:
                raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
            found = found_or_problem(await self._tmdb.get(wanted, urgency=askers_urgency()))
            body = found.value.model_dump_json(context=self._handed_out).encode()
            return RenderedBody.of(body, STALE if found.stale else {})

        handle.__doc__ = f"{says}, as TMDB describes it."
        return Endpoint("GET", f"/api/tmdb/{path}", handle, answer, parameters)

    def _handed_out(self, path: str, role: Role) -> str:
        return self._urls.by_source(f"{self._image_url}/original{path}", usual_size(role))

    def _cache(self) -> list[Endpoint]:
        async def statistics(_asked: Parameters) -> TmdbStatistics:
            """What is kept of TMDB's answers, and how often that helped."""
            return await self._tmdb.statistics()

        async def clear(_asked: Parameters) -> CacheCleared:
            """Forget all that TMDB answered."""
            return CacheCleared(cleared=await self._tmdb.clear())

        async def clear_expired(_asked: Parameters) -> CacheCleared:
            """Forget what has expired, and would only be given while TMDB is down."""
            return CacheCleared(cleared=await self._tmdb.clear_expired())

        cache = "/api/tmdb/cache"
        return [
            Endpoint("GET", f"{cache}/stats", statistics, TmdbStatistics),
            Endpoint("POST", f"{cache}/clear", clear, CacheCleared, access=Access.ADMIN),
            Endpoint("POST", f"{cache}/clear-expired", clear_expired, CacheCleared, access=Access.ADMIN),
        ]
