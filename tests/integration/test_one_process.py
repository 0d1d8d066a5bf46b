"""`python -m services`: everything in one process, as somebody at home starts and ends it."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from stat import S_IMODE
from typing import Any

import aiohttp
import psutil
import pytest

from tests.integration.onesheet import until
from tests.providers.picture_host import PictureHost
from tests.servers.databases import furnish
from tests.servers.service import RunningService, start_process

PROJECT = Path(__file__).resolve().parents[2]
POSTER = "/poster/1-600x900.jpg"


def everything(
    cwd: Path, *, warm: bool = True, **settings: str
) -> AbstractAsyncContextManager[RunningService]:
    return started(cwd, "services", warm=warm, **settings)


@asynccontextmanager
async def started(
    cwd: Path, module: str, *, warm: bool = True, **settings: str
) -> AsyncIterator[RunningService]:
    """As from a terminal: a process group of its own, and no setting but the port. Without `warm` wholly so, with no
    database to begin with.
    """
    if warm:
        furnish(cwd / "state")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "PORT": "0",
        "RENDER_WHEN_IDLE": "false",
        **settings,
    }
    process = await start_process(module, environment, cwd=cwd, own_group=True, warm=warm)
    service = RunningService(process)
    try:
        yield service
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await service.ended()


def serving(host: PictureHost) -> dict[str, Any]:
    authority = host.root.removeprefix("http://")
    return {"ALLOWED_HOSTS": authority, "ALLOW_PRIVATE": authority, "DISK_FREE_FLOOR_GB": "0"}


async def press_ctrl_c(service: RunningService) -> None:
    """Every process of the terminal's group gets the signal; all of them must end, in order."""
    group = [p for p in psutil.Process(service.pid).children(recursive=True) if p.is_running()]
    os.killpg(service.pid, signal.SIGINT)
    status = await service.ended()
    assert status == 0
    assert "Traceback" not in said(service), service.lines
    errors = [line for line in service.lines if line.get("level") in ("error", "critical")]
    assert errors == []
    await until(lambda: not [p for p in group if p.is_running()])


