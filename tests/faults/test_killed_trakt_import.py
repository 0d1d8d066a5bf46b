"""A process that is killed in the middle of importing an account: the next one goes on, and nothing is there twice."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import TraktAccountHost, settings_with
from tests.servers.service import RunningService, running_service

MOVIES = 40
KILLS = int(os.environ.get("N", "3"))
"""At random instants; `N=50 make test TESTS=tests/faults/test_killed_trakt_import.py` for a long run."""

REQUESTS_AT_MOST = 25
PATIENCE_S = 900
"""What a process that died may have asked counts as asked: after many of them Trakt's five minutes are full."""
ADMIN = {"Authorization": "Bearer the-token"}


async def test_an_import_goes_on_after_its_process_was_killed(tmp_path: Path) -> None:
    async with TraktAccountHost.running() as trakt, TmdbHost.running() as tmdb:
        for number in range(1, MOVIES + 1):
            trakt.state.play(number, f"2024-01-{1 + number % 28:02}T20:00:00")
        trakt.state.clamp = 10
        settings = settings_with(trakt, tmdb, tmp_path)
        tmdb.latency_s = 0.1
        async with running_service("services", settings, cwd=tmp_path) as killed:
            await _sign_in(killed, trakt)
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


@pytest.mark.timeout(3600)
async def test_killed_at_random_instants_of_imports_and_renewals_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    """Each process has to renew its tokens first, and dies some requests later. While it lives, there is always an import."""
    random = Random(7)
    async with TraktAccountHost.running(requests=100_000) as trakt, TmdbHost.running() as tmdb:
        settings = settings_with(trakt, tmdb, tmp_path)
        trakt.state.clamp = 5
        for _ in range(60):
            _play(trakt, random)
        lost = 0
        for _ in range(KILLS):
            async with running_service("services", settings, cwd=tmp_path) as killed:
                lost += await _signed_in(killed, trakt)
                trakt.access.clear()
                async with _importing_for_ever(killed, trakt, random):
                    await _asked(trakt, tmdb, random.randrange(REQUESTS_AT_MOST))
                    await asyncio.sleep(random.uniform(0, 0.02))
                    killed.signal(signal.SIGKILL)
                    await killed.ended()
        async with running_service("services", settings, cwd=tmp_path) as last:
            ended: dict[str, Any] = {}
            for _ in range(2):  # the last one that died may have taken the tokens with it
                lost += await _signed_in(last, trakt)
                await _until(last, lambda now: not now["in_progress"])
                await _ask(last, "POST", "/api/trakt/import")
                ended = await _until(last, lambda now: not now["in_progress"])
                if ended["task"]["state"] == "done":
                    break
            assert (ended["task"]["state"], ended["errors"]) == ("done", [])
            listed = await _ask(last, "GET", "/api/watch/entries?limit=200")
            whole = [await _ask(last, "GET", f"/api/watch/entries/{one['id']}") for one in listed["entries"]]
        assert lost <= max(1, KILLS // 5)  # between Trakt's answer and the disk
    found = Counter(
        (one["entry"]["tmdb_id"], session["watched_on"]) for one in whole for session in one["sessions"]
    )
    assert found == Counter(
        {(played.tmdb_id, played.watched_at[:10]) for played in trakt.state.plays.values()}
    )


def _play(trakt: TraktAccountHost, random: Random) -> None:
    """A film more on some day, that often was there already."""
    day, hour = 1 + random.randrange(20), random.randrange(24)
    trakt.state.play(1 + random.randrange(40), f"2024-01-{day:02}T{hour:02}:00:00")


async def _signed_in(service: RunningService, trakt: TraktAccountHost) -> int:
    """Whether somebody had to sign in again, as the server said."""
    status = await _ask(service, "GET", "/api/trakt/status")
    if status["signed_in"]:
        return 0
    began = not trakt.renewals
    assert began or "sign in again" in status["problem"]
    await _sign_in(service, trakt)
    return 0 if began else 1


async def _asked(trakt: TraktAccountHost, tmdb: TmdbHost, count: int) -> None:
    """Wait until so many requests have come, or the account has nothing more to be asked for."""
    wanted = trakt.total + tmdb.total + count
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while trakt.total + tmdb.total < wanted:  # noqa: ASYNC110 - the stand-ins count, and tell nobody
                await asyncio.sleep(0.005)


@asynccontextmanager
async def _importing_for_ever(
    service: RunningService, trakt: TraktAccountHost, random: Random
) -> AsyncIterator[None]:
    async def begin() -> None:
        with suppress(aiohttp.ClientError):  # it dies
            while True:
                status = await _ask(service, "GET", "/api/trakt/import/status")
                if not status["in_progress"]:
                    _play(trakt, random)
                    with suppress(aiohttp.ClientResponseError):  # signed out meanwhile
                        await _ask(service, "POST", "/api/trakt/import")
                await asyncio.sleep(0.05)

    beginning = asyncio.create_task(begin())
    try:
        yield
    finally:
        await beginning


async def _sign_in(service: RunningService, trakt: TraktAccountHost) -> None:
    begun = await _ask(service, "POST", "/api/trakt/auth-url")
    code, state = trakt.approve(begun["url"])
    await _ask(service, "POST", "/api/trakt/exchange", {"code": code, "state": state})


async def _ask(service: RunningService, method: str, path: str, json: object = None) -> Any:
    async with (
        aiohttp.ClientSession(headers=ADMIN, raise_for_status=True) as session,
        session.request(method, service.address + path, json=json) as answer,
    ):
        return await answer.json()


async def _until(service: RunningService, condition: Any) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            now: dict[str, Any] = await _ask(service, "GET", "/api/trakt/import/status")
            if condition(now):
                return now
            await asyncio.sleep(0.05)
