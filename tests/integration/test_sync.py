"""Syncing: titles get the pictures they lack, each is accounted for, and what failed lately is not tried again."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from services.enricher.finder.resolving.table import ArtworkTable, Shown
from services.enricher.library import ItemIds, Library, LibraryEntry, MediaType
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.contracts import PurgePicture
from shared.pictures import Name, SourceUrl, picture_id
from shared.settings import HostSettings
from shared.telemetry import utc_now
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.picture_host import PictureHost
from tests.providers.tvdb import TvdbHost, artwork, movie
from tests.servers.databases import opened_database

Start = Callable[..., AbstractAsyncContextManager[RunningEnricher]]
SYNC = "/api/v1/admin/sync/images"
MANY = int(os.environ.get("N", "200"))
PATIENCE_S = 50
NOTHING: Mapping[int, str] = MappingProxyType({})


def path_of(number: int) -> str:
    return f"/poster/{number % 10}-60x90.jpg"


def url_of(host: PictureHost, number: int) -> str:
    return host.url(f"{path_of(number)}?n={number % 50}")


@pytest.fixture
async def tvdb() -> AsyncIterator[TvdbHost]:
    async with TvdbHost.running() as host:
        yield host


@pytest.fixture
def start(
    tmp_path: Path, picture_host: PictureHost, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> Start:
    authority = picture_host.root.removeprefix("http://")
    usual = {
        "ALLOW_PRIVATE": authority,
        "ALLOWED_HOSTS": authority,
        "DISK_FREE_FLOOR_GB": "0",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "HOST_FAILURES": "1000000",
    }
    for name, value in usual.items():
        monkeypatch.setenv(name, value)
    return partial(
        running_enricher,
        tmp_path,
        tvdb=tvdb,
        fetcher=FetcherSettings(),
        proxy=ProxySettings(),
        hosts=HostSettings(),
    )


def describe(tvdb: TvdbHost, host: PictureHost, numbers: Iterable[int]) -> None:
    """Each tenth has something wrong with it, of four kinds in turn; many of the others share a picture."""
    for number in numbers:
        picture = url_of(host, number)
        match number % 40:
            case 0:
                described = {**movie(number), "artworks": [], "image": None}
                tvdb.put(f"/v4/movies/{number}/extended", Said({"status": "success", "data": described}))
                continue
            case 10:
                picture = host.url(f"/gone.jpg?n={number}")
            case 20:
                picture = host.url(f"/broken.jpg?n={number}")
            case 30:
                picture = host.url(f"/page.jpg?n={number}")
        described = {**movie(number), "artworks": [artwork(number, 14, image=picture)]}
        tvdb.put(f"/v4/movies/{number}/extended", Said({"status": "success", "data": described}))
    host.behave("/gone.jpg", Behaviour.failing(404))
    host.behave("/broken.jpg", Behaviour.failing(500))
    host.behave("/page.jpg", Behaviour.error_page())


async def filled(directory: Path, numbers: Iterable[int], *, found: Mapping[int, str] = NOTHING) -> None:
    """A library, and of some of its titles what has been found for them before."""
    entries = [LibraryEntry(f"Movie {n}", MediaType.MOVIE, ids=ItemIds(tvdb=n)) for n in numbers]
    later = utc_now() + timedelta(days=1)
    async with opened_database(directory / "state") as database:
        await Library(database).add_all(entries)
        artwork_table = ArtworkTable(database)
        for number, url in found.items():
            name, shown = Name.parse(f"movie/tvdb:{number}/poster"), Shown(SourceUrl.parse(url))
            await artwork_table.put(name, shown, now=utc_now(), refresh_at=later)


async def done(whole: RunningEnricher, path: str) -> dict[str, Any]:
    return await whole.ended(path, within_s=PATIENCE_S)


async def test_of_many_names_each_failure_is_told_with_its_class_and_not_tried_before_it_is_due(
    start: Start, tmp_path: Path, tvdb: TvdbHost, picture_host: PictureHost
) -> None:
    """Most of those that do not fail are known from before, so that TVDB's limits do not make it last."""
    numbers = range(1, MANY + 1)
    describe(tvdb, picture_host, numbers)
    found = {number: url_of(picture_host, number) for number in numbers if number % 10 and number > MANY // 5}
    await filled(tmp_path, numbers, found=found)
    async with start() as whole:
        first = await done(whole, f"{SYNC}/missing?content_type=movie&limit={MANY}&role=poster")
        asked = tvdb.total
        again = await done(whole, f"{SYNC}/missing?content_type=movie&limit={MANY}&role=poster")
        assert tvdb.total == asked
    assert (first["state"], first["counts"]) == ("done", {"stored": MANY * 9 // 10, "failed": MANY // 10})
    failed = [item for item in first["items"] if item["outcome"] == "failed"]
    classes = Counter((int(item["name"][11:-7]) % 40, item["failure_class"]) for item in failed)
    assert classes == dict.fromkeys(
        [(0, "gone"), (10, "gone"), (20, "upstream"), (30, "unsound")], MANY // 40
    )
    assert all(item["reason"] and item["retry_at"] for item in failed)
    assert (again["state"], again["counts"]) == ("done", {"not due": MANY // 10})
    assert {item["name"] for item in again["items"]} == {item["name"] for item in failed}


async def test_what_is_missing_is_told_without_looking_for_it(
    start: Start, tmp_path: Path, tvdb: TvdbHost, picture_host: PictureHost
) -> None:
    describe(tvdb, picture_host, range(1, 6))
    await filled(tmp_path, range(1, 6))
    async with start() as whole:
        await done(whole, f"{SYNC}/movie/tvdb:3?role=poster")
        dry = await done(whole, f"{SYNC}/missing?dry_run=true&limit=3&role=poster")
        nothing = await done(whole, f"{SYNC}/missing?content_type=tv")
    assert {item["name"] for item in dry["items"]} == {f"movie/tvdb:{n}/poster" for n in (5, 4, 2)}
    assert dry["counts"] == {"would be fetched": 3}
    assert nothing["items"] == []


async def test_a_title_gets_all_pictures_that_it_is_expected_to_have(
    start: Start, tmp_path: Path, tvdb: TvdbHost, picture_host: PictureHost
) -> None:
    pictures = [artwork(1, 14, image=url_of(picture_host, 1)), artwork(2, 15, image=url_of(picture_host, 2))]
    described = {**movie(7), "artworks": pictures}
    tvdb.put("/v4/movies/7/extended", Said({"status": "success", "data": described}))
    await filled(tmp_path, [7])
    async with start() as whole:
        by_id = await done(whole, f"{SYNC}/movie/tvdb:7")
        by_number = await done(whole, f"{SYNC}/movie/1")
        missing = await whole.manage("POST", f"{SYNC}/movie/99")
        assert (await whole.picture("/api/v1/images/movie/tvdb:7/fanart/small.webp"))[0] == 200
    outcomes = {item["name"].rpartition("/")[2]: item["outcome"] for item in by_id["items"]}
    assert outcomes == {
        "image": "stored",
        "poster": "stored",
        "fanart": "stored",
        "banner": "failed",
        "logo": "failed",
    }
    assert {item["outcome"] for item in by_number["items"]} == {"was stored", "not due"}
    assert missing.status == 404


NO_TASKS = (
    f"{SYNC}/streamer/1",
    f"{SYNC}/movie/..%2f",
    f"{SYNC}/movie/the-matrix",
    f"{SYNC}/season/tvdb:0",
    f"{SYNC}/song/tmdb:1",
    f"{SYNC}/missing?limit=0",
    f"{SYNC}/missing?limit=1001",
    f"{SYNC}/missing?content_type=song",
    f"{SYNC}/movie/tmdb:1?role=sleeve",
)


async def test_what_makes_no_sense_starts_nothing(start: Start) -> None:
    async with start() as whole:
        for path in NO_TASKS:
            assert (await whole.manage("POST", path)).status == 400, path
            assert (await whole.ask("POST", path)).status == 401, path
            assert (await whole.manage("GET", "/api/v1/admin/tasks")).json["tasks"] == [], path


async def test_a_picture_that_takes_too_long_is_pending_and_others_go_on(
    start: Start, tmp_path: Path, tvdb: TvdbHost, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.library.sync.PATIENCE_S", 1.0)
    describe(tvdb, picture_host, [1, 2])
    picture_host.behave(path_of(1), Behaviour(delay_s=3, times=1))
    await filled(tmp_path, [1, 2])
    async with start() as whole:
        task = await done(whole, f"{SYNC}/missing?role=poster")
    assert {item["name"]: item["outcome"] for item in task["items"]} == {
        "movie/tvdb:1/poster": "pending",
        "movie/tvdb:2/poster": "stored",
    }


async def test_a_cancelled_task_ends_soon_with_what_it_did(
    start: Start, tmp_path: Path, tvdb: TvdbHost, picture_host: PictureHost
) -> None:
    describe(tvdb, picture_host, range(1, 200))
    for number in range(10):
        picture_host.behave(path_of(number), Behaviour(delay_s=0.3))
    await filled(tmp_path, range(1, 200))
    async with start() as whole:
        task = (await whole.manage("POST", f"{SYNC}/missing?limit=1000&role=poster")).json
        path = f"/api/v1/admin/tasks/{task['id']}"

        async def begun() -> bool:
            return bool((await whole.manage("GET", path)).json["done"] > 0)

        await until(begun)
        await whole.manage("POST", f"{path}/cancel")

        async def ended() -> bool:
            return bool((await whole.manage("GET", path)).json["state"] == "cancelled")

        await until(ended)
        assert 0 < (await whole.manage("GET", path)).json["done"] < 199


async def test_warming_is_a_task_that_accounts_for_each(start: Start, picture_host: PictureHost) -> None:
    picture_host.behave("/gone.jpg", Behaviour.failing(404))
    urls = [url_of(picture_host, 1), url_of(picture_host, 2), picture_host.url("/gone.jpg")]
    async with start() as whole:
        reply = await whole.manage("POST", "/api/v1/admin/warm", {"urls": urls})
        task = reply.json["task"]

        async def ended() -> bool:
            task.update((await whole.manage("GET", f"/api/v1/admin/tasks/{task['id']}")).json)
            return bool(task["state"] == "done")

        await until(ended)
        items = await whole.items(task["id"])
    assert {item["name"]: item["outcome"] for item in items} == {
        urls[0]: "stored",
        urls[1]: "stored",
        urls[2]: "failed",
    }
    assert next(item for item in items if item["outcome"] == "failed")["failure_class"] == "gone"


async def test_all_pictures_of_a_title_are_purged_and_before_that_told(
    start: Start, tmp_path: Path, tvdb: TvdbHost, picture_host: PictureHost
) -> None:
    describe(tvdb, picture_host, [7])
    await filled(tmp_path, [7])
    path = "/api/v1/admin/images/movie/tvdb:7"
    async with start() as whole:
        await done(whole, f"{SYNC}/movie/tvdb:7")
        picture = picture_id(url_of(picture_host, 7))

        async def known() -> bool:
            dry = (await whole.manage("DELETE", f"{path}?dry_run=true")).json
            return bool(dry["bytes"])

        await until(known)
        dry = (await whole.manage("DELETE", f"{path}?dry_run=true")).json
        assert {(one["name"], one["picture_id"]) for one in dry["pictures"]} == {
            ("movie/tvdb:7/poster", picture),
            ("movie/tvdb:7/image", picture),
        }
        assert whole.queue.jobs(PurgePicture) == []
        purged = await whole.manage("DELETE", path)
        assert (purged.status, purged.json["dry_run"]) == (202, False)
        await until(partial(_is_gone, whole, picture))
        await asyncio.sleep(0)
        again = await done(whole, f"{SYNC}/movie/tvdb:7")
        assert (await whole.manage("DELETE", "/api/v1/admin/images/movie/tvdb:999")).status == 404
    assert next(item for item in again["items"] if item["name"].endswith("poster"))["outcome"] == "stored"


async def _is_gone(whole: RunningEnricher, picture: Any) -> bool:
    return await whole.volume.pictures.current(picture) is None
