"""A machine that starts again in the middle of tasks, its services long before its broker: no task burns what it has left."""

import asyncio
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.enricher.finder.resolving.table import ArtworkTable, Shown
from services.enricher.library import ItemIds, Library, LibraryEntry, MediaType
from shared.pictures import Name, SourceUrl
from shared.telemetry import utc_now
from tests.faults.world import World, eventually
from tests.providers.behaviour import Behaviour
from tests.servers.databases import opened_database
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import RunningService

WARMED = 100
TITLES = 20
TASKS = "/api/v1/admin/tasks"
STATES = {"running", "queued"}
LONG_AWAY_S = 6.0
"""Longer than anybody waits for a broker that may be back in a moment."""


@pytest.mark.timeout(180)
async def test_tasks_wait_for_a_broker_that_starts_long_after_the_services(
    fragile_rabbitmq: RabbitNode, tmp_path: Path
) -> None:
    url = fragile_rabbitmq.vhost()
    async with World.running(tmp_path, url, ADMIN_TOKEN="the-token", HOST_CONCURRENCY="32") as world:
        titles = await _titles_with_found_posters(world)
        urls = [await _new_url(world) for _ in range(WARMED)]
        enricher, fetcher = await asyncio.gather(
            world.start("services.enricher"), world.start("services.fetcher")
        )
        warm = (await _ask(enricher, "POST", "/api/v1/admin/warm", {"urls": urls}))["task"]
        sync = await _ask(enricher, "POST", "/api/v1/admin/sync/images/missing?role=poster")
        await _until(enricher, warm["id"], lambda task: task["done"] >= WARMED // 10)
        await asyncio.to_thread(fragile_rabbitmq.kill)
        for service in (enricher, fetcher):
            service.signal(signal.SIGKILL)
            await service.ended()
        enricher = await world.start("services.enricher")
        waiting = await _until(enricher, warm["id"], lambda task: "waiting for the queue" in task["counts"])
        assert waiting["state"] == "running"
        await eventually(lambda: _says_that_the_broker_is_away(enricher))
        await asyncio.sleep(LONG_AWAY_S)  # how long it is away is what the test is about
        await asyncio.to_thread(fragile_rabbitmq.ensure_running)
        await world.start("services.fetcher")
        for task_id, pictures in ((warm["id"], WARMED), (sync["id"], titles)):
            ended = await _until(enricher, task_id, lambda task: task["state"] not in STATES)
            assert ended["state"] == "done"
            assert set(ended["counts"]) <= {"stored", "was stored"}
            assert task_id == sync["id"] or Counter(ended["counts"]).total() == pictures
        missing = await _ask(enricher, "POST", "/api/v1/admin/sync/images/missing?role=poster&dry_run=true")
        left = await _until(enricher, missing["id"], lambda task: task["state"] not in STATES)
        assert left["counts"] == {}


async def _titles_with_found_posters(world: World) -> int:
    """Known from before, so that no provider has to be asked."""
    entries = [LibraryEntry(f"Movie {n}", MediaType.MOVIE, ids=ItemIds(tvdb=n)) for n in range(1, TITLES + 1)]
    later = utc_now() + timedelta(days=1)
    async with opened_database(world.place.state_dir) as database:
        await Library(database).add_all(entries)
        table = ArtworkTable(database)
        for number in range(1, TITLES + 1):
            shown = Shown(SourceUrl.parse(await _new_url(world)))
            name = Name.parse(f"movie/tvdb:{number}/poster")
            await table.put(name, shown, now=utc_now(), refresh_at=later)
    return TITLES


async def _new_url(world: World) -> str:
    """A picture that takes its host a moment."""
    path = world.new_subject().path
    await world.host.behave(path, Behaviour(delay_s=0.1))
    return world.host.url(path)


def _says_that_the_broker_is_away(service: RunningService) -> bool:
    return any(line.get("event") == "queue_unreachable" for line in service.lines)


async def _ask(service: RunningService, method: str, path: str, body: object = None) -> Any:
    headers = {"Authorization": "Bearer the-token"}
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        session.request(method, service.address + path, json=body) as answer,
    ):
        return await answer.json()


async def _until(service: RunningService, task_id: int, condition: Any) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while True:
            task: dict[str, Any] = await _ask(service, "GET", f"{TASKS}/{task_id}")
            if condition(task):
                return task
            await asyncio.sleep(0.05)
