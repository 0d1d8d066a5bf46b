"""Pictures with a key in the path, as programs ask for posters with ratings."""

from pathlib import Path

import pytest

from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.contracts import ResolvePicture
from shared.settings import HostSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt import imdb_id

SHOW = imdb_id(8, show=True)
POSTER = "imdb/poster-default/tt0000007.jpg?fallback=true&lang=de"


async def status(enricher: RunningEnricher, path: str) -> int:
    return (await enricher.picture(path))[0]


@pytest.mark.parametrize(
    ("keys", "good", "bad"),
    [
        (("", ""), "t0-free", "another"),
        (("one,two", ""), "two", "t0-free"),
        (("one", "secret"), "one", "t0-free"),
        (("", "secret"), None, "t0-free"),
    ],
)
async def test_a_key_opens_its_paths_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, str], good: str | None, bad: str
) -> None:
    """`keys`: what POSTER_KEYS and SIGNING_KEYS are."""
    monkeypatch.setenv("POSTER_KEYS", keys[0])
    monkeypatch.setenv("SIGNING_KEYS", keys[1])
    async with running_enricher(tmp_path, proxy=ProxySettings()) as enricher:
        assert await status(enricher, f"/{bad}/isValid") == 403
        assert await status(enricher, f"/{bad}/{POSTER}") == 403
        if good:
            assert (await enricher.get(f"/{good}/isValid")).json == {"valid": True}
            found = await enricher.get(f"/{good}/{POSTER}")
            assert "POSTER_KEYS" not in found.json["detail"]  # no provider has a key here
            assert await status(enricher, f"/{good}/imdb/poster-default/603.jpg") == 400
            assert await status(enricher, f"/{good}/imdb/cover-default/tt0000007.jpg") == 404
            names = [str(job.name) for job in enricher.queue.jobs(ResolvePicture)]
            assert names == ["movie/imdb:tt0000007/poster"]
            by_name = await status(enricher, f"/api/v1/images/movie/tmdb:7/poster/w342?key={good}")
            assert by_name == 403  # it opens nothing else


async def test_a_number_of_imdbs_is_the_movie_or_the_series_that_there_is(
    tmp_path: Path, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = picture_host.root.removeprefix("http://")
    for name, value in {
        "ALLOWED_HOSTS": authority,
        "ALLOW_PRIVATE": authority,
        "DISK_FREE_FLOOR_GB": "0",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "TMDB_IMAGE_URL": picture_host.url("/t/p"),
        "RENDER_PROCESSES": "1",
    }.items():
        monkeypatch.setenv(name, value)
    async with (
        TmdbHost.running() as tmdb,
        running_enricher(
            tmp_path, tmdb=tmdb, proxy=ProxySettings(), fetcher=FetcherSettings(), hosts=HostSettings()
        ) as enricher,
    ):
        for _ in range(2):
            async with enricher.client.get(f"{enricher.address}/t0-free/{POSTER}") as answer:
                assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
        asked = [str(job.name) for job in enricher.queue.jobs(ResolvePicture)]
        await enricher.picture(f"/t0-free/imdb/poster-default/{SHOW}.png")
        of_show = [str(job.name) for job in enricher.queue.jobs(ResolvePicture)][1:]
        assert (await enricher.picture(f"/t0-free/imdb/poster-default/{SHOW}.png"))[0] == 200
    assert asked == ["movie/imdb:tt0000007/poster"]
    assert of_show == [f"movie/imdb:{SHOW}/poster", f"series/imdb:{SHOW}/poster"]
