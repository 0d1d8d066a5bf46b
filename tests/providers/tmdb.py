"""A stand-in for TMDB: its paths, keys, errors and limit, and movies and series with the numbers 1 to 999.

Number n is the same title as Trakt's number n.
"""

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.providers.metadata_host import MetadataHost, Said, Window
from tests.providers.trakt import TITLES, imdb_id

API_KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"

_NOT_FOUND = Said(
    {"success": False, "status_code": 34, "status_message": "The resource you requested could not be found."},
    404,
)
_BAD_KEY = Said(
    {
        "success": False,
        "status_code": 7,
        "status_message": "Invalid API key: You must be granted a valid key.",
    },
    401,
)
_ACCEPTED = Said({"success": True, "status_code": 1, "status_message": "Success."})
_BAD_PAGE = Said({"success": False, "status_code": 22, "status_message": "Invalid page."}, 400)


def movie(number: int) -> dict[str, Any]:
    """In detail. Missing dates are empty and missing pictures null, as TMDB's are."""
    return {
        **_entry(number),
        "title": f"The movie {number}",
        "original_title": f"The movie {number}",
        "release_date": "1999-03-31" if number % 10 else "",
        "imdb_id": imdb_id(number),
        "runtime": 90,
        "belongs_to_collection": None,
        "production_companies": [{"id": 1, "name": "A company", "logo_path": None, "origin_country": ""}],
    }


def tv(number: int) -> dict[str, Any]:
    return {
        **_entry(number),
        "name": f"The show {number}",
        "original_name": f"The show {number}",
        "first_air_date": "1999-03-31",
        "episode_run_time": [45],
        "number_of_seasons": 1,
        "seasons": [
            {"id": number, "season_number": 1, "name": "Season 1", "air_date": "", "poster_path": None}
        ],
        "next_episode_to_air": None,
    }


def _entry(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "overview": f"What TMDB says of number {number}.",
        "tagline": "",
        "homepage": "",
        "genres": [{"id": 18, "name": "Drama"}],
        "genre_ids": [18],
        "vote_average": 7.25,
        "vote_count": 100,
        "status": "Released",
        "poster_path": f"/poster{number}.jpg",
        "backdrop_path": f"/backdrop{number}.jpg" if number % 10 else None,
    }


def person(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Person {number}",
        "biography": "",
        "birthday": "1964-09-02",
        "deathday": None,
        "profile_path": f"/face{number}.jpg",
        "also_known_as": [],
    }


def _credits(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "cast": [
            {"id": 1, "name": "Person 1", "character": "Herself", "order": 0, "profile_path": "/face1.jpg"}
        ],
        "crew": [
            {"id": 2, "name": "Person 2", "job": "Director", "department": "Directing", "profile_path": None}
        ],
    }


def _combined(number: int) -> dict[str, Any]:
    part = {**movie(1), "media_type": "movie", "character": "Herself", "credit_id": "52fe"}
    return {"id": number, "cast": [part, {**tv(2), "media_type": "tv", "character": ""}], "crew": []}


def _season(number: int, season: int) -> dict[str, Any]:
    episode = {"id": 1, "episode_number": 1, "name": "The first", "air_date": "", "still_path": "/still.jpg"}
    return {
        "id": number,
        "season_number": season,
        "name": f"Season {season}",
        "air_date": None,
        "poster_path": None,
        "episodes": [{**episode, "crew": [], "guest_stars": []}],
    }


def _collection(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Collection {number}",
        "overview": "",
        "poster_path": None,
        "parts": [movie(1)],
    }


def _page(results: list[dict[str, Any]], request: web.Request) -> dict[str, Any]:
    page = int(request.query.get("page", "1"))
    return {"page": page, "results": results, "total_pages": 3, "total_results": 3 * len(results)}


def _picture(path: str, language: str | None, **values: Any) -> dict[str, Any]:
    return {
        "file_path": path,
        "iso_639_1": language,
        "width": 1000,
        "height": 1500,
        "aspect_ratio": 0.667,
        "vote_average": 5.3,
        "vote_count": 3,
        **values,
    }


def title_pictures(number: int) -> dict[str, Any]:
    posters = [(f"/poster{number}{language or ''}.jpg", language) for language in ("en", "de", None, "ko")]
    return {
        "id": number,
        "posters": [_picture(path, language) for path, language in posters],
        "backdrops": [_picture(f"/backdrop{number}.jpg", None, width=1920, height=1080)],
        "logos": [_picture(f"/logo{number}.png", "en")] if number % 10 else [],
    }


def _season_pictures(number: int, season: int) -> dict[str, Any]:
    return {"id": number, "posters": [_picture(f"/season{number}-{season}.jpg", "en")]}


def _stills(number: int, season: int, episode: int) -> dict[str, Any]:
    path = f"/still{number}-{season}-{episode}.jpg"
    return {"id": number, "stills": [_picture(path, None, width=1920.0, height=1080.0)]}


def _profiles(number: int) -> dict[str, Any]:
    return {"id": number, "profiles": [_picture(f"/face{number}.jpg", None)]}


def _movie_ids(number: int) -> dict[str, Any]:
    return {"id": number, "imdb_id": imdb_id(number), "wikidata_id": None}


def _tv_ids(number: int) -> dict[str, Any]:
    return {"id": number, "imdb_id": imdb_id(number, show=True), "tvdb_id": 80_000 + number}


