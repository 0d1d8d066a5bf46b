"""Videos: fetched under the address policy, checked, whole or not at all, let go by age and for want of room."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from services.enricher.keeper.videos import (
    VideoRefused,
    VideoSettings,
    VideoStore,
    VideoUnreachable,
    open_videos,
)
from services.enricher.pictures.shown import PictureUrlSettings
from services.proxy.settings import ProxySettings
from shared.background import Background
from shared.telemetry import Metrics, utc_now
from shared.volume import Extent, FloorSettings, VideoFiles, VolumeSettings, volume_to_keep
from tests.integration.enricher import running_enricher
from tests.integration.onesheet import until
from tests.providers.videos import TYPE, VideoHost, an_mp4, box, running_video_host

ONE, TWO, THREE = (f"0e4fb7a8-33f6-4b29-8f6f-00000000000{number}" for number in (1, 2, 3))


@dataclass
class Studio:
    store: VideoStore
    files: VideoFiles
    host: VideoHost
    root: Path
    metrics: Metrics

    def url(self, path: str = "/a.mp4") -> str:
        return self.host.address + path

    def left(self) -> list[str]:
        """Whatever of videos lies on the volume."""
        return [
            str(file.relative_to(self.root))
            for folder in ("videos", "tmp")
            for file in (self.root / folder).rglob("*")
            if file.is_file()
        ]


@pytest.fixture
async def host() -> AsyncIterator[VideoHost]:
    async with running_video_host() as running:
        yield running


@pytest.fixture
async def studio(tmp_path: Path, host: VideoHost) -> AsyncIterator[Studio]:
    port = URL(host.address).port
    settings = VideoSettings(
        allow_private=(f"127.0.0.1:{port}",), max_mb=1, keep_days=30, room=FloorSettings(free_gb=0)
    )
    volume = volume_to_keep(
        VolumeSettings(volume_url=f"file:{tmp_path / 'volume'}", state_directory=tmp_path / "state")
    )
    metrics = Metrics()
    async with open_videos(
        settings,
        files=volume.videos,
        inventory=volume.inventory,
        metrics=metrics,
        background=Background(metrics),
        now=utc_now,
    ) as store:
        yield Studio(store, volume.videos, host, tmp_path / "volume", metrics)


async def test_a_video_is_fetched_checked_and_found_by_its_name(studio: Studio) -> None:
    stored = await studio.store.fetch(studio.url(), name=ONE)
    assert (stored.name, stored.size, stored.content_type) == (ONE, 20_000, "video/mp4")
    assert stored.path == f"/videos/{ONE}.mp4"
    file = studio.root / "videos" / "public" / f"{ONE}.mp4"
    assert file.read_bytes() == an_mp4()
    assert file.stat().st_mode & 0o044 == 0o044  # for a web server to read
    assert studio.left() == [f"videos/public/{ONE}.mp4"]
    assert await studio.files.find(TWO) is None


async def test_what_is_stored_is_not_asked_for_again_and_two_at_once_ask_once(studio: Studio) -> None:
    await asyncio.gather(*(studio.store.fetch(studio.url(), name=ONE) for _ in range(3)))
    await studio.store.fetch(studio.url("/elsewhere"), name=ONE)
    assert studio.host.asked == ["/a.mp4"]


async def test_a_private_video_lies_where_no_web_server_looks(studio: Studio) -> None:
    stored = await studio.store.fetch(studio.url(), name=ONE, private=True)
    assert stored.is_private
    assert studio.left() == [f"videos/private/{ONE}.mp4"]


@pytest.mark.parametrize(
    "name", ["", "..", "../a", "a", ONE.upper(), f"{ONE}.mp4", f"{ONE}\n", f"x{ONE}", ONE.replace("-", "")]
)
async def test_a_name_is_a_uuid_and_nothing_else(studio: Studio, name: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        await studio.store.fetch(studio.url(), name=name)
    with pytest.raises(ValueError, match="UUID"):
        await studio.store.remove(name)
    assert studio.host.asked == []


def _mp4(*boxes: bytes) -> bytes:
    return TYPE + b"".join(boxes)


BODIES = {
    "a page": (b"<html><body>sorry", "a web page"),
    "JSON": (b'{"error": "no"}', "JSON"),
    "WebM": (b"\x1a\x45\xdf\xa3" + bytes(50), "WebM"),
    "a picture": (b"\x89PNG\r\n" + bytes(50), "a picture"),
    "AVIF, which has boxes, too": (box(b"ftyp", b"avif" + bytes(4) + b"avifmif1"), "avif"),
    "QuickTime": (box(b"ftyp", b"qt  " + bytes(4) + b"qt  ") + box(b"moov", b""), "qt"),
    "nothing": (b"", "no video"),
    "without an index": (_mp4(box(b"mdat", bytes(90))), "moov"),
    "cut off": (an_mp4()[:-1], "cut off"),
    "a box shorter than its head": (_mp4(bytes(3) + b"\x04moov"), "cut off"),
    "a large box that says nothing": (_mp4(bytes(3) + b"\x01moov" + bytes(8)), "cut off"),
}


@pytest.mark.parametrize("case", BODIES)
async def test_what_is_no_whole_mp4_is_refused_whatever_it_is_called(studio: Studio, case: str) -> None:
    body, said = BODIES[case]
    studio.host.bodies["/called.mp4"] = body
    with pytest.raises(VideoRefused, match=said):
        await studio.store.fetch(studio.url("/called.mp4"), name=ONE)
    assert studio.left() == []


async def test_a_large_box_and_one_to_the_end_are_read(studio: Studio) -> None:
    large = (1).to_bytes(4, "big") + b"free" + (24).to_bytes(8, "big") + bytes(8)
    studio.host.bodies["/b"] = _mp4(large, box(b"moov", bytes(8)), bytes(4) + b"mdat" + bytes(77))
    assert (await studio.store.fetch(studio.url("/b"), name=ONE)).size > 100


async def test_a_larger_one_is_refused_whether_its_length_is_said_or_not(studio: Studio) -> None:
    studio.host.bodies["/large"] = an_mp4(2**20 + 1)

    def unsaid(_: web.Request) -> web.StreamResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield bytes(32 * 1024)

        return web.Response(body=pieces())

    studio.host.answers["/unsaid"] = unsaid
    for path in ("/large", "/unsaid"):
        with pytest.raises(VideoRefused, match="VIDEO_MAX_MB"):
            await studio.store.fetch(studio.url(path), name=ONE)
    assert studio.left() == []


async def test_private_addresses_are_refused_also_behind_redirects_and_by_name(studio: Studio) -> None:
    def to(location: str) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    studio.host.answers |= {
        "/private": lambda _: to("http://10.0.0.1/a.mp4"),
        "/named": lambda _: to("http://localhost:9/a.mp4"),
        "/metadata": lambda _: to("http://169.254.169.254/latest"),
        "/file": lambda _: to("file:///etc/hostname"),
        "/round": lambda _: to("/round"),
        "/fine": lambda _: to("a.mp4"),
    }
    for path, said in (
        ("/private", "public address"),
        ("/named", "public address"),
        ("/metadata", "public address"),
        ("/file", "plain URL"),
        ("/round", "too often"),
    ):
        with pytest.raises(VideoRefused, match=said):
            await studio.store.fetch(studio.url(path), name=ONE)
    for url in ("http://127.0.0.1:9/a.mp4", "http://[::1]/a.mp4", "ftp://a.example/a", "a.mp4"):
        with pytest.raises(VideoRefused):
            await studio.store.fetch(url, name=ONE)
    assert (await studio.store.fetch(studio.url("/fine"), name=ONE)).size == 20_000


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, VideoRefused),
        (403, VideoRefused),
        (206, VideoRefused),
        (429, VideoUnreachable),
        (503, VideoUnreachable),
    ],
)
async def test_what_may_come_another_time_is_told_from_what_will_not(
    studio: Studio, status: int, kind: type[Exception]
) -> None:
    studio.host.answers["/a.mp4"] = lambda _: web.Response(status=status)
    with pytest.raises(kind, match=str(status)):
        await studio.store.fetch(studio.url(), name=ONE)
    assert (
        studio.metrics.registry.get_sample_value(
            "onesheet_videos_fetched_total",
            {"outcome": "refused" if kind is VideoRefused else "unreachable"},
        )
        == 1
    )


async def test_who_leaves_while_it_comes_leaves_nothing_behind(studio: Studio) -> None:
    fetching = asyncio.create_task(studio.store.fetch(studio.url("/held"), name=ONE))

    async def is_under_way() -> bool:
        return bool(studio.left())

    await until(is_under_way, every_s=0.01)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert studio.left() == []


async def test_a_video_that_breaks_off_is_not_stored_and_may_be_had_another_time(studio: Studio) -> None:
    studio.host.held.set()
    with pytest.raises(VideoUnreachable):
        await studio.store.fetch(studio.url("/held"), name=ONE)
    assert studio.left() == []


async def test_a_full_disk_takes_no_video(tmp_path: Path, host: VideoHost) -> None:
    volume = volume_to_keep(
        VolumeSettings(volume_url=f"file:{tmp_path / 'volume'}", state_directory=tmp_path / "state")
    )
    settings = VideoSettings(
        allow_private=(f"127.0.0.1:{URL(host.address).port}",), room=FloorSettings(free_gb=10**6)
    )
    metrics = Metrics()
    opened = open_videos(
        settings,
        files=volume.videos,
        inventory=volume.inventory,
        metrics=metrics,
        background=Background(metrics),
        now=utc_now,
    )
    async with opened as store:
        with pytest.raises(VideoUnreachable, match="no room"):
            await store.fetch(f"{host.address}/a.mp4", name=ONE)


def age(studio: Studio, name: str, days: float) -> None:
    at = time.time() - days * 86_400
    os.utime(studio.root / "videos" / "public" / f"{name}.mp4", (at, at))


async def three(studio: Studio) -> None:
    for name, days in ((ONE, 31), (TWO, 29), (THREE, 0)):
        await studio.store.fetch(studio.url(), name=name)
        age(studio, name, days)
    studio.store._all.clear()


async def names(studio: Studio) -> list[str]:
    return [video.name for video in await studio.files.all()]


async def test_what_is_older_than_it_may_be_is_let_go(studio: Studio) -> None:
    await three(studio)
    assert await studio.store.let_old_go(utc_now()) == 1
    assert await names(studio) == [TWO, THREE]


async def test_for_room_the_oldest_go_and_never_one_that_has_just_come(studio: Studio) -> None:
    await three(studio)
    assert await studio.store.extent() == Extent(60_000, 3)
    long_ago = utc_now().replace(year=2020)
    assert not await studio.store.make_room(Extent(1), came_before=long_ago)
    assert await studio.store.make_room(Extent(20_001), came_before=utc_now())
    assert await names(studio) == [THREE]
    assert await studio.store.extent() == Extent(20_000, 1)


async def test_one_is_removed_by_name_and_what_is_not_there_is_no_error(studio: Studio) -> None:
    await three(studio)
    assert await studio.store.remove(TWO)
    assert not await studio.store.remove(TWO)
    assert await names(studio) == [ONE, THREE]


KEYS = ("a key of uploads",)


async def test_operators_see_them_have_links_to_private_ones_and_let_them_go(tmp_path: Path) -> None:
    serving = running_enricher(
        tmp_path,
        proxy=ProxySettings(upload_signing_keys=KEYS),
        urls=PictureUrlSettings(upload_signing_keys=KEYS),
    )
    async with serving as site:
        files = site.volume.videos
        for name, private in ((ONE, False), (TWO, True)):
            draft = files.draft()
            draft.write_bytes(an_mp4())
            await files.put(name, draft, is_private=private)
        assert (await site.get("/api/videos")).status == 401
        told = (await site.manage("GET", "/api/videos")).json
        assert (told["total"], told["total_bytes"]) == (2, 40_000)
        links = {video["filename"]: video["video_url"] for video in told["videos"]}
        assert links[f"{ONE}.mp4"] == f"/videos/{ONE}.mp4"
        for link in links.values():
            async with site.client.get(site.address + link, headers={"Range": "bytes=8-15"}) as answer:
                assert (answer.status, await answer.read()) == (206, an_mp4()[8:16])
        async with site.client.get(f"{site.address}/videos/{TWO}.mp4") as answer:
            assert answer.status == 403
        stored = (await site.get("/api/v1/images/storage/stats")).json
        assert stored["videos"] == {"bytes": 40_000, "files": 2}
        assert stored["used"]["bytes"] >= 40_000
        assert (await site.ask("DELETE", f"/api/videos/{ONE}.mp4")).status == 401
        assert (await site.manage("DELETE", f"/api/videos/{ONE}.mp4")).status == 204
        assert (await site.manage("DELETE", f"/api/videos/{ONE}.mp4")).status == 404
        async with site.client.get(f"{site.address}/videos/{ONE}.mp4") as answer:
            assert answer.status == 404
        assert (await site.manage("DELETE", "/api/videos/..%2Fa.mp4")).status in (400, 404, 422)
