"""A scrub finds what befell stored pictures, and the fetcher heals it without touching anything else."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from services.enricher.keeper.catalog.budget import CatalogSettings
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.contracts import HealPicture
from shared.pictures import (
    Manifest,
    Name,
    Original,
    Placeholder,
    Rendition,
    SourceUrl,
    State,
    Tree,
    Upload,
    picture_path,
    revision_id,
)
from shared.pictures.manifest import MANIFEST
from shared.pictures.paths import POINTER
from shared.queue import Lane
from shared.settings import HostSettings
from shared.volume import PictureStore
from shared.volume.local.durable import SUMS
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.drawing import encode, poster
from tests.providers.gallery import picture_at
from tests.providers.picture_host import PictureHost

MANY, DAMAGED = int(os.environ.get("N", "200")), 50
SMALL, THUMBNAIL = Rendition.parse("small.webp"), Rendition.parse("thumbnail.webp")
Start = Any


@pytest.fixture
def start(tmp_path: Path, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch) -> Start:
    authority = picture_host.root.removeprefix("http://")
    usual = {
        "ALLOW_PRIVATE": authority,
        "ALLOWED_HOSTS": authority,
        "DISK_FREE_FLOOR_GB": "0",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
    }
    for name, value in usual.items():
        monkeypatch.setenv(name, value)

    @asynccontextmanager
    async def started() -> AsyncIterator[RunningEnricher]:
        async with running_enricher(
            tmp_path,
            fetcher=FetcherSettings(),
            proxy=ProxySettings(),
            hosts=HostSettings(),
            catalog=CatalogSettings(sweep_every_s=3600),
        ) as whole:
            yield whole

    return started


def path_of(number: int) -> str:
    return f"/poster/{number % 20}-60x90.jpg"


def source_of(host: PictureHost, number: int) -> SourceUrl:
    return SourceUrl.parse(host.url(f"{path_of(number)}?n={number}"))


def directory_of(whole: RunningEnricher, source: SourceUrl) -> Path:
    return whole.layout.root / picture_path(Tree.CACHE, source.picture)


async def put(
    store: PictureStore, source: SourceUrl, body: bytes, renditions: Mapping[Rendition, bytes]
) -> None:
    """As a fetcher does, but for the rendering."""
    revision = revision_id(sha256(body).hexdigest())
    manifest = Manifest(
        source_url=str(source),
        provider=None,
        original=Original(mime="image/jpeg", bytes=len(body), width=60, height=90),
        placeholder=Placeholder(color="#102030"),
        fetched_at=datetime.now(UTC),
    )
    async with store.draft() as draft:
        (draft.directory / "original.jpg").write_bytes(body)
        for rendition, content in renditions.items():
            (draft.directory / str(rendition)).write_bytes(content)
        await store.commit(source.picture, revision, draft, manifest, State(revision=revision), expected=None)


async def filled(whole: RunningEnricher, host: PictureHost, numbers: range) -> None:
    """Each with two renditions, which differ from those of any other."""
    places = asyncio.Semaphore(16)

    async def one(number: int) -> None:
        body = picture_at(path_of(number))
        assert body
        webp = encode(poster(number, (30, 45)), "webp")
        async with places:
            await put(whole.volume.pictures, source_of(host, number), body, {SMALL: webp, THUMBNAIL: webp})

    await asyncio.gather(*map(one, numbers))


def damage(directory: Path, kind: int, other: Path = Path()) -> None:
    """In one of ten ways. `other`: another picture's directory, whose files are swapped in."""
    inside, swapped = directory / POINTER, other / POINTER
    original, small = inside / "original.jpg", inside / "small.webp"
    ways: tuple[Callable[[], object], ...] = (
        lambda: _write(original, b""),
        lambda: _write(original, original.read_bytes()[:-100]),
        lambda: _write(small, b""),
        lambda: _write(small, small.read_bytes()[:-7]),
        lambda: _write(small, (swapped / "small.webp").read_bytes()),
        lambda: _write(original, (swapped / "original.jpg").read_bytes()),
        lambda: _write(small, bytes(byte ^ (place == 40) for place, byte in enumerate(small.read_bytes()))),
        lambda: _write(inside / MANIFEST, b"{"),
        inside.unlink,
        lambda: shutil.rmtree(directory / inside.readlink()),
    )
    ways[kind]()


