"""A stand-in for Trakt: its paths, headers, errors and limit, and movies and shows with the numbers 1 to 999.

Title n has the Trakt id 10000 + n, the TMDB id n, the IMDb id `tt` and n in seven digits (shows: 5,000,000 more),
and the slug `movie-n` or `show-n`.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.providers.metadata_host import MetadataHost, Said, Window

CLIENT_ID = "the-client-id"
TITLES = range(1, 1000)

_SUMMARY = re.compile(r"/(movies|shows)/([\w-]+)")
_SEARCH = re.compile(r"/search/tmdb/(\d+)")
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
            return self._search(int(found[1]), request.query.get("type"))
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
        if name.startswith("tt"):
            number = int(name[2:]) - _SHOWS_FROM * show
        elif name.isdecimal():
            number = int(name) - 10_000
        else:
            number = int(name.rpartition("-")[2])
        return Said(title(number, show=show)) if number in TITLES else Said({}, 404)

    def _search(self, number: int, kind: str | None) -> Said:
        if number not in TITLES:
            return Said([])
        kinds = [kind] if kind else ["movie", "show"]
        return Said(
            [{"type": one, "score": 1000, one: title(number, show=one == "show")} for one in kinds],
            headers={"X-Pagination-Page": "1", "X-Pagination-Limit": "10", "X-Pagination-Page-Count": "1"},
        )
