"""The catalog beside real proxies and fetchers: what is stored is known, what exceeds the budget leaves, hits go on."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from services.enricher.keeper.catalog.budget import CatalogSettings
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.contracts import Evictable, EvictPictures, PicturesEvicted, PurgePicture
from shared.pictures import PictureId, Rendition, SourceUrl, State, Tree
from shared.queue import Lane
from shared.settings import HostSettings
from shared.volume import FloorSettings
from shared.volume.inventory import Space
from tests.contract.volumes import MEDIUM, NOW, commit
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import PATIENCE_S, until
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost
from tests.unit.catalogs import gone

Start = Callable[..., AbstractAsyncContextManager[RunningEnricher]]
MIB = 1024**2
NO_FLOOR = FloorSettings(free_gb=0, free_files=0)
SMALL = Rendition.parse("small.webp")


@pytest.fixture
def start(tmp_path: Path, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch) -> Start:
    authority = picture_host.root.removeprefix("http://")
    usual = {"ALLOW_PRIVATE": authority, "ALLOWED_HOSTS": authority, "RENDER_PROCESSES": "1"}
    for name, value in usual.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("services.enricher.keeper.catalog.indexer.REST", 0.0)
    return partial(_running, tmp_path)


@asynccontextmanager
async def _running(
    directory: Path,
    *,
    fetching: bool = True,
    budget_bytes: float = 0,
    grace_s: float = 0,
    floor: FloorSettings = NO_FLOOR,
    **given: Any,
) -> AsyncIterator[RunningEnricher]:
    async with running_enricher(
        directory,
        fetcher=FetcherSettings(room=floor, lock_patience_s=1) if fetching else None,
        proxy=ProxySettings(miss_wait_others_s=PATIENCE_S),
        hosts=HostSettings(),
        catalog=CatalogSettings(
            budget_gb=budget_bytes / 1024**3, grace_s=grace_s, room=floor, sweep_every_s=3600
        ),
        **given,
    ) as whole:
        yield whole


def path_of(number: int) -> str:
    return f"/poster/{number}-600x900.jpg"


def source_of(host: PictureHost, number: int) -> SourceUrl:
    return SourceUrl.parse(host.url(path_of(number)))


async def ask(whole: RunningEnricher, source: SourceUrl, size: str = "small") -> int:
    status, _ = await whole.picture(
        f"/api/images/proxy?url={quote(str(source), safe='')}&size={size}&format=webp"
    )
    return status


async def stored(whole: RunningEnricher, source: SourceUrl) -> bool:
    return await whole.volume.pictures.find(source.picture, (SMALL,)) is not None


async def known(whole: RunningEnricher) -> dict[str, Any]:
    reply = await whole.get("/api/images/cache/list?limit=1000")
    return {item["image_url"]: item for item in reply.json["items"]}


async def test_what_is_fetched_is_in_the_catalog(start: Start, picture_host: PictureHost) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        assert await ask(whole, source) == 200
        await until(lambda: _knows(whole, source))
        item = (await known(whole))[str(source)]
        statistics = (await whole.get("/api/images/stats")).json
        storage = (await whole.get("/api/v1/images/storage/stats")).json
    assert (item["picture_id"], item["width"], item["height"]) == (source.picture, 600, 900)
    assert (item["mime_type"], item["kept"], item["failure_class"]) == ("image/jpeg", False, None)
    assert statistics["total_objects"] == storage["total_objects"] == 1
    assert statistics["by_format"]["jpg"]["objects"] == 1
    assert storage["used"]["bytes"] >= item["disk_bytes"] > item["file_size"]


async def _knows(whole: RunningEnricher, source: SourceUrl) -> bool:
    return str(source) in await known(whole)


async def test_a_failure_is_in_the_catalog_with_its_class_and_end(
    start: Start, picture_host: PictureHost
) -> None:
    source = source_of(picture_host, 1)
    picture_host.behave(path_of(1), Behaviour.failing(404, times=1))
    async with start() as whole:
        assert await ask(whole, source) == 404
        await until(lambda: _knows(whole, source))
        item = (await known(whole))[str(source)]
        statistics = (await whole.get("/api/images/cache/stats")).json
    assert (item["failure_class"], item["local_path"]) == ("gone", None)
    assert item["retry_at"] is not None
    assert (statistics["total_objects"], statistics["by_failure_class"]) == (0, {"gone": 1})


async def test_what_exceeds_the_budget_leaves_the_longest_unused_first(
    start: Start, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.proxy.access_counts.TELL_EVERY_S", 0.01)
    monkeypatch.setattr("services.enricher.keeper.catalog.indexer.NOTED_EVERY_S", 0.01)
    sources = [source_of(picture_host, number) for number in range(1, 9)]
    async with start() as whole:
        for source in sources:
            assert await ask(whole, source) == 200
        await until(lambda: _all_made(whole, sources))
        used = (await whole.get("/api/v1/images/storage/stats")).json["used"]["bytes"]
    async with start(budget_bytes=used * 0.6) as whole, whole.heard() as events:
        await until(lambda: any(isinstance(event, PicturesEvicted) for event in events))
        await until(lambda: _within(whole, used * 0.6))
        left = [source for source in sources if await stored(whole, source)]
        assert left == sources[-len(left) :]
        assert len(left) < len(sources)
        storage = (await whole.get("/api/v1/images/storage/stats")).json
        assert storage["total_objects"] == len(left)
        assert storage["obstacle"] is None
        # What left comes back when somebody asks: by its URL as by the path that was handed out.
        assert await ask(whole, sources[0]) == 200
    assert picture_host.count(path_of(1)) == 2


async def _all_made(whole: RunningEnricher, sources: list[SourceUrl]) -> bool:
    """With the renditions that are made ahead, and known as such."""
    medium = Rendition.parse("medium.webp")
    made = [await whole.volume.pictures.find(source.picture, (medium,)) for source in sources]
    lanes = [await whole.queue.measure(lane) for lane in (Lane.PICTURES_LATER, Lane.CATALOG)]
    idle = not any(lane.waiting or lane.in_hand for lane in lanes)
    return all(made) and idle and len(await known(whole)) == len(sources)


async def _within(whole: RunningEnricher, budget_bytes: float) -> bool:
    storage = (await whole.get("/api/v1/images/storage/stats")).json
    return bool(storage["used"]["bytes"] <= budget_bytes and not storage["leaving"]["files"])


async def test_an_evicted_picture_is_fetched_again_under_its_immutable_path(
    start: Start, picture_host: PictureHost
) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        assert await ask(whole, source) == 200
        await until(lambda: _knows(whole, source))
        current = await whole.volume.pictures.current(source.picture)
        assert current
        await evict(whole, source.picture)
        await until(lambda: _gone(whole, source))
        await until(lambda: _not_known(whole, source))
        status, _ = await whole.picture(f"/p/{source.picture}/{current.id}/small.webp")
    assert (status, picture_host.count(path_of(1))) == (200, 2)


async def evict(whole: RunningEnricher, picture: PictureId) -> EvictPictures:
    current = await whole.volume.pictures.current(picture)
    assert current
    chosen = Evictable(picture=picture, revision=current.id, fetched_at=current.manifest.fetched_at)
    job = EvictPictures(pictures=(chosen,))
    await whole.publish(job, Lane.PICTURES_LATER)
    return job


async def _gone(whole: RunningEnricher, source: SourceUrl) -> bool:
    return await whole.volume.pictures.current(source.picture) is None


async def _not_known(whole: RunningEnricher, source: SourceUrl) -> bool:
    return str(source) not in await known(whole)


async def test_an_eviction_that_is_delivered_again_leaves_what_was_fetched_since(
    start: Start, picture_host: PictureHost
) -> None:
    source, other = source_of(picture_host, 1), source_of(picture_host, 2)
    async with start() as whole:
        assert await ask(whole, source) == 200
        assert await ask(whole, other) == 200
        job = await evict(whole, source.picture)
        await until(lambda: _gone(whole, source))
        assert await ask(whole, source) == 200
        again = await whole.volume.pictures.current(source.picture)
        assert again
        await whole.publish(job, Lane.PICTURES_LATER)
        await evict(whole, other.picture)  # behind it
        await until(lambda: _gone(whole, other))
        await until(lambda: _knows(whole, source))
        still = await whole.volume.pictures.current(source.picture)
        assert still
        assert still.id == again.id  # whatever was made of it meanwhile
        assert await ask(whole, source) == 200


async def test_a_pinned_picture_never_leaves(start: Start, picture_host: PictureHost) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        reply = await whole.manage("PUT", "/api/v1/admin/images/movie/tmdb:603/poster", {"url": str(source)})
        assert reply.status == 200
        await evict(whole, source.picture)
        await until(lambda: _cached_copy_is_gone(whole, source.picture))
        status, _ = await whole.picture("/api/v1/images/movie/tmdb:603/poster/small.webp")
        assert status == 200
        statistics = (await whole.get("/api/images/stats")).json
    assert picture_host.count(path_of(1)) == 1
    assert statistics["by_kind"]["movie"]["objects"] == 1


async def _cached_copy_is_gone(whole: RunningEnricher, picture: PictureId) -> bool:
    reply = (await whole.get("/api/images/cache/list")).json["items"]
    cached = whole.layout.root / "cache" / picture[:2] / picture[2:4] / picture
    return bool(reply) and reply[0]["kept"] and not cached.exists()


async def test_whatever_happened_while_no_enricher_ran_is_known_after_its_start(
    start: Start, tmp_path: Path
) -> None:
    sources = [SourceUrl.parse(f"http://a.example/{number}.jpg") for number in range(30)]
    async with start(fetching=False) as whole:
        for source in sources[:20]:
            await commit(whole.volume.pictures, b"one", MEDIUM, picture=source.picture, source=str(source))
    async with start(fetching=False) as whole:
        await until(lambda: _knows_all(whole, 20))
        store = whole.volume.pictures
        await store.remove(sources[0].picture)
        for source in sources[20:]:
            await commit(store, b"two", MEDIUM, picture=source.picture, source=str(source))
        await store.put_state(
            SourceUrl.parse("http://a.example/no.jpg").picture, State(failures={"download": gone(at=NOW)})
        )
    async with start(fetching=False) as whole:
        await until(lambda: _knows_all(whole, 30))
        statistics = (await whole.get("/api/images/stats")).json
    assert (statistics["total_objects"], statistics["by_failure_class"]) == (29, {"gone": 1})


async def _knows_all(whole: RunningEnricher, count: int) -> bool:
    return len((await whole.get("/api/images/cache/list?limit=1000")).json["items"]) == count


async def test_a_full_catalog_lane_stops_no_picture_and_a_sweep_finds_what_it_did_not_tell(
    start: Start, picture_host: PictureHost
) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        whole.queue.full.add(Lane.CATALOG)
        assert await ask(whole, source) == 200
        assert await ask(whole, source) == 200
        assert await known(whole) == {}
    async with start() as whole:
        await until(lambda: _knows(whole, source))
        assert (await whole.get("/api/images/stats")).json["total_objects"] == 1
    assert picture_host.count(path_of(1)) == 1


async def test_a_purged_picture_is_in_no_catalog(start: Start, picture_host: PictureHost) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        assert await ask(whole, source) == 200
        await until(lambda: _knows(whole, source))
        await whole.publish(PurgePicture(picture=source.picture), Lane.PICTURES_NOW)
        await until(lambda: _not_known(whole, source))
        assert (await whole.get("/api/images/stats")).json["total_objects"] == 0


async def test_below_the_floor_hits_go_on_room_is_made_and_then_misses_work_again(
    start: Start, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is as full as the pictures on it say."""
    sources = [source_of(picture_host, number) for number in range(1, 9)]
    async with start() as whole:
        for source in sources[:7]:
            assert await ask(whole, source) == 200
        await until(lambda: _all_made(whole, sources[:7]))
        used = (await whole.get("/api/v1/images/storage/stats")).json["used"]["bytes"]
    floor = FloorSettings(free_gb=used / 1024**3, free_files=0)
    disk = SharedDisk(capacity_bytes=int(1.5 * used))
    disk.watch(monkeypatch)
    async with start(floor=floor) as whole:
        disk.root = whole.layout.root
        assert await ask(whole, sources[6]) == 200  # a hit
        refused = await whole.get(
            f"/api/images/proxy?url={quote(str(sources[7]), safe='')}&size=small&format=webp"
        )
        if refused.status != 200:  # room may have been made already
            assert refused.status == 503
            assert "disk is nearly full" in refused.json["detail"]
        await until(lambda: _fits(disk, used))
        assert not all([await stored(whole, source) for source in sources[:6]])
        assert await ask(whole, source_of(picture_host, 9)) == 200  # a miss