def _write(file: Path, content: bytes) -> None:
    """In place, as a broken disk or somebody's script does."""
    with file.open("r+b") as opened:
        opened.truncate(0)
        opened.write(content)


def settle(root: Path) -> None:
    """All of it was there an hour ago."""
    for tree in Tree:
        for path in (root / tree).rglob("*"):
            os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)


Snapshot = dict[str, tuple[int, int, str]]


def snapshot(directory: Path) -> Snapshot:
    """Of every file: inode, when it was last written, and its content."""
    found: Snapshot = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            content = sha256(path.read_bytes()).hexdigest()
        if not path.is_dir():
            found[str(path)] = status.st_ino, status.st_mtime_ns, content
    return found


async def scrubbed(whole: RunningEnricher, query: str = "") -> dict[str, Any]:
    task = await whole.ended(f"/api/v1/admin/scrub{query}", within_s=90)
    assert task["state"] == "done"
    return task


async def healed(whole: RunningEnricher) -> None:
    await until(lambda: _idle(whole))


async def _idle(whole: RunningEnricher) -> bool:
    measure = await whole.queue.measure(Lane.PICTURES_LATER)
    return measure.waiting == 0 and measure.in_hand == 0


async def test_of_many_pictures_the_fifty_that_were_damaged_are_healed_and_none_else_touched(
    start: Start, picture_host: PictureHost
) -> None:
    sources = [source_of(picture_host, number) for number in range(MANY)]
    async with start() as whole:
        await filled(whole, picture_host, range(MANY))
    async with start() as whole:
        await until(lambda: _knows(whole, MANY), within_s=90, every_s=0.1)
        damaged, sound = sources[:DAMAGED], sources[DAMAGED:]
        await asyncio.to_thread(settle, whole.layout.root)
        before = {source: snapshot(directory_of(whole, source)) for source in sources}
        for number, source in enumerate(damaged):
            damage(directory_of(whole, source), number % 10, directory_of(whole, sources[number + 107]))
        await asyncio.to_thread(settle, whole.layout.root)
        sound_before = {source: snapshot(directory_of(whole, source)) for source in sound}

        dry = await scrubbed(whole, "?dry_run=true")
        assert whole.queue.jobs(HealPicture) == []
        done = await scrubbed(whole)
        await healed(whole)
        again = await scrubbed(whole)

        assert len(dry["items"]) == len(done["items"]) == DAMAGED
        assert {job.picture for job in whole.queue.jobs(HealPicture)} == {one.picture for one in damaged}
        assert (again["counts"]["sound"], again["items"]) == (MANY, [])
        assert {source: snapshot(directory_of(whole, source)) for source in sound} == sound_before
        for source in damaged:
            current = await whole.volume.pictures.current(source.picture)
            assert current is not None
            assert "original.jpg" in current.files
            original = directory_of(whole, source) / POINTER / "original.jpg"
            assert sha256(original.read_bytes()).hexdigest() in {one[2] for one in before[source].values()}
            status, _ = await whole.picture(f"/p/{source.picture}/{current.id}/small.webp")
            assert status == 200


async def _knows(whole: RunningEnricher, count: int) -> bool:
    return bool((await whole.get("/api/images/stats")).json["total_objects"] >= count)


async def heal(whole: RunningEnricher, source: SourceUrl | Upload) -> None:
    await whole.publish(HealPicture(picture=source.picture, source_url=source), Lane.PICTURES_LATER)
    await healed(whole)


