"""`make demo`: everything in one process, before a picture host and a TMDB of its own, so that there is something to see."""

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from services.__main__ import introduce
from services.enricher.api.access import AccessSettings
from services.enricher.finder import FinderSettings
from services.enricher.finder.metadata import ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.pages.demo import demo_titles, drawn
from services.enricher.settings import EnricherSettings
from services.fetcher.settings import DownloadSettings, FetcherSettings
from services.one_process import run
from services.proxy.settings import ProxySettings
from shared.http import HttpSettings
from shared.pictures import Role
from shared.process.start import start
from shared.settings import HostSettings
from shared.volume import VolumeSettings
from tests.providers.metadata_host import Said
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import API_KEY, TmdbHost

ADMIN_TOKEN = "demo"
DIRECTORY = "demo"
"""Apart from what `make run` keeps."""

SEASONS, EPISODES = 3, 4
VARIANTS = ("en", "", "de", "ko")
"""Of each poster: the first is the one that is chosen."""

PLAYERS = (
    *(
        "Ada Lindqvist",
        "Bruno Kessler",
        "Celia Marsh",
        "Dario Conti",
        "Edda Voss",
        "Felix Oram",
        "Greta Hale",
    ),
    *("Henri Duval", "Ines Calloway", "Jonas Reith"),
)
PARTS = ("The stranger", "The keeper of the tower", "A doctor", "The widow", "A witness", "The inventor")


class DemoTmdb(TmdbHost):
    """The stand-in, with the titles of the demo library as its numbers 1 to 24."""

    def has(self, request: web.Request) -> Said:
        path = request.path
        if found := re.fullmatch(r"/3/find/(tt\d+)", path):
            return Said(self._found(found[1]))
        if path.startswith("/3/search/"):
            said = super().has(request)
            return Said(said.body | {"results": self._searched(request.query.get("query", ""))})
        numbered = re.fullmatch(r"/3/(movie|tv)/(\d+)(/credits|/season/(\d+))?", path)
        said = super().has(request)
        if not numbered or not isinstance(said.body, dict) or int(numbered[2]) > len(demo_titles()):
            return said
        number = int(numbered[2])
        match numbered[3]:
            case None:
                return Said(said.body | _entry(number))
            case "/credits":
                return Said(_credits(number))
        return Said(
            said.body
            | {"episodes": [_episode(number, int(numbered[4]), of) for of in range(1, EPISODES + 1)]}
        )

    def _found(self, imdb_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            f"{kind}_results": [] for kind in ("movie", "tv", "person", "tv_season", "tv_episode")
        }
        for number, one in enumerate(demo_titles(), 1):
            if one.imdb_id == imdb_id:
                found[f"{one.media_type}_results"] = [_entry(number)]
        return found

    def _searched(self, text: str) -> list[dict[str, Any]]:
        words = text.casefold().split()
        return [
            _entry(number) | {"media_type": one.media_type}
            for number, one in enumerate(demo_titles(), 1)
            if all(word in one.title.casefold() for word in words)
        ]


def _entry(number: int) -> dict[str, Any]:
    one = demo_titles()[number - 1]
    name, date = ("title", "release_date") if one.media_type == "movie" else ("name", "first_air_date")
    return {
        "id": number,
        name: one.title,
        f"original_{name}": one.title,
        date: f"{one.year}-03-10",
        "imdb_id": one.imdb_id,
        "overview": one.overview,
        "tagline": "",
        "runtime": 70 + 3 * number,
        "genres": [{"id": 100 + place, "name": genre} for place, genre in enumerate(one.genres)],
        "vote_average": one.rating,
        "vote_count": 1000 + 37 * number,
        "popularity": 50 - number,
        "poster_path": f"/poster{number}en.jpg",
        "backdrop_path": f"/backdrop{number}.jpg",
        "number_of_seasons": SEASONS,
        "seasons": [
            {
                "id": 100 * number + season,
                "season_number": season,
                "name": f"Season {season}",
                "air_date": f"{one.year + season - 1}-03-10",
                "episode_count": EPISODES,
                "poster_path": f"/season{number}-{season}.jpg",
            }
            for season in range(1, SEASONS + 1)
        ],
    }


