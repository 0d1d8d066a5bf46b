"""A stand-in for Trakt: its paths, headers, errors and limit, and movies and shows with the numbers 1 to 999.

Title n has the Trakt id 10000 + n, the TMDB id n, the IMDb id `tt` and n in seven digits (shows: 5,000,000 more),
and the slug `movie-n` or `show-n`.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.providers.metadata_host import MetadataHost, Said, Window

CLIENT_ID = "the-client-id"
TITLES = range(1, 1000)

_SUMMARY = re.compile(r"/(movies|shows)/([\w-]+)")
_SEARCH = re.compile(r"/search/(?:(tmdb|tvdb)/(\d+)|(movie|show))")
_SEASONS = re.compile(r"/shows/([\w-]+)/seasons")
_EPISODE = re.compile(r"/shows/([\w-]+)/seasons/(\d+)/episodes/(\d+)")
_PERSON = re.compile(r"/people/([\w-]+)")
_PICTURES = "walter-r2.trakt.tv/images"
_SHOWS_FROM = 5_000_000


def imdb_id(number: int, *, show: bool = False) -> str:
    return f"tt{number + _SHOWS_FROM * show:07}"


def title(number: int, *, show: bool = False) -> dict[str, Any]:
    """As Trakt describes it, `extended=full,images`."""
    kind = "show" if show else "movie"
    folder = f"walter-r2.trakt.tv/images/{kind}s/000/000/{number:03}"
    described = {
        "title": f"The {kind} {number}",
        "year": 1950 + number % 70,
        "ids": {
            "trakt": 10_000 + number,
            "slug": f"{kind}-{number}",
            "imdb": imdb_id(number, show=show),
            "tmdb": number,
            "tvdb": 80_000 + number if show else None,
        },
        "tagline": "",
        "overview": f"What Trakt says of {kind} {number}.",
        "runtime": 90,
        "rating": 7.5,
        "votes": 1200,
        "genres": ["science-fiction", "drama"],
        "certification": None,
        "status": "released",
        "language": "en",
        "trailer": None,
        "images": {
            "poster": [f"{folder}/posters/thumb/{number:010x}.jpg.webp", "media.trakt.tv/other.jpg.webp"],
            "fanart": [f"{folder}/fanarts/medium/{number:010x}.jpg.webp"],
            "logo": [],
        },
    }
    dates = {"first_aired": "1999-03-31T01:00:00.000Z"} if show else {"released": "1999-03-31"}
    return described | dates


def season(number: int, season: int) -> dict[str, Any]:
    poster = f"{_PICTURES}/seasons/{number}/posters/thumb/{season}.jpg.webp"
    return {"number": season, "ids": {"trakt": 10 * number}, "images": {"poster": [poster], "thumb": []}}


def episode(number: int, season: int, episode: int) -> dict[str, Any]:
    still = f"{_PICTURES}/episodes/{number}/screenshots/medium/{season}-{episode}.jpg.webp"
    return {"season": season, "number": episode, "title": "", "images": {"screenshot": [still]}}


def person(number: int) -> dict[str, Any]:
    return {
        "name": f"Person {number}",
        "ids": {"trakt": 10_000 + number, "imdb": f"nm{number:07}", "tmdb": number},
        "images": {"headshot": [f"{_PICTURES}/people/{number}/headshots/thumb/1.jpg.webp"], "fanart": []},
    }


class TraktHost(MetadataHost):
    def __init__(self, *, requests: int = 500, period_s: float = 300, told: bool = True) -> None:
        super().__init__(Window(requests, period_s, told))

    def refusal(self, request: web.Request) -> Said | None:
        if request.headers.get("trakt-api-key") != CLIENT_ID:
            return Said({}, 403)
        if request.headers.get("trakt-api-version") != "2" or "User-Agent" not in request.headers:
            return Said({}, 412)
        return None if request.content_type == "application/json" else Said({}, 412)

    def has(self, request: web.Request) -> Said:
        if found := _SUMMARY.fullmatch(request.path):
            return self._summary(found[2], show=found[1] == "shows")
        if found := _SEARCH.fullmatch(request.path):
            by_text = found[3] and Said(list(_called(request.query["query"], found[3])))
            return by_text or self._search(int(found[2]), request.query.get("type"), tvdb=found[1] == "tvdb")
        if found := _SEASONS.fullmatch(request.path):
            number = _number(found[1], show=True)
            return Said([season(number, one) for one in (1, 2)]) if number in TITLES else Said({}, 404)
        if found := _EPISODE.fullmatch(request.path):
            number, of_season, one = _number(found[1], show=True), int(found[2]), int(found[3])
            known = number in TITLES and {of_season, one} <= {1, 2}
            return Said(episode(number, of_season, one)) if known else Said({}, 404)
        if found := _PERSON.fullmatch(request.path):
            number = _number(found[1])
            return Said(person(number)) if number in TITLES else Said({}, 404)
        return Said({}, 404)

    def too_many(self, reset_s: float) -> Said:
        if not self.limit.told:
            return Said("", 429)
        until = datetime.now(UTC) + timedelta(seconds=reset_s)
        told = {
            "name": "UNAUTHED_API_GET_LIMIT",
            "period": int(self.limit.period_s),
            "limit": self.limit.requests,
            "remaining": 0,
            "until": until.isoformat().replace("+00:00", "Z"),
        }
        headers = {"X-Ratelimit": json.dumps(told), "Retry-After": str(max(1, round(reset_s)))}
        return Said("AUTHED_API_GET_LIMIT rate limit exceeded", 429, headers)

    def _summary(self, name: str, *, show: bool) -> Said:
        number = _number(name, show=show)
        return Said(title(number, show=show)) if number in TITLES else Said({}, 404)

    def _search(self, number: int, kind: str | None, *, tvdb: bool) -> Said:
        number -= 80_000 * tvdb
        if number not in TITLES:
            return Said([])
        kinds = [kind] if kind else ["movie", "show"]
        described = {
            "movie": title(number),
            "show": title(number, show=True),
            "person": person(number),
        }
        return Said(
            [{"type": one, "score": 1000, one: described[one]} for one in kinds],
            headers={"X-Pagination-Page": "1", "X-Pagination-Limit": "10", "X-Pagination-Page-Count": "1"},
        )


def _called(text: str, kind: str) -> Iterator[dict[str, Any]]:
    """An episode's show is among them, and one whose numbers nobody has room for."""
    yield {"type": "episode", "score": 99.0, "episode": episode(9, 1, 1), "show": title(9, show=True)}
    ids = {"trakt": 2**40, "slug": "far", "imdb": "far", "tmdb": 2**40, "tvdb": 2**40}
    yield {"type": kind, "score": 98.0, kind: {"title": "Far", "year": 1999, "ids": ids}}
    for number in TITLES:
        if title(number, show=kind == "show")["title"].casefold() == text.casefold():
            yield {"type": kind, "score": 97.5, kind: title(number, show=kind == "show")}


def _number(name: str, *, show: bool = False) -> int:
    """Of what is named by IMDb id, Trakt id or slug."""
    if name[:2] in {"tt", "nm"} and name[2:].isdecimal():
        return int(name[2:]) - _SHOWS_FROM * show
    if name.isdecimal():
        return int(name) - 10_000
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1