async def test_a_damaged_rendition_is_made_again_without_a_download(
    start: Start, picture_host: PictureHost
) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        await filled(whole, picture_host, range(1, 2))
        damage(directory_of(whole, source), 2)
        await heal(whole, source)
        found = await whole.volume.pictures.find(source.picture, (SMALL,))
    assert found
    assert found.bytes > 0
    assert picture_host.count(path_of(1)) == 0


async def test_while_the_source_is_down_what_is_sound_is_served_and_then_it_is_healed(
    start: Start, picture_host: PictureHost
) -> None:
    source = source_of(picture_host, 1)
    picture_host.behave(path_of(1), Behaviour.failing(500, times=2))
    async with start() as whole:
        await filled(whole, picture_host, range(1, 2))
        damage(directory_of(whole, source), 0)
        await whole.publish(HealPicture(picture=source.picture, source_url=source), Lane.PICTURES_LATER)
        await until(lambda: picture_host.count(path_of(1)) >= 1)
        assert await whole.volume.pictures.find(source.picture, (SMALL,))
        original = directory_of(whole, source) / POINTER / "original.jpg"
        await until(original.exists)
    assert original.read_bytes() == picture_at(path_of(1))


async def test_a_pinned_picture_is_healed_and_stays_pinned(start: Start, picture_host: PictureHost) -> None:
    source, name = source_of(picture_host, 1), Name.parse("movie/tmdb:603/poster")
    async with start() as whole:
        await filled(whole, picture_host, range(1, 2))
        assert await whole.volume.pins.pin(source.picture, name)
        await whole.volume.names.point(name, source.picture)
        stored = await whole.volume.pictures.current(source.picture)
        assert stored
        assert await whole.volume.pictures.evict(source.picture, stored.id, stored.manifest.fetched_at)
        kept = whole.layout.picture(Tree.KEEP, source.picture)
        await asyncio.to_thread(damage, kept, 9)
        await heal(whole, source)
        current = await whole.volume.pictures.current(source.picture)
        assert current
        assert current.tree is Tree.KEEP
        assert await whole.volume.pins.holds(source.picture, name)
        assert (await whole.picture(f"/api/v1/images/{name}/small.webp"))[0] == 200


async def test_a_damaged_upload_is_lost_and_what_is_left_of_it_stays(
    start: Start, picture_host: PictureHost
) -> None:
    body = picture_at(path_of(1))
    assert body
    async with start() as whole:
        path = "/api/v1/admin/images/movie/tmdb:603/poster"
        sent = await whole.ask(
            "PUT",
            path,
            data=body,
            headers={"Authorization": "Bearer the-admin-token", "Content-Type": "image/jpeg"},
        )
        assert sent.status == 200
        upload = Upload(sha256(body).hexdigest())
        assert (await whole.picture("/api/v1/images/movie/tmdb:603/poster/small.webp"))[0] == 200
        inside = whole.layout.picture(Tree.KEEP, upload.picture) / POINTER
        assert (inside / SUMS).exists()
        _write(inside / "original.jpg", b"")
        scrub = await scrubbed(whole)
        assert [item["outcome"] for item in scrub["items"]] == ["lost"]
        assert whole.queue.jobs(HealPicture) == []
        await heal(whole, upload)
        assert (await whole.picture("/api/v1/images/movie/tmdb:603/poster/small.webp"))[0] == 200
        assert (inside / "original.jpg").exists()


async def test_a_sound_picture_is_not_touched(start: Start, picture_host: PictureHost) -> None:
    source = source_of(picture_host, 1)
    async with start() as whole:
        await filled(whole, picture_host, range(1, 2))
        before = snapshot(directory_of(whole, source))
        await heal(whole, source)
        assert snapshot(directory_of(whole, source)) == before


async def test_only_operators_scrub(start: Start) -> None:
    async with start() as whole:
        assert (await whole.ask("POST", "/api/v1/admin/scrub")).status == 401
