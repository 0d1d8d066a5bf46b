"""Pictures by what they show, from the browser's request to the provider and back, through all three services."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.contracts import FetchPicture, ResolvePicture
from shared.pictures import Name, picture_id
from shared.settings import HostSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.picture_host import PictureHost
from tests.providers.tvdb import API_KEY, TvdbHost, artwork, movie, series

NAME = "movie/tvdb:7/poster"
FOUND, BETTER = "/poster/7-300x450.jpg", "/poster/8-300x450.jpg"
BY_NAME = f"/api/v1/images/{NAME}"

Start = Callable[..., AbstractAsyncContextManager[RunningEnricher]]


def has(host: TvdbHost, url: str) -> None:
    described = {**movie(7), "artworks": [artwork(1, 14, image=url)]}
    host.put("/v4/movies/7/extended", Said({"status": "success", "data": described}))


@pytest.fixture
async def tvdb(picture_host: PictureHost) -> AsyncIterator[TvdbHost]:
    async with TvdbHost.running() as host:
        has(host, picture_host.url(FOUND))
        yield host


@pytest.fixture
def start(
    tmp_path: Path, picture_host: PictureHost, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> Start:
    authority = picture_host.root.removeprefix("http://")
    usual = {"ALLOW_PRIVATE": authority, "RENDER_PROCESSES": "1", "DISK_FREE_FLOOR_GB": "0"}
    usual["ENABLE_IMAGE_OPTIMIZATION"] = "false"
    for name, value in (usual | {"ALLOWED_HOSTS": authority}).items():
        monkeypatch.setenv(name, value)
    return partial(
        running_enricher,
        tmp_path,
        tvdb=tvdb,
        fetcher=FetcherSettings(),
        proxy=ProxySettings(),
        hosts=HostSettings(),
    )


async def test_two_hundred_clients_of_one_cold_name_cost_one_resolve_one_call_and_one_download(
    start: Start, picture_host: PictureHost, tvdb: TvdbHost
) -> None:
    tvdb.latency_s = 0.1
    async with start() as whole:
        answers = await asyncio.gather(*(whole.picture(f"{BY_NAME}/w342.webp") for _ in range(200)))
        jobs = whole.queue.jobs(ResolvePicture)
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
    assert (len(jobs), tvdb.counts["/v4/movies/7/extended"], picture_host.count(FOUND)) == (1, 1, 1)


async def test_a_name_without_a_picture_is_not_found_and_asked_for_once(start: Start, tvdb: TvdbHost) -> None:
    async with start() as whole:
        for _ in range(3):
            assert (await whole.get("/api/v1/images/movie/tvdb:1000/poster/small.webp")).status == 404
    assert tvdb.counts["/v4/movies/1000/extended"] == 1


async def test_a_refused_key_is_answered_at_once_and_not_remembered(start: Start, tvdb: TvdbHost) -> None:
    async with start(tvdb_key="wrong") as whole:
        refused = await whole.get(f"{BY_NAME}/small.webp")
    assert refused.status == 403
    assert "TVDB" in refused.json["detail"]
    async with start(tvdb_key=API_KEY) as whole:
        assert (await whole.picture(f"{BY_NAME}/small.webp"))[0] == 200


async def test_what_only_our_key_is_to_blame_for_nobody_may_keep_either(start: Start) -> None:
    async with start(tvdb_key="wrong") as whole:
        misconfigured = await whole.get(f"{BY_NAME}/small.webp")
        assert await whole.volume.names.failure(Name.parse(NAME)) is None
    async with start() as whole:
        gone = await whole.get("/api/v1/images/movie/tvdb:1000/poster/small.webp")
    assert (misconfigured.status, misconfigured.headers["Cache-Control"]) == (403, "no-store")
    assert int(misconfigured.headers["Retry-After"]) > 0
    assert (gone.status, gone.headers["Cache-Control"]) == (404, "max-age=60")


async def test_a_picture_that_was_evicted_is_fetched_again_under_its_path(
    start: Start, picture_host: PictureHost
) -> None:
    async with start() as whole:
        status, body = await whole.picture(f"{BY_NAME}/small.webp")
        stored = await whole.volume.pictures.current(picture_id(picture_host.url(FOUND)))
        assert stored
        assert await whole.volume.pictures.remove(stored.picture)
        again = await whole.picture(f"/p/{stored.picture}/{stored.id}/small.webp")
        assert (await whole.get(f"/p/{'1' * 32}/{stored.id}/small.webp")).status == 404
    assert (status, again) == (200, (200, body))
    assert picture_host.count(FOUND) == 2


async def test_the_name_shows_a_better_picture_after_one_refresh(
    start: Start, picture_host: PictureHost, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.finder.resolving.opening.SWEEP_EVERY_S", 0.05)
    for setting in ("ARTWORK_REFRESH", "METADATA_TTL"):
        monkeypatch.setenv(setting, "1")
    async with start() as whole:
        _, before = await whole.picture(f"{BY_NAME}/w342.webp")
        has(tvdb, picture_host.url(BETTER))
        better = picture_id(picture_host.url(BETTER))

        async def shows_the_better_one() -> bool:
            return await whole.volume.names.picture(Name.parse(NAME)) == better

        await until(shows_the_better_one)
        status, after = await whole.picture(f"{BY_NAME}/w342.webp")
    assert (status, before != after) == (200, True)


async def test_the_name_of_a_title_that_was_merged_shows_the_others_picture_after_one_refresh(
    start: Start, picture_host: PictureHost, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.finder.resolving.opening.SWEEP_EVERY_S", 0.05)
    for setting in ("ARTWORK_REFRESH", "METADATA_TTL"):
        monkeypatch.setenv(setting, "1")
    duplicate, other = Name.parse("series/tvdb:80007/poster"), 80_008
    for id_, path in ((80_007, FOUND), (other, BETTER)):
        described = {**series(id_ - 80_000), "artworks": [artwork(1, 2, image=picture_host.url(path))]}
        tvdb.put(f"/v4/series/{id_}/extended", Said({"status": "success", "data": described}))
    async with start() as whole:
        status, before = await whole.picture(f"/api/v1/images/{duplicate}/w342.webp")
        tvdb.put("/v4/series/80007/extended", Said({"status": "failure", "data": None}, 404))
        tvdb.merged = {80_007: other}

        async def shows_the_others() -> bool:
            return await whole.volume.names.picture(duplicate) == picture_id(picture_host.url(BETTER))

        await until(shows_the_others)
        _, after = await whole.picture(f"/api/v1/images/{duplicate}/w342.webp")
    assert (status, before != after) == (200, True)


async def test_a_source_that_fails_is_an_answer_to_who_asked_by_name(
    start: Start, picture_host: PictureHost
) -> None:
    picture_host.behave(FOUND, Behaviour(status=404))
    async with start() as whole:
        assert (await whole.get(f"{BY_NAME}/small.webp")).status == 404
        assert [str(job.name) for job in whole.queue.jobs(FetchPicture)] == [NAME]


async def test_a_number_of_the_library_leads_to_its_picture(start: Start) -> None:
    async with start() as whole:
        added = {"title": "X", "media_type": "movie", "tvdb_id": 7}
        await whole.manage("POST", "/api/library/items", added)
        status, _ = await whole.picture("/api/v1/images/movie/1/poster/small.webp")
    assert status == 200