def _credits(number: int) -> dict[str, Any]:
    cast = [
        {
            "id": place,
            "name": PLAYERS[(place + number) % len(PLAYERS)],
            "character": PARTS[(place * 5 + number) % len(PARTS)],
            "order": place,
            "profile_path": f"/face{(place + number) % len(PLAYERS) + 1}.jpg",
        }
        for place in range(8)
    ]
    names = demo_titles()[number - 1].by.split(", ")
    crew = [{"id": 90 + place, "name": name, "job": "Director"} for place, name in enumerate(names)]
    return {"id": number, "cast": cast, "crew": crew}


def _episode(number: int, season: int, of: int) -> dict[str, Any]:
    return {
        "id": 10_000 * number + 100 * season + of,
        "episode_number": of,
        "season_number": season,
        "name": f"Part {of}",
        "air_date": f"{demo_titles()[number - 1].year + season - 1}-0{of + 2}-10",
        "overview": "What happens in it is not told here.",
        "still_path": f"/still{number}-{season}-{of}.jpg",
    }


def hung() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The pictures that the stand-in says there are: where below `/t/p/original/`, and what draws them, as SVG."""
    for number, one in enumerate(demo_titles(), 1):
        for variant, language in enumerate(VARIANTS):
            yield f"poster{number}{language}.jpg", partial(one.picture, variant=5 * variant)
        yield f"backdrop{number}.jpg", partial(one.picture, Role.FANART)
        yield f"logo{number}.png", partial(one.picture, Role.LOGO)
        for season in range(1, SEASONS + 1) if one.media_type == "tv" else ():
            line = f"Season {season}"
            yield (
                f"season{number}-{season}.jpg",
                partial(drawn, one.title, line, Role.POSTER, number + season),
            )
            for episode in range(1, EPISODES + 1):
                name = f"{one.title} {season} {episode}"
                yield f"still{number}-{season}-{episode}.jpg", partial(drawn, name, "", Role.STILL, episode)
    for number, name in enumerate(PLAYERS, 1):
        yield f"face{number}.jpg", partial(drawn, name, "", Role.PROFILE, number)


async def main(_volume_settings: VolumeSettings) -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(PictureHost.running())
        tmdb = await stack.enter_async_context(DemoTmdb.running())
        for path, draw in hung():
            host.put(f"/t/p/original/{path}", draw(), content_type="image/svg+xml")
        authority, images = host.root.removeprefix("http://"), host.url("/t/p")
        hosts = HostSettings(allowed_hosts=(*HostSettings().allowed_hosts, authority))
        providers = ProviderSettings.read(
            TmdbSettings(api_key=SecretStr(API_KEY), base_url=tmdb.base_url, image_url=images)
        )
        filling: set[asyncio.Task[None]] = set()

        def listening(address: str) -> None:
            filling.add(asyncio.create_task(_fill(address)))
            introduce(address, example=host.url("/poster/1.jpg"))
            print(f"  To sign in, the token is {ADMIN_TOKEN!r}\n", file=sys.stderr, flush=True)

        await run(
            VolumeSettings(volume_url=f"file:{DIRECTORY}/data"),
            proxy=ProxySettings(hosts=hosts, tmdb_image_url=images),
            fetcher=FetcherSettings(download=DownloadSettings(hosts=hosts, allow_private=(authority,))),
            enricher=EnricherSettings(
                access=AccessSettings(admin_token=ADMIN_TOKEN),
                hosts=hosts,
                finder=FinderSettings(providers=providers),
            ),
            http=HttpSettings(),
            on_listening=listening,
        )


async def _fill(address: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        await session.post(f"{address}/api/v1/admin/demo")


if __name__ == "__main__":
    start(main)
