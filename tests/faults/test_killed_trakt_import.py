"""A process that is killed in the middle of importing an account: the next one goes on, and nothing is there twice."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp

from tests.providers.tmdb import API_KEY, TmdbHost
from tests.providers.trakt import CLIENT_ID
from tests.providers.trakt_account import CLIENT_SECRET, TraktAccountHost
from tests.servers.service import RunningService, running_service

MOVIES = 40
ADMIN = {"Authorization": "Bearer the-token"}


async def test_an_import_goes_on_after_its_process_was_killed(tmp_path: Path) -> None:
    async with TraktAccountHost.running() as trakt, TmdbHost.running() as tmdb:
        for number in range(1, MOVIES + 1):
            trakt.state.play(number, f"2024-01-{1 + number % 28:02}T20:00:00")
        trakt.state.clamp = 10
        settings = {
            "ADMIN_TOKEN": "the-token",
            "STATE_DIR": f"{tmp_path}/state",
            "VOLUME_URL": f"file:{tmp_path}/data",
            "TRAKT_CLIENT_ID": CLIENT_ID,
            "TRAKT_CLIENT_SECRET": CLIENT_SECRET,
            "TRAKT_AUTH_URL": trakt.root,
            "TRAKT_BASE_URL": trakt.root,
            "TMDB_API_KEY": API_KEY,
            "TMDB_BASE_URL": tmdb.base_url,
            "ALLOWED_HOSTS": "nowhere.invalid",
            "RENDER_PROCESSES": "1",
        }
        tmdb.latency_s = 0.1
        async with running_service("services", settings, cwd=tmp_path) as killed:
            begun = await _ask(killed, "POST", "/api/trakt/auth-url")
            code, state = trakt.approve(begun["url"])
            await _ask(killed, "POST", "/api/trakt/exchange", {"code": code, "state": state})
            task = await _ask(killed, "POST", "/api/trakt/import")
            await _until(killed, lambda now: now["completed"] >= MOVIES // 4)
            killed.signal(signal.SIGKILL)
            await killed.ended()
        pages = trakt.counts["/sync/history/movies"]
        async with running_service("services", settings, cwd=tmp_path) as again:
            ended = await _until(again, lambda now: not now["in_progress"])
            listed = await _ask(again, "GET", "/api/watch/entries?watched=true&limit=200")
            whole = [await _ask(again, "GET", f"/api/watch/entries/{one['id']}") for one in listed["entries"]]
        assert (ended["task"]["id"], ended["task"]["state"], ended["errors"]) == (task["id"], "done", [])
        assert trakt.counts["/sync/history/movies"] == pages  # what was read is not read again
    assert sorted(one["tmdb_id"] for one in listed["entries"]) == list(range(1, MOVIES + 1))
    assert all(len(one["sessions"]) == 1 for one in whole)


async def _ask(service: RunningService, method: str, path: str, json: object = None) -> Any:
    async with (
        aiohttp.ClientSession(headers=ADMIN, raise_for_status=True) as session,
        session.request(method, service.address + path, json=json) as answer,
    ):
        return await answer.json()


async def _until(service: RunningService, condition: Any) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while True:
            now: dict[str, Any] = await _ask(service, "GET", "/api/trakt/import/status")
            if condition(now):
                return now
            await asyncio.sleep(0.05)
