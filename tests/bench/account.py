"""Importing an account of Trakt: as fast as the providers' budgets and their latency let it be, in memory that does not grow.

Alone, and with fewer entries: `python -m tests.bench.account 2000`.
"""

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from services.enricher.finder.providers.spending import RESERVED
from services.enricher.finder.providers.tmdb.spec import TMDB_LIMIT
from tests.bench.load import cpu_s
from tests.bench.report import Figure, report
from tests.providers import tmdb as tmdb_stand_in
from tests.providers.metadata_host import Said
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import ADMIN_TOKEN, TraktAccountHost, settings_with
from tests.servers.service import RunningService, measured_service

ENTRIES = 20_000
SERIES, MOVIES = 300, 200
SEASONS = 3
LATENCY_S = 0.1
SHARE = 1.2
GROWTH_MB = 24
LOOK_S = 1.0


async def account(directory: Path, *, entries: int = ENTRIES) -> list[Figure]:
    """Pictures apart: the titles have none, for those are fetched behind everything else."""
    async with TraktAccountHost.running() as trakt, TmdbHost.running() as tmdb:
        series = max(1, SERIES * entries // ENTRIES)
        movies = max(1, MOVIES * entries // ENTRIES)
        _fill(trakt, tmdb, entries, series, movies)
        trakt.latency_s = tmdb.latency_s = LATENCY_S
        settings = settings_with(trakt, tmdb, directory)
        async with (
            measured_service("services", settings, cwd=directory) as service,
            aiohttp.ClientSession(
                service.address, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, raise_for_status=True
            ) as client,
        ):
            begun = await _ask(client, "POST", "/api/trakt/auth-url")
            code, state = trakt.approve(begun["url"])
            await _ask(client, "POST", "/api/trakt/exchange", {"code": code, "state": state})
            watched = await _watched(service, client, trakt, tmdb)
            counted = await _ask(client, "GET", "/api/watch/entries?limit=1")
            before = trakt.total
            await _ask(client, "POST", "/api/trakt/sync")
            await _ended(client, "/api/trakt/sync/status")
            asked = trakt.total - before
        return _figures(watched, entries, counted["total"] == series + movies, asked)


def _fill(trakt: TraktAccountHost, tmdb: TmdbHost, entries: int, series: int, movies: int) -> None:
    """Every episode on a day of its own, from the oldest series to the newest."""
    at = datetime(2010, 1, 1, 20, tzinfo=UTC)
    each = (entries - movies) // series
    length = -(-each // SEASONS)
    bare = {"poster_path": None, "backdrop_path": None}
    for number in range(1, series + 1):
        tmdb.put(f"/3/tv/{number}", Said({**tmdb_stand_in.tv(number), **bare, "number_of_episodes": each}))
        for season in range(1, SEASONS + 1):
            episodes = [
                {"episode_number": n, "name": f"Episode {n}", "air_date": str(date(2005, season, 1 + n % 28))}
                for n in range(1, length + 1)
            ]
            tmdb.put(f"/3/tv/{number}/season/{season}", Said({"season_number": season, "episodes": episodes}))
        for place in range(each):
            at += timedelta(hours=6)
            trakt.state.play(number, at, 1 + place // length, 1 + place % length)
    for number in range(1, movies + 1):
        tmdb.put(f"/3/movie/{number}", Said({**tmdb_stand_in.movie(number), **bare}))
    for place in range(entries - each * series):
        trakt.state.play(1 + place % movies, at + timedelta(days=place))


@dataclass
class _Watched:
    """What an import took. `resident`: its memory each time that somebody looked, in bytes."""

    took_s: float
    cpu_s: float
    floor_s: float
    errors: list[str]
    resident: list[int] = field(default_factory=list)


async def _watched(
    service: RunningService, client: aiohttp.ClientSession, trakt: TraktAccountHost, tmdb: TmdbHost
) -> _Watched:
    resident: list[int] = []
    asked = trakt.total, tmdb.total
    process = psutil.Process(service.pid)
    before_s, begun = cpu_s(service.pid), time.perf_counter()
    await _ask(client, "POST", "/api/trakt/import", {})
    status = await _ended(
        client, "/api/trakt/import/status", lambda: resident.append(process.memory_info().rss)
    )
    took_s = time.perf_counter() - begun
    if status["task"]["state"] != "done":
        raise RuntimeError(f"the import failed: {status['task']['reason']}")
    background = TMDB_LIMIT.requests - round(TMDB_LIMIT.requests * RESERVED)
    windows = (tmdb.total - asked[1] - 1) // background  # the first is there at once
    floor_s = (trakt.total - asked[0] + 1) * LATENCY_S + windows * TMDB_LIMIT.period.total_seconds()
    return _Watched(took_s, cpu_s(service.pid) - before_s, floor_s, status["errors"], resident)


async def _ended(client: aiohttp.ClientSession, path: str, look: Any = lambda: None) -> dict[str, Any]:
    while True:
        status: dict[str, Any] = await _ask(client, "GET", path)
        look()
        if not status["in_progress"]:
            return status
        await asyncio.sleep(LOOK_S)


async def _ask(client: aiohttp.ClientSession, method: str, path: str, json: object = None) -> Any:
    async with client.request(method, path, json=json) as answer:
        return await answer.json()


def _figures(watched: _Watched, entries: int, whole: bool, asked: int) -> list[Figure]:
    compared = watched.took_s / watched.floor_s
    half = watched.resident[len(watched.resident) // 2]
    growth_mb = (max(watched.resident) - half) / 1e6
    return [
        Figure(
            what=f"{entries:,} entries of Trakt's history imported, {LATENCY_S * 1000:.0f} ms a request",
            ours=f"{watched.took_s:.1f} s, {watched.cpu_s:.1f} s of CPU",
            reference=f"{watched.floor_s:.1f} s that budgets and latency demand",
            compared=f"{compared:.2f} ×",
            promise=f"≤ {SHARE} ×",
            kept=compared <= SHARE and whole and not watched.errors,
        ),
        Figure(
            what="memory of the import, after its first half",
            ours=f"{max(watched.resident) / 1e6:.0f} MB at most",
            reference=f"{half / 1e6:.0f} MB",
            compared=f"+{growth_mb:.0f} MB",
            promise=f"≤ +{GROWTH_MB} MB",
            kept=growth_mb <= GROWTH_MB,
        ),
        Figure(
            what="requests to Trakt of a sync where nothing has changed",
            ours=str(asked),
            reference="–",
            compared=str(asked),
            promise="1",
            kept=asked == 1,
        ),
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
        report(asyncio.run(account(Path(name).absolute(), entries=wanted)))
