"""A process that is killed in the middle of a task: the next one goes on with what is left."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp

from services.enricher.library import ItemIds, Library, LibraryEntry, MediaType
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.separate_host import SeparateHost
from tests.providers.tvdb import API_KEY, TvdbHost, artwork, movie
from tests.servers.databases import opened_database
from tests.servers.service import RunningService, running_service

TITLES = 40
TASKS = "/api/v1/admin/tasks"
ADMIN = {"Authorization": "Bearer the-token"}


def path_of(number: int) -> str:
    return f"/poster/{number}-60x90.jpg"


async def test_a_sync_goes_on_after_its_process_was_killed(tmp_path: Path) -> None:
    async with SeparateHost.running() as host, TvdbHost.running() as tvdb:
        for number in range(1, TITLES + 1):
            described = {**movie(number), "artworks": [artwork(number, 14, image=host.url(path_of(number)))]}
            tvdb.put(f"/v4/movies/{number}/extended", Said({"status": "success", "data": described}))
            await host.behave(path_of(number), _behaviour(number))
        entries = [
            LibraryEntry(f"Movie {n}", MediaType.MOVIE, ids=ItemIds(tvdb=n)) for n in range(1, TITLES + 1)
        ]
        async with opened_database(tmp_path / "state") as database:
            await Library(database).add_all(entries)
        settings = _settings(tmp_path, host, tvdb)
        async with running_service("services", settings, cwd=tmp_path) as killed:
            task = await _ask(killed, "POST", "/api/v1/admin/sync/images/missing?role=poster")
            await _until(killed, task["id"], lambda now: now["done"] >= TITLES // 4)
            killed.signal(signal.SIGKILL)
            await killed.ended()
        before = await host.counts()
        async with running_service("services", settings, cwd=tmp_path) as again:
            ended = await _until(again, task["id"], lambda now: now["state"] not in ("queued", "running"))
            items = (await _ask(again, "GET", f"{TASKS}/{task['id']}/items?limit=1000"))["items"]
        after = await host.counts()
    assert ended["state"] == "done"
    assert 0 < len(items) < TITLES  # what was stored before is not missing any more
    failed = {item["name"] for item in items if item["failure_class"] == "gone"}
    assert failed == {f"movie/tvdb:{number}/poster" for number in range(10, TITLES + 1, 10)}
    assert {item["outcome"] for item in items} <= {"stored", "was stored", "failed", "not due"}
    fetched = {path for path, count in after.items() if count and "poster" in path}
    assert fetched == {path_of(number) for number in range(1, TITLES + 1)}
    again_fetched = [path for path, count in after.items() if count > 1 and "poster" in path]
    assert len(again_fetched) <= 16  # only what was under way
    assert sum(before.values()) < sum(after.values())


def _behaviour(number: int) -> Behaviour:
    return Behaviour(status=404, delay_s=0.2) if number % 10 == 0 else Behaviour(delay_s=0.2)


def _settings(directory: Path, host: SeparateHost, tvdb: TvdbHost) -> dict[str, str]:
    authority = host.root.removeprefix("http://")
    return {
        "ADMIN_TOKEN": "the-token",
        "ALLOWED_HOSTS": authority,
        "ALLOW_PRIVATE": authority,
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "HOST_CONCURRENCY": "2",
        "TVDB_API_KEY": API_KEY,
        "TVDB_BASE_URL": tvdb.base_url,
        "VOLUME_URL": f"file:{directory}/data",
    }


async def _ask(service: RunningService, method: str, path: str) -> Any:
    async with (
        aiohttp.ClientSession(headers=ADMIN, raise_for_status=True) as session,
        session.request(method, service.address + path) as answer,
    ):
        return await answer.json()


async def _until(service: RunningService, task_id: int, condition: Any) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            task: dict[str, Any] = await _ask(service, "GET", f"{TASKS}/{task_id}")
            if condition(task):
                return task
            await asyncio.sleep(0.05)
