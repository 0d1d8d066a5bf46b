"""Every resource that TMDB is asked for. `language` None: its own default, American English."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Generic, Literal, TypeVar
from urllib.parse import quote, urlencode

from pydantic import Field, SecretStr

from services.enricher.finder.providers.asking import Address, Provider
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.models import Lenient, TitleKind
from services.enricher.finder.providers.registry import BaseUrl
from services.enricher.finder.providers.tmdb.models import people, titles
from shared.settings import Settings

PROVIDER = "TMDB"

LISTS = timedelta(hours=1)
DETAILS = timedelta(hours=24)
LASTING = timedelta(days=7)

MAX_QUERY = 200
MAX_PAGE = 500
"""TMDB refuses more."""

MAX_ID = 2**31 - 1
_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?", re.ASCII)
MAX_SEASON = 100_000
_MANY = 10_000
"""Pages name the same titles again and again."""

_NOTHING: Mapping[str, int | None] = MappingProxyType({})
_PART = re.compile(r"[a-z_]{1,40}", re.ASCII)

Model = TypeVar("Model", bound=Lenient)
_Model_co = TypeVar("_Model_co", bound=Lenient, covariant=True)


@dataclass(frozen=True)
class Resource(Generic[_Model_co]):
    """One thing that TMDB can be asked for, what it is called in the cache, and for how long it is kept.

    `params` are what changes the answer, without what is the default; never the credential.
    """

    path: str
    name: str
    model: type[_Model_co]
    kept: timedelta
    params: tuple[tuple[str, str], ...] = ()
    query: str | None = None
    """What is searched for: part of the name, and asked for as a parameter."""

    @property
    def asked(self) -> dict[str, str]:
        """The parameters of the request."""
        return dict(self.params) | ({"query": self.query} if self.query else {})

    @cached_property
    def cache_key(self) -> str:
        """`movie:603`, `search:movie:matrix?page=2`."""
        return f"{self.name}?{urlencode(self.params)}" if self.params else self.name

    def read(self, body: bytes | str) -> _Model_co:
        return self.model.read(body, PROVIDER)


@lru_cache(_MANY)
def movie(
    movie_id: int, *, language: str | None = None, append: tuple[str, ...] = ()
) -> Resource[titles.Movie]:
    params = _params({"language": _language(language), "append_to_response": _parts(append)})
    return Resource(f"movie/{_id(movie_id)}", f"movie:{movie_id}", titles.Movie, DETAILS, params)


@lru_cache(_MANY)
def tv(tv_id: int, *, language: str | None = None, append: tuple[str, ...] = ()) -> Resource[titles.Tv]:
    params = _params({"language": _language(language), "append_to_response": _parts(append)})
    return Resource(f"tv/{_id(tv_id)}", f"tv:{tv_id}", titles.Tv, DETAILS, params)


def cast_of(kind: TitleKind, title_id: int) -> Resource[people.TitleCast]:
    """Who plays whom in a title, in all of its seasons, and what it is called elsewhere."""
    cast = "credits" if kind is TitleKind.MOVIE else "aggregate_credits"
    params = _params({"append_to_response": _parts((cast, "external_ids"))})
    return Resource(f"{kind}/{_id(title_id)}", f"{kind}:{title_id}:cast", people.TitleCast, DETAILS, params)


def title_credits(kind: TitleKind, title_id: int, *, language: str | None = None) -> Resource[people.Credits]:
    name = f"{kind}:{_id(title_id)}:credits"
    params = _params({"language": _language(language)})
    return Resource(f"{kind}/{title_id}/credits", name, people.Credits, DETAILS, params)


def season(tv_id: int, number: int, *, language: str | None = None) -> Resource[titles.Season]:
    name = f"tv:{_id(tv_id)}:season:{_season(number)}"
    params = _params({"language": _language(language)})
    return Resource(f"tv/{tv_id}/season/{number}", name, titles.Season, DETAILS, params)


def person(
    person_id: int, *, language: str | None = None, append: tuple[str, ...] = ()
) -> Resource[people.Person]:
    params = _params({"language": _language(language), "append_to_response": _parts(append)})
    return Resource(f"person/{_id(person_id)}", f"person:{person_id}", people.Person, LASTING, params)


def combined_credits(person_id: int, *, language: str | None = None) -> Resource[people.CombinedCredits]:
    name = f"person:{_id(person_id)}:combined_credits"
    params = _params({"language": _language(language)})
    return Resource(f"person/{person_id}/combined_credits", name, people.CombinedCredits, LASTING, params)


def collection(collection_id: int, *, language: str | None = None) -> Resource[titles.Collection]:
    name = f"collection:{_id(collection_id)}"
    params = _params({"language": _language(language)})
    return Resource(f"collection/{collection_id}", name, titles.Collection, LASTING, params)


def search_movie(
    query: str, *, page: int = 1, language: str | None = None, year: int | None = None
) -> Resource[titles.MoviePage]:
    return _search("movie", query, titles.MoviePage, page=page, language=language, year=("year", year))


def search_tv(
    query: str, *, page: int = 1, language: str | None = None, year: int | None = None
) -> Resource[titles.TvPage]:
    return _search(
        "tv", query, titles.TvPage, page=page, language=language, year=("first_air_date_year", year)
    )


def search_multi(query: str, *, page: int = 1, language: str | None = None) -> Resource[titles.MultiPage]:
    return _search("multi", query, titles.MultiPage, page=page, language=language)


def trending_movie(*, page: int = 1, language: str | None = None) -> Resource[titles.MoviePage]:
    return _list("trending/movie/week", "trending:movie:week", titles.MoviePage, page=page, language=language)


def trending_tv(*, page: int = 1, language: str | None = None) -> Resource[titles.TvPage]:
    return _list("trending/tv/week", "trending:tv:week", titles.TvPage, page=page, language=language)


@lru_cache(_MANY)
def find_imdb(imdb_id: str, *, language: str | None = None) -> Resource[titles.FoundByOtherId]:
    """What has this IMDb id (`tt0133093`, `nm0000206`)."""
    return _find("imdb_id", imdb_id, f"find:{quote(imdb_id, safe='')}", language)


def authentication() -> Resource[people.Accepted]:
    """Whether the key is accepted."""
    return Resource("authentication", "authentication", people.Accepted, timedelta(0))


@lru_cache(_MANY)
def find_tvdb(tvdb_id: int) -> Resource[titles.FoundByOtherId]:
    """What has this TVDB id: series, seasons and episodes, which are numbered apart from one another."""
    return _find("tvdb_id", str(_id(tvdb_id)), f"find:tvdb:{tvdb_id}", None)


def external_ids(kind: TitleKind, title_id: int) -> Resource[people.OtherIds]:
    """What a title is called elsewhere."""
    name = f"{kind}:{_id(title_id)}:external_ids"
    return Resource(f"{kind}/{title_id}/external_ids", name, people.OtherIds, DETAILS)


def alternative_titles(kind: TitleKind, title_id: int) -> Resource[titles.OtherTitles]:
    """What a title is called in other countries."""
    name = f"{kind}:{_id(title_id)}:alternative_titles"
    return Resource(f"{kind}/{title_id}/alternative_titles", name, titles.OtherTitles, LASTING)


WITHOUT_LANGUAGE = ("null", "xx")
"""Pictures of no language, as TMDB calls them where it is asked."""


def pictures(path: str, languages: Iterable[str] = ()) -> Resource[people.TmdbPictures]:
    """Those of what is at a path (`movie/603`, see `…_path`), without text or in these languages; in any
    without languages.
    """
    listed = sorted({language[:2] for language in languages})
    params = _params({"include_image_language": ",".join([*listed, *WITHOUT_LANGUAGE]) if listed else None})
    return Resource(f"{path}/images", f"{path.replace('/', ':')}:images", people.TmdbPictures, LISTS, params)


def title_path(kind: TitleKind, title_id: int) -> str:
    return f"{kind}/{_id(title_id)}"


def season_path(tv_id: int, season: int) -> str:
    return f"tv/{_id(tv_id)}/season/{_season(season)}"


def episode_path(tv_id: int, season: int, episode: int) -> str:
    return f"{season_path(tv_id, season)}/episode/{_season(episode)}"


def person_path(person_id: int) -> str:
    return f"person/{_id(person_id)}"


def collection_path(collection_id: int) -> str:
    return f"collection/{_id(collection_id)}"


def _params(given: Mapping[str, str | int | None]) -> tuple[tuple[str, str], ...]:
    """Sorted, without those that are None."""
    return tuple(sorted((name, str(value)) for name, value in given.items() if value is not None))


def _find(source: str, id_: str, name: str, language: str | None) -> Resource[titles.FoundByOtherId]:
    params = _params({"external_source": source, "language": _language(language)})
    return Resource(f"find/{quote(id_, safe='')}", name, titles.FoundByOtherId, DETAILS, params)


def _search(
    kind: Literal["movie", "tv", "multi"],
    query: str,
    model: type[titles.Page],
    *,
    page: int,
    language: str | None,
    year: tuple[str, int | None] | None = None,
) -> Resource[titles.Page]:
    """TMDB does not tell case or spaces apart, so one key serves all spellings."""
    plain = " ".join(unicodedata.normalize("NFC", query).casefold().split())
    if not 0 < len(plain) <= MAX_QUERY:
        raise ValueError(f"A query has 1 to {MAX_QUERY} characters.")
    name = f"search:{kind}:{quote(plain, safe=' ')}"
    extra = dict([year] if year else [])
    return _list(f"search/{kind}", name, model, page=page, language=language, query=plain, extra=extra)


def _list(
    path: str,
    name: str,
    model: type[titles.Page],
    *,
    page: int,
    language: str | None,
    query: str | None = None,
    extra: Mapping[str, int | None] = _NOTHING,
) -> Resource[titles.Page]:
    if not 1 <= page <= MAX_PAGE:
        raise ValueError(f"TMDB has pages 1 to {MAX_PAGE}.")
    params = _params({"page": page if page > 1 else None, "language": _language(language), **extra})
    return Resource(path, name, model, LISTS, params, query)


def _language(language: str | None) -> str | None:
    if language is not None and not _LANGUAGE.fullmatch(language):
        raise ValueError("A language is written as en or en-US.")
    return None if language in ("en", "en-US") else language


def _parts(append: tuple[str, ...]) -> str | None:
    if not all(map(_PART.fullmatch, append)):
        raise ValueError("TMDB has no such part.")
    return ",".join(sorted(append)) or None


def _id(number: int) -> int:
    if not 0 < number <= MAX_ID:
        raise ValueError("TMDB has no such id.")
    return number


def _season(number: int) -> int:
    """Season 0 has the specials."""
    if not 0 <= number <= MAX_SEASON:
        raise ValueError("TMDB has no such season.")
    return number


_V4_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class TmdbSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="TMDB_API_KEY")
    base_url: BaseUrl = Field("https://api.themoviedb.org/3", validation_alias="TMDB_BASE_URL")
    image_url: BaseUrl = Field("https://image.tmdb.org/t/p", validation_alias="TMDB_IMAGE_URL")


def tmdb_address(settings: TmdbSettings) -> Address:
    """With a v4 token (three parts, as JSON Web Tokens have) in a header, or else with a v3 key in the query."""
    secret = settings.api_key.get_secret_value() if settings.api_key else ""
    if _V4_TOKEN.fullmatch(secret):
        return Address(settings.base_url, {"Authorization": f"Bearer {secret}"})
    return Address(settings.base_url, params={"api_key": secret})


class Tmdb:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def get(self, resource: Resource[Model], turn: Turn) -> Model:
        return await self._provider.get(
            resource.path, resource.asked, turn, lambda reply: resource.read(reply.body)
        )