_NUMBERED: list[tuple[re.Pattern[str], Callable[..., dict[str, Any]]]] = [
    (re.compile(r"/3/movie/(\d+)"), movie),
    (re.compile(r"/3/tv/(\d+)"), tv),
    (re.compile(r"/3/(?:movie|tv)/(\d+)/credits"), _credits),
    (re.compile(r"/3/tv/(\d+)/season/(\d+)"), _season),
    (re.compile(r"/3/person/(\d+)"), person),
    (re.compile(r"/3/person/(\d+)/combined_credits"), _combined),
    (re.compile(r"/3/collection/(\d+)"), _collection),
    (re.compile(r"/3/(?:movie|tv|collection)/(\d+)/images"), title_pictures),
    (re.compile(r"/3/tv/(\d+)/season/(\d+)/images"), _season_pictures),
    (re.compile(r"/3/tv/(\d+)/season/(\d+)/episode/(\d+)/images"), _stills),
    (re.compile(r"/3/person/(\d+)/images"), _profiles),
    (re.compile(r"/3/movie/(\d+)/external_ids"), _movie_ids),
    (re.compile(r"/3/tv/(\d+)/external_ids"), _tv_ids),
]


class TmdbHost(MetadataHost):
    def __init__(self, *, requests: int = 50, period_s: float = 1, told: bool = True) -> None:
        super().__init__(Window(requests, period_s, told))

    @property
    def base_url(self) -> str:
        return f"{self.root}/3"

    def refusal(self, request: web.Request) -> Said | None:
        known = request.query.get("api_key") == API_KEY
        known |= request.headers.get("Authorization") == f"Bearer {TOKEN}"
        return None if known else _BAD_KEY

    def has(self, request: web.Request) -> Said:
        if said := _numbered(request):
            return said
        if found := re.fullmatch(r"/3/find/((?:tt|nm)?\d+)", request.path):
            by_tvdb = request.query.get("external_source") == "tvdb_id"
            return Said(_found_by_tvdb(int(found[1])) if by_tvdb else _found(found[1]))
        if request.path == "/3/authentication":
            return _ACCEPTED
        if not 1 <= int(request.query.get("page", "1")) <= 500:
            return _BAD_PAGE
        if results := _listed(request.path):
            return Said(_page(results, request))
        return _NOT_FOUND

    def too_many(self, reset_s: float) -> Said:
        headers = {"Retry-After": str(max(1, round(reset_s)))} if self.limit.told else {}
        body = {
            "success": False,
            "status_code": 25,
            "status_message": "Your request count is over the limit.",
        }
        return Said(body, 429, headers)


def _numbered(request: web.Request) -> Said | None:
    for pattern, described in _NUMBERED:
        if found := pattern.fullmatch(request.path):
            numbers = [int(number) for number in found.groups()]
            if numbers[0] not in TITLES:
                return _NOT_FOUND
            return Said(_in_languages(described(*numbers), request) | _appended(request, numbers))
    return None


def _appended(request: web.Request, numbers: list[int]) -> dict[str, Any]:
    """Parts of what is asked for, in the one answer; as TMDB, without their own ids."""
    parts = [part for part in request.query.get("append_to_response", "").split(",") if part]
    found: dict[str, Any] = {}
    for part in parts:
        for pattern, described in _NUMBERED:
            if pattern.fullmatch(f"{request.path}/{part}"):
                said = described(*numbers)
                found[part] = {name: value for name, value in said.items() if name != "id"}
    return found


def _in_languages(described: dict[str, Any], request: web.Request) -> dict[str, Any]:
    """Pictures in those languages alone that are asked for, where some are."""
    asked = request.query.get("include_image_language")
    if not asked:
        return described
    wanted = {None if language == "null" else language for language in asked.split(",")}
    return {
        name: [one for one in value if one["iso_639_1"] in wanted] if isinstance(value, list) else value
        for name, value in described.items()
    }


_NOTHING_FOUND: dict[str, Any] = {
    "movie_results": [],
    "tv_results": [],
    "person_results": [],
    "tv_season_results": [],
    "tv_episode_results": [],
}


def _found(imdb: str) -> dict[str, Any]:
    return _NOTHING_FOUND | {
        "movie_results": [movie(number) for number in TITLES if imdb_id(number) == imdb],
        "tv_results": [tv(number) for number in TITLES if imdb_id(number, show=True) == imdb],
        "person_results": [person(number) for number in TITLES if f"nm{number:07}" == imdb],
    }


def _found_by_tvdb(number: int) -> dict[str, Any]:
    """Series, seasons and episodes as TVDB's stand-in numbers them."""
    if number - 80_000 in TITLES:
        return _NOTHING_FOUND | {"tv_results": [tv(number - 80_000)]}
    if number >= 100:
        season, episode = divmod(number, 10)
        place = {"show_id": season // 10, "season_number": season % 10, "episode_number": episode}
        return _NOTHING_FOUND | {"tv_episode_results": [place]}
    place = {"show_id": number // 10, "season_number": number % 10}
    return _NOTHING_FOUND | {"tv_season_results": [place]}


def _listed(path: str) -> list[dict[str, Any]] | None:
    match path:
        case "/3/search/movie" | "/3/trending/movie/week":
            return [movie(1), movie(10)]
        case "/3/search/tv" | "/3/trending/tv/week":
            return [tv(1)]
        case "/3/search/multi":
            kinds = {"movie": movie(1), "tv": tv(1), "person": person(1)}
            return [{**described, "media_type": kind} for kind, described in kinds.items()]
    return None