class SharedDisk:
    """What `statvfs` says is free is what the pictures leave of so many bytes."""

    def __init__(self, *, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.root: Path | None = None

    @property
    def free_bytes(self) -> int:
        used = 0
        for tree in Tree:
            for directory, _, files in os.walk(f"{self.root}/{tree}"):
                for file in files:
                    with suppress(FileNotFoundError):  # evicted while we look
                        used += Path(directory, file).lstat().st_blocks * 512
        return max(0, self.capacity_bytes - used)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def space_at(root: Path) -> Space:
            self.root = root
            return Space(self.free_bytes, None)

        monkeypatch.setattr("shared.volume.local.store.space_at", space_at)
        monkeypatch.setattr("shared.volume.local.inventory.space_at", space_at)


def _fits(disk: SharedDisk, floor_bytes: int) -> bool:
    return disk.free_bytes >= floor_bytes


async def test_cleaning_up_removes_what_nobody_shows_or_uses(start: Start, picture_host: PictureHost) -> None:
    shown, orphan = source_of(picture_host, 1), source_of(picture_host, 2)
    async with start() as whole:
        await whole.manage("PUT", "/api/v1/admin/images/movie/tmdb:603/poster", {"url": str(shown)})
        assert await ask(whole, orphan) == 200
        await until(lambda: _all_made(whole, [shown, orphan]))
        dry = await cleaned(whole, "dry_run=true&unused_days=0")
        assert (dry["counts"]["would leave"], dry["state"]) == (1, "done")
        assert [(item["name"], item["outcome"]) for item in dry["items"]] == [(str(orphan), "would leave")]
        assert dry["items"][0]["bytes"] == dry["counts"]["bytes"] > 0
        assert await stored(whole, orphan)
        assert (await cleaned(whole, "unused_days=1"))["counts"] == {}
        done = await cleaned(whole, "unused_days=0")
        assert done["counts"]["bytes"] == dry["counts"]["bytes"]
        await until(lambda: _not_known(whole, orphan))
        assert not await stored(whole, orphan)
        assert (await whole.picture("/api/v1/images/movie/tmdb:603/poster/small.webp"))[0] == 200


async def cleaned(whole: RunningEnricher, query: str) -> dict[str, Any]:
    return await whole.ended(f"/api/v1/admin/sync/images/cleanup?{query}")


async def test_what_goes_next_is_told_to_operators(start: Start, picture_host: PictureHost) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        assert await ask(whole, source) == 200
        await until(lambda: _knows(whole, source))
        reply = await whole.manage("GET", "/api/v1/admin/eviction")
        assert (await whole.get("/api/v1/admin/eviction")).status == 401
    assert [item["image_url"] for item in reply.json["next"]] == [str(source)]
    assert reply.json["next_bytes"] == reply.json["next"][0]["disk_bytes"]