def names_in(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


def said(service: RunningService) -> str:
    return "\n".join(str(line) for line in service.lines)


async def get(service: RunningService, path: str, **query: str) -> tuple[aiohttp.ClientResponse, bytes]:
    async with (
        aiohttp.ClientSession() as client,
        client.get(service.address + path, params=query) as response,
    ):
        return response, await response.read()


async def test_it_starts_with_no_setting_and_says_where_it_is(tmp_path: Path) -> None:
    async with everything(tmp_path, warm=False) as service:
        await service.listening()
        await until(lambda: f"Onesheet is at {service.address}" in said(service))
        await until(lambda: f"{service.address}/api/images/proxy?" in said(service))
        ready, body = await get(service, "/readyz")
        report = json.loads(body)
        assert (ready.status, report["status"]) == (200, "ready")
        assert report["dependencies"] == {"queue": "ok", "volume": "ok", "database": "ok"}
        assert all(said.startswith("off") for said in report["providers"].values())
        assert "background" not in report
        metrics = (await get(service, "/metrics"))[1].decode()
        for name in ("handing on events", "telling use", "sweeping the volume", "making room"):
            assert f'onesheet_background_failures_total{{name="{name}"}} 0.0' in metrics
        refused, _ = await get(service, "/api/images/proxy", url="http://b.example/x.jpg")
        assert refused.status == 403
        await press_ctrl_c(service)
    assert names_in(tmp_path) == {"data", "state"}


async def test_it_goes_on_with_the_same_data(tmp_path: Path, picture_host: PictureHost) -> None:
    query = {"url": picture_host.url(POSTER), "size": "small", "format": "webp"}
    bodies = []
    for expected in ("false", "true"):
        async with everything(tmp_path, **serving(picture_host)) as service:
            await service.listening()
            answer, body = await get(service, "/api/images/proxy", **query)
            assert (answer.status, answer.headers["X-Image-Cached"]) == (200, expected)
            bodies.append(body)
            await press_ctrl_c(service)
    assert bodies[0] == bodies[1]
    assert picture_host.count(POSTER) == 1
    entries = [entry for entry in (tmp_path / "data").rglob("*") if not entry.is_symlink()]
    assert {S_IMODE(entry.stat().st_mode) for entry in entries if entry.is_file()} == {0o644}
    folders = {entry.name: S_IMODE(entry.stat().st_mode) for entry in entries if entry.is_dir()}
    assert folders.pop("inbox") == 0o700
    assert {*folders.values()} == {0o755}


def queued(directory: Path) -> int:
    """Messages that the queue's file holds."""
    with closing(sqlite3.connect(f"file:{directory}/state/queue.sqlite?mode=ro", uri=True)) as file:
        count: int = file.execute("SELECT count(*) FROM messages").fetchone()[0]
    return count


async def test_what_was_queued_when_it_was_killed_is_done_after_the_next_start(
    tmp_path: Path, picture_host: PictureHost
) -> None:
    gate = picture_host.hold(POSTER)
    async with everything(tmp_path, **serving(picture_host)) as service:
        await service.listening()
        asking = asyncio.create_task(get(service, "/api/images/proxy", url=picture_host.url(POSTER)))
        await gate.arrived()
        await until(lambda: queued(tmp_path))  # the job is begun while it is being written
        os.killpg(service.pid, signal.SIGKILL)
        with pytest.raises(aiohttp.ClientError):
            await asking
    picture_host.release(POSTER)
    async with everything(tmp_path, **serving(picture_host)) as service:
        await service.listening()
        await until(lambda: any(line.get("outcome") == "fetched" for line in service.lines))
        hit, _ = await get(service, "/api/images/proxy", url=picture_host.url(POSTER))
        assert hit.headers["X-Image-Cached"] == "true"
        await press_ctrl_c(service)
    assert picture_host.count(POSTER) == 2


async def test_ctrl_c_during_a_fetch_ends_it_all_the_same(tmp_path: Path, picture_host: PictureHost) -> None:
    gate = picture_host.hold(POSTER)
    async with everything(tmp_path, warm=False, **serving(picture_host)) as service:
        await service.listening()
        asking = asyncio.create_task(get(service, "/api/images/proxy", url=picture_host.url(POSTER)))
        await gate.arrived()
        ending = asyncio.create_task(press_ctrl_c(service))
        await until(lambda: any(line.get("event") == "ending" for line in service.lines))
        picture_host.release(POSTER)
        await ending
        answer, _ = await asking
        assert answer.status == 200  # what is under way is finished


async def test_a_second_one_on_the_same_directory_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with everything(tmp_path) as first:
        await first.listening()
        async with everything(tmp_path) as second:
            assert await second.ended() == 2
        assert "queue" in said(second).lower()
        assert "Traceback" not in said(second)
        assert (await get(first, "/healthz"))[0].status == 200
        await press_ctrl_c(first)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"PORT": "99999"}, "PORT"),
        ({"MISS_WAIT": "-1"}, "MISS_WAIT"),
        ({"IMAGE_FORMATS": "webp,jpeg2000"}, "IMAGE_FORMATS"),
        ({"IMAGE_QUALITY": "101"}, "IMAGE_QUALITY"),
        ({"LOG_LEVEL": "chatty"}, "LOG_LEVEL"),
        ({"VOLUME_URL": "ftp://a.example/"}, "VOLUME_URL"),
        ({"QUEUE_URL": "http://a.example/"}, "QUEUE_URL"),
        ({"STATE_DIR": "data/state"}, "STATE_DIR"),
        ({"UMASK": "rwx"}, "UMASK"),
        (
            {"ACCESS_LOG_ADDRESS": "5140"},
            "ACCESS_LOG_ADDRESS: is not written as it has to be. For example: 127.0.0.1:5140",
        ),
        ({"QUEUE_URL": "amqp://user:secret@rabbit:56x72/vhost"}, "QUEUE_URL: 'rabbit:56x72' is no host:port"),
        ({"QUEUE_URL": "amqp://user:secret@/vhost"}, "QUEUE_URL: '' is no host:port"),
        (
            {"QUEUE_MANAGEMENT_URL": "user:secret@host:15672"},
            "QUEUE_MANAGEMENT_URL: is not written as it has to be.",
        ),
        ({"HOST": "a host that is none"}, "HOST"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_named_in_a_sentence(
    tmp_path: Path, settings: dict[str, Any], named: str
) -> None:
    async with everything(tmp_path, **settings) as service:
        assert await service.ended() == 2
    assert named in said(service)
    assert "Traceback" not in said(service)
    assert ":secret" not in said(service)
    assert "^" not in said(service), "nobody reads a pattern"


@pytest.mark.parametrize("module", ["services.proxy", "services.fetcher", "services.enricher"])
async def test_a_service_of_its_own_does_not_start_on_a_queue_that_nobody_else_reads(
    tmp_path: Path, module: str
) -> None:
    async with started(tmp_path, module, QUEUE_URL="") as service:
        assert await service.ended() == 2
    assert "QUEUE_URL is not set" in said(service)


TOLD_BEFORE_IT_SERVES = """
import asyncio, os, signal, sys
from shared.process.start import start

async def main(_settings):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        await asyncio.sleep(60)
    finally:
        print("left", sys.getswitchinterval())

start(main)
"""


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGHUP])
async def test_told_to_end_before_it_serves_it_leaves_what_it_had_opened_and_no_thread_has_waited_long(
    tmp_path: Path, told: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TOLD_BEFORE_IT_SERVES, str(int(told))),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said_first, _ = await process.communicate()
    assert (process.returncode, b"left 0.0005" in said_first, b"Traceback" in said_first) == (0, True, False)


async def test_an_address_for_nginxs_log_that_is_taken_is_named_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with everything(tmp_path, ACCESS_LOG_ADDRESS=address) as service:
            assert await service.ended() == 2
    assert f"ACCESS_LOG_ADDRESS={address}" in said(service)
    assert "Traceback" not in said(service)


async def test_a_port_that_is_taken_is_named_in_a_sentence(tmp_path: Path, picture_host: PictureHost) -> None:
    port = picture_host.root.rpartition(":")[2]
    async with everything(tmp_path, PORT=port) as service:
        assert await service.ended() == 2
    assert port in said(service)
    assert "Traceback" not in said(service)
