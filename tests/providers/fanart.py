"""A stand-in for fanart.tv: its key, its lists, and URLs with spaces and brackets.

Movies by TMDB or IMDb id, series by TVDB id, both numbered as TVDB's stand-in numbers them.
"""

import re
from typing import Any

from aiohttp import web

from tests.providers.metadata_host import MetadataHost, Said, Window
from tests.providers.trakt import TITLES, imdb_id
from tests.providers.tvdb import SERIES_FROM

API_KEY = "the-fanart-key"

_TITLE = re.compile(r"/v3/(movies|tv)/(tt)?(\d+)")


def picture(id_: int, name: str, **values: str) -> dict[str, str]:
    url = f"http://assets.fanart.tv/fanart/{name}"
    return {"id": str(id_), "url": url, "lang": "en", "likes": "3", **values}


def movie(number: int) -> dict[str, Any]:
    return {
        "name": f"The movie {number}",
        "tmdb_id": str(number),
        "imdb_id": imdb_id(number),
        "movieposter": [picture(1, f"movies/{number}/D_{number} (3).jpg")],
        "hdmovielogo": [picture(2, f"movies/{number}/logo [de].png", lang="de", likes="10")],
        "moviebackground": [picture(3, f"movies/{number}/back.jpg", lang="")],
    }


def series(number: int) -> dict[str, Any]:
    return {
        "name": f"The show {number}",
        "thetvdb_id": str(SERIES_FROM + number),
        "tvposter": [picture(4, f"tv/{number}/poster.jpg", lang="00")],
        "clearlogo": [picture(5, f"tv/{number}/logo.png")],
        "seasonposter": [
            picture(6, f"tv/{number}/season1.jpg", season="1"),
            picture(7, f"tv/{number}/season2.jpg", season="2"),
            picture(8, f"tv/{number}/all.jpg", season="all"),
        ],
    }


class FanartHost(MetadataHost):
    def __init__(self, *, requests: int = 200, period_s: float = 1) -> None:
        super().__init__(Window(requests, period_s))

    @property
    def base_url(self) -> str:
        return f"{self.root}/v3"

    def refusal(self, request: web.Request) -> Said | None:
        if request.query.get("api_key") == API_KEY:
            return None
        return Said({"status": "error", "error message": "Invalid API key"}, 401)

    def has(self, request: web.Request) -> Said:
        found = _TITLE.fullmatch(request.path)
        number = int(found[3]) - SERIES_FROM * (found[1] == "tv") if found else 0
        if not found or number not in TITLES:
            return Said({"status": "error", "error message": "Not found"}, 404)
        return Said(movie(number) if found[1] == "movies" else series(number))

    def too_many(self, reset_s: float) -> Said:
        return Said("", 429, {"Retry-After": str(max(1, round(reset_s)))})
