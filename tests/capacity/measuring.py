"""What the model is made of, measured here: each service in a process of its own, nginx in front, RabbitMQ between."""

import asyncio
import platform
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import aiohttp
import psutil

from tests.bench.by_name import POSTERS, drawn_posters, found_at
from tests.bench.earlier import idle
from tests.bench.load import BROWSER, ROUNDS, Served, cpu_s, cpu_us, load
from tests.bench.report import fresh
from tests.bench.standing import Standing, ask, etag_of, standing
from tests.capacity.model import ServiceTimes
from tests.providers.separate_host import SeparateHost
from tests.providers.tmdb import TmdbHost
from tests.servers.object_stores import seaweedfs_in
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import RunningService, measured_service

ADMIN_TOKEN = "the-token"
_STORE_COUNT = re.compile(r'^onesheet_store_requests_total\{kind="(\w+)",.*\} (\S+)$', re.MULTILINE)


async def measured(directory: Path) -> ServiceTimes:
    with closing(RabbitNode(fresh(directory, "rabbitmq"))) as node:
        node.ensure_running()
        async with standing(fresh(directory, "hits"), node) as stored:
            hits = await _hits(stored)
        misses = await _misses(fresh(directory, "misses"), node)
        reads, writes = await _store_requests(fresh(directory, "objects"), node)
    return ServiceTimes(
        machine=f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        store_reads_a_miss=round(reads, 1),
        store_writes_a_miss=round(writes, 1),
        **{name: round(value) for name, value in {**hits, **misses}.items()},
    )


async def _hits(stored: Standing) -> dict[str, float]:
    proxy = stored.proxy
    nowhere = fresh(stored.directory, "nothing-stored")
    async with (
        running_onesheet_nginx(stored.volume) as serving,
        running_onesheet_nginx(nowhere, proxies=(proxy.address.removeprefix("http://"),)) as passing,
    ):
        took = await cpu_us(
            {
                **served_by(stored, await etag_of(proxy.address + stored.by_url)),
                "nginx_hit_us": Served(serving.url(stored.by_url), _worker_of(serving.pid)),
                "nginx_passes_on_us": Served(passing.url(stored.by_url), _worker_of(passing.pid)),
            }
        )
    return {**took, "hit_bytes": stored.file.stat().st_size}


def served_by(stored: Standing, etag: str) -> dict[str, Served]:
    """What a proxy alone is asked for, by the name of its time."""
    address, pid = stored.proxy.address, stored.proxy.pid
    return {
        "proxy_hit_us": Served(address + stored.by_url, pid),
        "proxy_named_us": Served(address + stored.by_name, pid),
        "proxy_unchanged_us": Served(address + stored.by_url, pid, (*BROWSER, f"If-None-Match: {etag}")),
    }


def _worker_of(master: int) -> int:
    return int(psutil.Process(master).children()[0].pid)


async def _misses(directory: Path, node: RabbitNode) -> dict[str, float]:
    """A page of posters by name, all cold, and the page of metadata that shows them."""
    async with _site(directory, {"VOLUME_URL": f"file:{directory}/data"}, node) as site:
        cores = {**site.pids, "broker": node.pid}
        before = {name: cpu_s(pid) for name, pid in cores.items()}
        rendered = _children_s(site.pids["fetcher"])
        await site.posters()
        await idle(site.pids["fetcher"], for_s=1)
        took = {name: (cpu_s(pid) - before[name]) / POSTERS * 1e6 for name, pid in cores.items()}
        renderer_us = (_children_s(site.pids["fetcher"]) - rendered) / POSTERS * 1e6
        page_us, page_bytes = await site.page()
    stored = sum(file.stat().st_size for file in (directory / "data").rglob("*") if file.is_file())
    return {
        "proxy_miss_us": took["proxy"],
        "fetcher_miss_us": took["fetcher"],
        "renderer_miss_us": renderer_us,
        "enricher_name_us": took["enricher"],
        "broker_miss_us": took["broker"],
        "enricher_page_us": page_us,
        "page_bytes": page_bytes,
        "stored_bytes": stored / POSTERS,
    }


async def _store_requests(directory: Path, node: RabbitNode) -> tuple[float, float]:
    """Of all services together for one miss: what a store bills as reading, and as writing."""
    store = seaweedfs_in(directory)
    try:
        await asyncio.to_thread(store.start)
        there = store.environment(store.settings(directory / "state"))
        async with _site(directory, {**there, "S3_CREATE_BUCKETS": "true"}, node) as site:
            before = await site.store_requests()
            await site.posters()
            await idle(site.pids["fetcher"], for_s=1)
            after = await site.store_requests()
    finally:
        await asyncio.to_thread(store.close)
    each = {kind: (after[kind] - before.get(kind, 0)) / POSTERS for kind in after}
    return each.get("get", 0) + each.get("head", 0), each.get("put", 0) + each.get("list", 0)


class _Site:
    def __init__(self, services: Mapping[str, RunningService]) -> None:
        self._services = services
        self.pids = {name: service.pid for name, service in services.items()}

    async def posters(self) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=6)) as session:

            async def one(number: int) -> None:
                path = f"/api/v1/images/movie/tmdb:{number}/poster/w342"
                async with session.get(self._services["proxy"].address + path) as answer:
                    answer.raise_for_status()
                    await answer.read()

            await asyncio.gather(*map(one, range(1, POSTERS + 1)))

    async def page(self) -> tuple[float, int]:
        """Processor time in microseconds, and bytes, of a page of titles that is kept."""
        enricher = self._services["enricher"]
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
            for number in range(1, 51):
                item = {"title": f"Movie {number}", "media_type": "movie", "tmdb_id": number}
                await session.post(f"{enricher.address}/api/library/items", json=item)
        url = f"{enricher.address}/api/items/enriched?limit=50"
        size = len(await ask(url))
        await idle(enricher.pid, for_s=1)
        before = cpu_s(enricher.pid)
        requests = sum([(await load(url)).requests for _ in range(ROUNDS)])
        return (cpu_s(enricher.pid) - before) / requests * 1e6, size

    async def store_requests(self) -> dict[str, float]:
        counted: dict[str, float] = {}
        for service in self._services.values():
            text = (await ask(f"{service.address}/metrics")).decode()
            for kind, value in _STORE_COUNT.findall(text):
                counted[kind] = counted.get(kind, 0) + float(value)
        return counted


@asynccontextmanager
async def _site(directory: Path, settings: Mapping[str, str], node: RabbitNode) -> AsyncIterator[_Site]:
    async with (
        SeparateHost.running() as host,
        TmdbHost.running(requests=1000) as tmdb,
        AsyncExitStack() as stack,
    ):
        await drawn_posters(host, [*range(1, POSTERS + 1)])
        shared = {
            **found_at(host, tmdb),
            **settings,
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "QUEUE_URL": node.vhost(),
        }
        services = {}
        for name in ("enricher", "fetcher", "proxy"):
            own = {
                "STATE_DIR": str(fresh(directory, f"state-{name}")),
                "VOLUME_CACHE_DIR": str(fresh(directory, f"kept-{name}")),
            }
            services[name] = await stack.enter_async_context(
                measured_service(f"services.{name}", {**shared, **own}, cwd=directory)
            )
        for service in services.values():
            await idle(service.pid, for_s=1)
        yield _Site(services)


def _children_s(pid: int) -> float:
    return cpu_s(pid, children=True) - cpu_s(pid)
