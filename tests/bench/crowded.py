"""Hits, and what is measured, while 200 misses wait and the fetcher is busy on the same processors."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp

from tests.bench.load import load
from tests.bench.report import Figure
from tests.bench.standing import Standing

WAITING = 200
SECONDS = 4
PROMISE = 5.0


async def hits_among_misses(standing: Standing) -> Figure:
    """The slowest hundredth, with and without the crowd, in turns; the median of three."""
    hit = standing.proxy.address + standing.by_url
    quiet, crowded = [], []
    for turn in range(3):
        quiet.append((await load(hit, seconds=SECONDS)).p99_ms)
        async with _misses(standing, turn):
            crowded.append((await load(hit, seconds=SECONDS)).p99_ms)
    ours, reference = sorted(crowded)[1], sorted(quiet)[1]
    return Figure(
        what=f"p99 of hits at one proxy while {WAITING} misses wait, 32 connections",
        ours=f"{ours:.1f} ms",
        reference=f"{reference:.1f} ms when quiet",
        compared=f"{ours / reference:.1f} ×",
        promise=f"≤ {PROMISE:.0f} ×",
        kept=ours <= PROMISE * reference,
    )


METRICS_ROUNDS = 30
METRICS_PROMISE_MS = 50


async def metrics_under_load(standing: Standing) -> Figure:
    """What Prometheus waits for, while the proxy is asked for hits as fast as it answers, and misses wait."""
    took: list[float] = []
    async with _misses(standing, 3), aiohttp.ClientSession(raise_for_status=True) as session:
        hits = asyncio.create_task(load(standing.proxy.address + standing.by_url, seconds=SECONDS))
        while not hits.done() and len(took) < METRICS_ROUNDS:
            began = time.perf_counter()
            async with session.get(f"{standing.proxy.address}/metrics") as answer:
                series = (await answer.read()).count(b"\n")
            took.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(0.05)
        await hits
    median_ms = statistics.median(took)
    return Figure(
        what=f"/metrics of a proxy under full load while {WAITING} misses wait, {series} lines",
        ours=f"{median_ms:.1f} ms",
        reference=f"{max(took):.1f} ms the longest of {len(took)}",
        compared="–",
        promise=f"≤ {METRICS_PROMISE_MS} ms",
        kept=median_ms <= METRICS_PROMISE_MS,
    )


@asynccontextmanager
async def _misses(standing: Standing, turn: int) -> AsyncIterator[None]:
    """Always so many misses of 6-megapixel pictures: who is answered asks for the next."""
    numbers = iter(range(turn * 100_000, (turn + 1) * 100_000))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask_on() -> None:
            for number in numbers:
                source = quote(standing.host.url(f"/photo/1.jpg?n={number}"), safe="")
                url = f"{standing.proxy.address}/api/images/proxy?url={source}&size=thumbnail&format=webp"
                async with session.get(url) as response:
                    await response.read()

        tasks = [asyncio.create_task(ask_on()) for _ in range(WAITING)]
        await asyncio.sleep(1)  # until all of them wait
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)
