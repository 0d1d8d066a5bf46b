"""What of TMDB's is offered through the cache: each resource with what may be asked of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

from services.enricher.api.endpoint import Parameters
from services.enricher.finder.providers.models import Lenient, TitleKind
from services.enricher.finder.providers.tmdb import Resource, resources
from services.enricher.finder.providers.tmdb.models import people, titles

_LANGUAGE = Field(None, pattern=r"^[a-z]{2}(-[A-Z]{2})?$", description="en, or en-US")
_ID = Field(ge=1, le=resources.MAX_ID)


class Localised(Parameters):
    language: str | None = _LANGUAGE


class ById(Localised):
    id: int = _ID


PARTS = frozenset({"credits", "external_ids", "images"})
PARTS_OF_PERSONS = frozenset({"combined_credits", "external_ids", "images"})


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class InDetail(ById):
    append_to_response: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        (),
        max_length=20,
        description="Some of credits, external_ids, images, comma-separated; of a person combined_credits",
    )

    def parts(self, known: frozenset[str]) -> tuple[str, ...]:
        """Without those that nobody here reads, as TMDB leaves out what it does not know."""
        return tuple(sorted(known.intersection(self.append_to_response)))


class BySeason(ById):
    number: int = Field(ge=0, le=resources.MAX_SEASON)


class ByOtherId(Localised):
    id: str = Field(pattern=r"^(?:(?:tt|nm)[0-9]{5,12}|[1-9][0-9]{0,9})$")
    external_source: Literal["imdb_id", "tvdb_id"]


class Paged(Localised):
    page: int = Field(1, ge=1, le=resources.MAX_PAGE)


class Searched(Paged):
    query: str = Field(min_length=1, max_length=resources.MAX_QUERY)


class SearchedByYear(Searched):
    year: int | None = Field(
        None,
        ge=1800,
        le=2200,
        validation_alias=AliasChoices("year", "first_air_date_year", "primary_release_year"),
    )


_Asked = TypeVar("_Asked", bound=Parameters)


@dataclass(frozen=True, slots=True)
class TmdbResource:
    """`path`: as TMDB has it. `says`: a title for people. `resource`: of the parameters; it raises ValueError, with a sentence, for
    what makes no sense.
    """

    path: str
    says: str
    answer: type[BaseModel]
    parameters: type[Parameters]
    resource: Callable[[Any], Resource[Lenient]]


def _offered(
    path: str,
    says: str,
    answer: type[BaseModel],
    parameters: type[_Asked],
    resource: Callable[[_Asked], Resource[Lenient]],
) -> TmdbResource:
    """A resource that is asked for by the parameters that it has."""
    return TmdbResource(path, says, answer, parameters, resource)


def _found_by(asked: ByOtherId) -> Resource[titles.FoundByOtherId]:
    """Raise ValueError for an id that its source has none of."""
    if asked.external_source == "imdb_id":
        if asked.id.isdecimal():
            raise ValueError("An id of IMDb's is written tt0133093 or nm0000206.")
        return resources.find_imdb(asked.id, language=asked.language)
    if not asked.id.isdecimal():
        raise ValueError("An id of TVDB's is a number.")
    return resources.find_tvdb(int(asked.id))


RESOURCES: tuple[TmdbResource, ...] = (
    _offered(
        "search/movie",
        "Search movies",
        titles.MoviePage,
        SearchedByYear,
        lambda q: resources.search_movie(**dict(q)),
    ),
    _offered(
        "search/tv", "Search series", titles.TvPage, SearchedByYear, lambda q: resources.search_tv(**dict(q))
    ),
    _offered(
        "search/multi",
        "Search everything",
        titles.MultiPage,
        Searched,
        lambda q: resources.search_multi(**dict(q)),
    ),
    _offered(
        "movie/{id}",
        "A movie",
        titles.Movie,
        InDetail,
        lambda q: resources.movie(q.id, language=q.language, append=q.parts(PARTS)),
    ),
    _offered(
        "movie/{id}/credits",
        "Who made a movie",
        people.Credits,
        ById,
        lambda q: resources.title_credits(TitleKind.MOVIE, q.id, language=q.language),
    ),
    _offered(
        "tv/{id}",
        "A series",
        titles.Tv,
        InDetail,
        lambda q: resources.tv(q.id, language=q.language, append=q.parts(PARTS)),
    ),
    _offered(
        "tv/{id}/credits",
        "Who made a series",
        people.Credits,
        ById,
        lambda q: resources.title_credits(TitleKind.TV, q.id, language=q.language),
    ),
    _offered(
        "tv/{id}/season/{number}",
        "A season with its episodes",
        titles.Season,
        BySeason,
        lambda q: resources.season(q.id, q.number, language=q.language),
    ),
    _offered(
        "person/{id}",
        "A person",
        people.Person,
        InDetail,
        lambda q: resources.person(q.id, language=q.language, append=q.parts(PARTS_OF_PERSONS)),
    ),
    _offered(
        "person/{id}/combined_credits",
        "What a person made",
        people.CombinedCredits,
        ById,
        lambda q: resources.combined_credits(q.id, language=q.language),
    ),
    _offered(
        "collection/{id}",
        "A collection of movies",
        titles.Collection,
        ById,
        lambda q: resources.collection(q.id, language=q.language),
    ),
    _offered(
        "trending/movie/week",
        "Movies of the week",
        titles.MoviePage,
        Paged,
        lambda q: resources.trending_movie(**dict(q)),
    ),
    _offered(
        "trending/tv/week",
        "Series of the week",
        titles.TvPage,
        Paged,
        lambda q: resources.trending_tv(**dict(q)),
    ),
    _offered("find/{id}", "What has another's id", titles.FoundByOtherId, ByOtherId, _found_by),
)
