"""A miss against the least it can cost: downloading the picture and rendering it, directly, in one process."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import aiohttp
from PIL import Image

from shared.pictures import SIZES, Rendition, SourceUrl, candidates
from tests.bench.load import cpu_s
from tests.bench.report import Figure, other_checkout
from tests.providers.separate_host import SeparateHost
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import measured_service

ROUNDS = 60
CPU_ROUNDS, MISSES, CPU_PROMISE = 3, 6, 0.5
PICTURE = "/photo/1.jpg"
"""3000 × 2000 pixels."""


async def miss_embedded(directory: Path) -> Figure:
    async with SeparateHost.running() as host:
        settings = settings_for(host, directory)
        async with measured_service("services", settings, cwd=directory) as service:
            return await _compare("embedded queue", 12, host, service.address, directory)


async def miss_rabbitmq(directory: Path, node: RabbitNode) -> Figure:
    async with SeparateHost.running() as host:
        settings = {**settings_for(host, directory), "QUEUE_URL": node.vhost()}
        async with (
            measured_service("services.fetcher", settings, cwd=directory),
            measured_service("services.proxy", settings, cwd=directory) as proxy,
        ):
            return await _compare("RabbitMQ", 15, host, proxy.address, directory)


async def cpu_of_a_miss(directory: Path) -> list[Figure]:
    """Of the main process of all services in one: what is around the rendering, with what comes behind the answer."""
    if not (base := other_checkout()):
        return []
    async with SeparateHost.running() as host, AsyncExitStack() as stack:
        services = {}
        for whose, checkout in (("ours", None), ("other", base)):
            into = directory / whose
            into.mkdir()
            settings = settings_for(host, into)
            starting = measured_service("services", settings, cwd=into, checkout=checkout)
            services[whose] = (await stack.enter_async_context(starting), into)
        rounds: dict[str, list[float]] = {whose: [] for whose in services}
        async with aiohttp.ClientSession() as session:
            for number in range(-1, CPU_ROUNDS):
                for whose, (service, into) in services.items():
                    before = cpu_s(service.pid)
                    for n in range(MISSES):
                        source = SourceUrl.parse(host.url(f"{PICTURE}?n={number * MISSES + n}"))
                        await through_us(session, service.address, source)
                        await until_rest_is_made(into, source)
                    if number >= 0:
                        rounds[whose].append((cpu_s(service.pid) - before) / MISSES * 1000)
    ours, other = (statistics.median(rounds[whose]) for whose in ("ours", "other"))
    return [
        Figure(
            what="CPU of the main process for a miss, with what is made ahead",
            ours=f"{ours:.1f} ms",
            reference=f"{other:.1f} ms the other checkout",
            compared=f"{ours / other:.2f} ×",
            promise=f"≤ {CPU_PROMISE} ×",
            kept=ours <= CPU_PROMISE * other,
        )
    ]


def settings_for(host: SeparateHost, directory: Path) -> dict[str, str]:
    authority = host.root.removeprefix("http://")
    return {"ALLOWED_HOSTS": authority, "ALLOW_PRIVATE": authority, "VOLUME_URL": f"file:{directory}/data"}


async def _compare(engine: str, promise_ms: int, host: SeparateHost, address: str, directory: Path) -> Figure:
    ours, direct = [], []
    async with aiohttp.ClientSession() as session:
        for number in range(-5, ROUNDS):  # the first few warm both up
            source = SourceUrl.parse(host.url(f"{PICTURE}?n={number}"))
            async with _timed() as direct_ms:
                await _directly(session, source)
            async with _timed() as ours_ms:
                await through_us(session, address, source)
            await until_rest_is_made(directory, source)
            if number >= 0:
                ours.append(ours_ms[0])
                direct.append(direct_ms[0])
    added = statistics.median(ours) - statistics.median(direct)
    return Figure(
        what=f"a miss, thumbnail of 6 megapixels, {engine} (median of {ROUNDS})",
        ours=f"{statistics.median(ours):.1f} ms",
        reference=f"{statistics.median(direct):.1f} ms directly",
        compared=f"+ {added:.1f} ms",
        promise=f"+ {promise_ms} ms",
        kept=added <= promise_ms,
    )


@asynccontextmanager
async def _timed() -> AsyncIterator[list[float]]:
    """Milliseconds, in the list once the block has ended."""
    milliseconds: list[float] = []
    started = time.perf_counter()
    yield milliseconds
    milliseconds.append((time.perf_counter() - started) * 1000)


async def _directly(session: aiohttp.ClientSession, source: SourceUrl) -> bytes:
    async with session.get(source.url) as response:
        body = await response.read()
    with Image.open(BytesIO(body)) as image:
        size = SIZES["thumbnail"].fit(*image.size)
        image.draft(None, (2 * size[0], 2 * size[1]))
        made = BytesIO()
        image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2).save(made, "WEBP", quality=85, method=2)
    return made.getvalue()


async def through_us(session: aiohttp.ClientSession, address: str, source: SourceUrl) -> bytes:
    url = f"{address}/api/images/proxy?size=thumbnail&format=webp&url={quote(str(source), safe='')}"
    async with session.get(url) as response:
        if response.status != 200:
            raise RuntimeError(f"the miss was answered {response.status}: {await response.text()}")
        return await response.read()


async def until_rest_is_made(directory: Path, source: SourceUrl) -> None:
    """Wait until the other renditions are made: they are not part of a miss, and need the same processors."""
    last = [
        path
        for path in candidates(source.picture, (Rendition.parse("small.webp"),))
        if path.startswith("cache")
    ]
    async with asyncio.timeout(30):
        while not (directory / "data" / last[0]).exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
