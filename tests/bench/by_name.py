"""A page of 60 posters asked for by what they show, all cold: from the providers' and the hosts' latency to the last one."""

import asyncio
import statistics
import time
from collections import defaultdict
from pathlib import Path

import aiohttp

from tests.bench.earlier import beside_base, idle, in_turns
from tests.bench.load import cpu_s
from tests.bench.report import Figure
from tests.providers.behaviour import Behaviour
from tests.providers.separate_host import SeparateHost
from tests.providers.tmdb import API_KEY, TmdbHost
from tests.servers.service import RunningService, measured_service

POSTERS = 60
CONNECTIONS = 6
LATENCY_S = 0.1
COLD_PROMISE_S = 3.5
AHEAD_PROMISE_S = 1.5
AHEAD_S = 2.0
ADMIN_TOKEN = "the-token"


async def by_name(directory: Path) -> list[Figure]:
    """The posters are drawn beforehand: 1000 × 1500 pixels, at most 60 of each page."""
    async with SeparateHost.running() as host, TmdbHost.running(requests=1000) as tmdb:
        settings = found_at(host, tmdb) | {
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "VOLUME_URL": f"file:{directory}/data",
        }
        cold, ahead = range(1, POSTERS + 1), range(POSTERS + 1, 2 * POSTERS + 1)
        await drawn_posters(host, [*cold, *ahead])
        async with measured_service("services", settings, cwd=directory) as onesheet:
            tmdb.latency_s = LATENCY_S
            cold_s = await _page(onesheet, cold)
            asked = tmdb.total
            await _handed_out(onesheet, ahead)
            ahead_s = await _page(onesheet, ahead)
    return [
        Figure(
            what=f"{POSTERS} posters by name, all cold, {CONNECTIONS} connections",
            ours=f"{cold_s:.2f} s",
            reference=f"{asked} provider calls",
            compared="–",
            promise=f"≤ {COLD_PROMISE_S} s, {POSTERS} calls",
            kept=cold_s <= COLD_PROMISE_S and asked == POSTERS,
        ),
        Figure(
            what=f"{POSTERS} posters by name, {AHEAD_S:.0f} s after their page of metadata",
            ours=f"{ahead_s:.2f} s",
            reference="–",
            compared="–",
            promise=f"≤ {AHEAD_PROMISE_S} s",
            kept=ahead_s <= AHEAD_PROMISE_S,
        ),
    ]


CPU_PROMISE, WALL_PROMISE = 0.5, 0.65
CPU_ROUNDS = 3


async def cpu_by_name(directory: Path) -> list[Figure]:
    """What the page costs beside the renderers, of a process that has started and rests."""
    async with SeparateHost.running() as host, TmdbHost.running(requests=1000) as tmdb:
        posters = range(1, POSTERS + 1)
        await drawn_posters(host, [*posters])
        tmdb.latency_s = LATENCY_S
        rounds, pages_s = iter(range(1000)), defaultdict[Path | None, list[float]](list)

        async def poster_ms(build: Path | None) -> float:
            place = directory / f"round-{next(rounds)}"
            place.mkdir()
            settings = found_at(host, tmdb) | {"VOLUME_URL": f"file:{place}/data"}
            async with measured_service("services", settings, cwd=place, checkout=build) as onesheet:
                await idle(onesheet.pid, for_s=1)
                before = cpu_s(onesheet.pid)
                pages_s[build].append(await _page(onesheet, posters))
                return 1000 * (cpu_s(onesheet.pid) - before) / POSTERS

        ours, theirs = await in_turns(poster_ms, rounds=CPU_ROUNDS)
    page_s, *their_page_s = map(statistics.median, pages_s.values())
    what = f"CPU of the process beside the renderers, for each of {POSTERS} cold posters by name"
    wall = f"the page of {POSTERS} cold posters by name, of a process that rests"
    return [
        beside_base(what, ours, theirs, unit="ms", at_most=CPU_PROMISE),
        beside_base(wall, page_s, next(iter(their_page_s), None), unit="s", at_most=WALL_PROMISE),
    ]


def found_at(host: SeparateHost, tmdb: TmdbHost) -> dict[str, str]:
    """The settings of services that find their pictures there."""
    authority = host.root.removeprefix("http://")
    return {
        "ALLOWED_HOSTS": authority,
        "ALLOW_PRIVATE": authority,
        "HOST_CONCURRENCY": "8",
        "TMDB_API_KEY": API_KEY,
        "TMDB_BASE_URL": tmdb.base_url,
        "TMDB_IMAGE_URL": host.url("/t/p"),
    }


async def drawn_posters(host: SeparateHost, numbers: list[int]) -> None:
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for number in numbers:
            for path in (f"/t/p/original/poster{number}en.jpg", f"/t/p/original/poster{number}.jpg"):
                async with session.get(host.url(path)) as answer:
                    await answer.read()
                await host.behave(path, Behaviour(delay_s=LATENCY_S))


async def _page(onesheet: RunningService, numbers: range) -> float:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:

        async def ask(number: int) -> None:
            url = f"{onesheet.address}/api/v1/images/movie/tmdb:{number}/poster/w342"
            async with session.get(url, headers={"Accept": "image/webp"}) as answer:
                assert answer.content_type == "image/webp"
                await answer.read()

        began = time.perf_counter()
        await asyncio.gather(*map(ask, numbers))
        return time.perf_counter() - began


async def _handed_out(onesheet: RunningService, numbers: range) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        for number in numbers:
            item = {"title": f"Movie {number}", "media_type": "movie", "tmdb_id": number}
            await session.post(f"{onesheet.address}/api/library/items", json=item)
        async with session.get(f"{onesheet.address}/api/items/enriched?limit={len(numbers)}") as answer:
            await answer.read()
    await asyncio.sleep(AHEAD_S)
