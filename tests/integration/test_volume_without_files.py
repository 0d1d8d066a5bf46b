"""A proxy on a volume without files answers as on any other: from the pieces that the volume hands out."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from services.proxy.app import add_proxy
from services.proxy.handlers import PROXY
from services.proxy.hot_answers import HOT_BYTES
from services.proxy.settings import ProxySettings
from shared.http import create_skeleton
from shared.pictures import Rendition
from shared.queue.embedded.engine import open_embedded
from shared.telemetry import Metrics
from tests.contract.volumes import MEDIUM, PICTURE, commit, revision_of
from tests.servers.volume_in_memory import memory_volume

LARGE = Rendition.parse("large.webp")
SMALL_BODY, LARGE_BODY = b"small", bytes(range(256)) * (HOT_BYTES // 256 + 300)
PATH = f"/p/{PICTURE}/{revision_of(SMALL_BODY)}"


@pytest.fixture(params=["python", "accel"])
async def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[web.Application]:
    """One that would have nginx send large files, too: these it cannot."""
    write, read = memory_volume()
    revision = await commit(write.pictures, SMALL_BODY, MEDIUM)
    async with write.pictures.draft() as draft:
        (draft.directory / str(LARGE)).write_bytes(LARGE_BODY)
        await write.pictures.add(revision, [draft.directory / str(LARGE)])
    skeleton = create_skeleton("proxy", Metrics())
    async with open_embedded(tmp_path / "queue.sqlite", lane_limit=10) as queue:
        settings = ProxySettings(send_files="accel") if request.param == "accel" else ProxySettings()
        add_proxy(skeleton, settings, queue=queue, volume=read)
        yield skeleton.app


@pytest.fixture
async def client(proxy: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    runner = web.AppRunner(proxy, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    await runner.cleanup()


@pytest.mark.parametrize(
    ("file", "body"), [(MEDIUM, SMALL_BODY + b"medium.webp"), (LARGE, LARGE_BODY)], ids=["small", "large"]
)
async def test_a_picture_is_sent_whole_and_in_part(
    client: aiohttp.ClientSession, file: Rendition, body: bytes
) -> None:
    async with client.get(f"{PATH}/{file}") as whole:
        assert (whole.status, await whole.read()) == (200, body)
        etag = whole.headers["ETag"]
    async with client.head(f"{PATH}/{file}") as head:
        assert (head.status, head.headers["ETag"]) == (200, etag)
        assert head.headers["Content-Length"] == str(len(body))
    async with client.get(f"{PATH}/{file}", headers={"Range": f"bytes=3-{len(body) - 2}"}) as part:
        assert (part.status, await part.read()) == (206, body[3:-1])
    async with client.get(f"{PATH}/{file}", headers={"If-None-Match": etag}) as same:
        assert same.status == 304


async def test_what_no_system_call_can_check_is_no_hot_answer(
    client: aiohttp.ClientSession, proxy: web.Application
) -> None:
    for _ in range(2):
        async with client.get(f"{PATH}/{MEDIUM}") as answer:
            assert answer.status == 200
    assert len(proxy[PROXY].hot) == 0


async def test_a_volume_that_can_be_read_is_ready(client: aiohttp.ClientSession) -> None:
    async with client.get("/readyz") as answer:
        assert answer.status == 200
