"""A client library of TMDB's that others use, pointed at us: its own calls, its key, and the pictures it builds."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tmdbsimple  # type: ignore[import-untyped] # as it is

from services.fetcher.settings import DownloadSettings, FetcherSettings, RenderSettings
from services.proxy.settings import ProxySettings
from shared.http.app import without_keys
from shared.settings import HostSettings
from shared.volume.settings import FloorSettings
from tests.integration.enricher import running_enricher
from tests.providers.gallery import drawn_file
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import TmdbHost

READER = "a-token-for-reading"


@pytest.fixture(autouse=True)
def key() -> Iterator[None]:
    tmdbsimple.API_KEY, before = READER, tmdbsimple.API_KEY
    yield
    tmdbsimple.API_KEY = before


def calls(base: str) -> list[Any]:
    """Each of the resources that we have, as a program asks for it."""

    def at(client: Any) -> Any:
        client.base_uri = base
        return client

    search = at(tmdbsimple.Search())
    movie, tv, person = at(tmdbsimple.Movies(7)), at(tmdbsimple.TV(7)), at(tmdbsimple.People(7))
    return [
        lambda: search.movie(query="The Movie", include_adult=False)["results"][0]["title"],
        lambda: search.tv(query="The Show", first_air_date_year=1999)["results"][0]["name"],
        lambda: [one["media_type"] for one in search.multi(query="x")["results"]],
        lambda: movie.info(append_to_response="credits")["credits"]["crew"][0]["job"],
        lambda: movie.credits()["cast"][0]["name"],
        lambda: tv.info(language="en-US")["seasons"][0]["season_number"],
        lambda: tv.credits()["cast"][0]["character"],
        lambda: at(tmdbsimple.TV_Seasons(7, 1)).info()["episodes"][0]["still_path"],
        lambda: person.info()["profile_path"],
        lambda: person.combined_credits()["cast"][0]["media_type"],
        lambda: at(tmdbsimple.Collections(7)).info()["parts"][0]["id"],
        lambda: at(tmdbsimple.Trending("movie", "week")).info()["page"],
        lambda: at(tmdbsimple.Trending("tv", "week")).info()["results"][0]["name"],
        lambda: at(tmdbsimple.Find("tt0000007")).info(external_source="imdb_id")["movie_results"][0]["id"],
        lambda: movie.info()["poster_path"],
        lambda: at(tmdbsimple.Configuration()).info()["images"]["secure_base_url"],
    ]


async def test_a_client_of_tmdbs_works_unchanged_and_the_poster_it_builds_is_served_by_us(
    tmp_path: Path, picture_host: PictureHost, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = picture_host.root.removeprefix("http://")
    hosts = HostSettings(allowed_hosts=(authority,))
    picture_host.put("/t/p/original/poster7.jpg", drawn_file("poster", 7, (60, 90), "jpeg") or b"")
    async with (
        TmdbHost.running() as tmdb,
        running_enricher(
            tmp_path,
            tmdb=tmdb,
            api_tokens=(READER,),
            hosts=hosts,
            proxy=ProxySettings(hosts=hosts, tmdb_image_url=picture_host.url("/t/p")),
            fetcher=FetcherSettings(
                download=DownloadSettings(hosts=hosts, allow_private=(authority,)),
                render=RenderSettings(ahead=False, processes=1),
                room=FloorSettings(free_gb=0),
            ),
        ) as enricher,
    ):
        said = [await asyncio.to_thread(call) for call in calls(f"{enricher.address}/api/tmdb/3")]
        base = said[-1]
        path = f"{base.removeprefix(enricher.address)}w342{said[-2]}"
        status, _ = await enricher.picture(path)
        assert (await enricher.get("/api/tmdb/3/movie/7")).status == 401
        assert (await enricher.get("/api/tmdb/3/movie/7?api_key=another")).status == 403
        assert (await enricher.get(f"/api/items?api_key={READER}")).status == 401
        asked = json.dumps(dict(tmdb.counts))
    assert said == [
        "The movie 1",
        "The show 1",
        ["movie", "tv", "person"],
        "Director",
        "Person 1",
        1,
        "Herself",
        "/still.jpg",
        "/face7.jpg",
        "movie",
        1,
        1,
        "The show 1",
        7,
        "/poster7.jpg",
        f"{enricher.address}/t/p/",
    ]
    assert status == 200
    assert READER not in asked + capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/api/tmdb/movie/7?api_key=secret&language=de", "/api/tmdb/movie/7?api_key=…&language=de"),
        ("/api/tmdb/movie/7?a=%20&api%5Fkey=secret", "/api/tmdb/movie/7?a=%20&api%5Fkey=…"),
        ("/api/tmdb/search/movie?query=key", "/api/tmdb/search/movie?query=key"),
        ("/api/tmdb/movie/7?api_key", "/api/tmdb/movie/7?api_key"),
        ("/secret/imdb/poster-default/tt1.jpg?lang=de", "/…/imdb/poster-default/tt1.jpg?lang=de"),
        ("/secret/isvalid", "/…/isvalid"),
        (
            "/api/v1/admin/images/secret/tvdb/logo-default/1.png",
            "/api/v1/admin/images/…/tvdb/logo-default/1.png",
        ),
    ],
)
def test_keys_are_cut_in_logs(path: str, logged: str) -> None:
    assert without_keys(path) == logged
