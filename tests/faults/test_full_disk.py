"""A disk that is nearly full, or full to the last byte: a clear answer, nothing half-written, hits go on."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from shared.contracts import PurgePicture, RefreshPicture
from shared.pictures import SourceUrl
from shared.queue import Lane
from tests.faults.clients import ask
from tests.faults.versions import Version
from tests.faults.watching import watching
from tests.faults.world import World, eventually
from tests.providers.gallery import picture_at
from tests.servers.rabbitmq import Broker

ASKED_FOR = "w342.webp"
PAGE = 4096
DISK_BYTES = 32 * 2**20


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_below_the_floor_nothing_is_downloaded_and_hits_go_on(
    rabbitmq: Broker, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with World.running(tmp_path, rabbitmq.vhost()) as world:
        proxy = (await world.start("services.proxy")).address
        before = await world.fetcher()
        stored, wanted = world.new_subject(), world.new_subject()
        assert (await ask(session, proxy, str(stored.source))).is_picture
        before.signal(signal.SIGTERM)
        await before.ended()
        floored = await world.fetcher(DISK_FREE_FLOOR_GB="1000000")

        refused = await ask(session, proxy, str(wanted.source))
        assert refused.is_clear_503
        assert "disk is nearly full" in refused.problem["detail"]
        refresh = await world.publish(RefreshPicture(source_url=stored.source), Lane.PICTURES_LATER)
        await eventually(lambda: [line for line in floored.lines if line.get("trace_id") == refresh])
        assert (await ask(session, proxy, str(stored.source))).is_picture
        assert await world.host.counts() == {stored.path: 1}


async def test_a_disk_that_is_full_to_the_last_page_is_said_so_and_works_again_with_room(
    rabbitmq: Broker, tmp_path: Path, small_disk: "SmallDisk", session: aiohttp.ClientSession
) -> None:
    async with World.running(tmp_path, rabbitmq.vhost()) as world:
        assert small_disk.root == world.root
        proxy, _ = await asyncio.gather(world.start("services.proxy"), world.fetcher())
        hit = world.host.url("/many/0.jpg")
        assert (await ask(session, proxy.address, hit)).is_picture

        failed = []
        for number, left in enumerate(small_disk.interesting_rooms(), start=1):
            path = f"/many/{number}.jpg"
            body = picture_at(path)
            assert body
            source = SourceUrl.parse(world.host.url(path))
            small_disk.leave(left)
            with watching(world.root, source.picture, Version.of(body, ASKED_FOR)):
                answer = await ask(session, proxy.address, str(source))
            assert answer.is_picture or answer.is_clear_503, (left, answer)
            if not answer.is_picture:
                assert "No space left on device" in answer.problem["detail"], (left, answer)
                failed.append(source)
            assert (await ask(session, proxy.address, hit)).is_picture

        assert len(failed) >= 8
        small_disk.leave(DISK_BYTES)
        for source in failed:
            await world.done(await world.publish(PurgePicture(picture=source.picture)))
            assert (await ask(session, proxy.address, str(source))).is_picture


class SmallDisk:
    """A file system of its own, which a ballast file keeps as full as a test wants it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    def leave(self, free_bytes: int) -> None:
        """Make the room that is left this large, as far as it can be."""
        self._ballast.unlink(missing_ok=True)
        space = os.statvfs(self.root)
        size = space.f_bavail * space.f_frsize - free_bytes
        if size > 0:
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    @staticmethod
    def interesting_rooms() -> Iterator[int]:
        """From nothing over every page around the original's end to enough for all of it."""
        original = len(picture_at("/many/1.jpg") or b"")
        yield from (0, PAGE, original // 2)
        whole = original // PAGE * PAGE
        yield from range(whole - PAGE, whole + 16 * PAGE, PAGE)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    root = tmp_path / "volume"
    root.mkdir()
    options = f"size={DISK_BYTES}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"A small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(root)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)
