"""One host's bad day, and what those who ask for another host's pictures feel of it."""

import asyncio
import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import quote

import aiohttp

from tests.bench.load import cpu_s
from tests.bench.report import Figure, fresh, report
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost
from tests.providers.separate_host import SeparateHost
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import measured_service

PICTURE = "/poster/1-240x360.jpg"
BROKEN = "/poster/2-240x360.jpg"
IMAGE = {"Sec-Fetch-Dest": "image"}
TOKEN = "the-admin-token"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
SLOW_S = 7.0
SLOW_PICTURES = 120
EVERY_S = 0.25
ALONE_S = BESIDE_S = 24.0
MEDIAN_PROMISE, P95_PROMISE = 1.3, 2.0
HUNG_UP = 2050
BROKEN_PICTURES = 14
BROKEN_S = 80.0
DEAD_WITHIN_S = 1200.0
PACKED = 10
PACKED_PROMISE_S = 0.15


@dataclass
class Answers:
    seconds: list[float] = field(default_factory=list)
    placeholders: int = 0

    @property
    def median_ms(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000


@dataclass
class Site:
    """What is asked, and whom it asks. No picture is asked for twice."""

    address: str
    healthy: SeparateHost
    slow: list[PictureHost]
    session: aiohttp.ClientSession
    numbers: Iterator[int] = field(default_factory=count)

    def path(self, url: str) -> str:
        source = quote(f"{url}?n={next(self.numbers)}", safe="")
        return f"{self.address}/api/images/proxy?size=thumbnail&format=webp&url={source}"

    async def ask(self, url: str) -> bool:
        """As a browser's image. False: what came is a placeholder."""
        async with self.session.get(self.path(url), headers=IMAGE) as response:
            await response.read()
            return response.status == 200 and "X-Image-Pending" not in response.headers

    async def ask_steadily(self, url: str, *, seconds: float, every_s: float) -> Answers:
        """However long the answers before take."""
        answers = Answers()

        async def ask() -> None:
            began = time.perf_counter()
            answers.placeholders += not await self.ask(url)
            answers.seconds.append(time.perf_counter() - began)

        async with asyncio.TaskGroup() as asking:
            for _ in range(round(seconds / every_s)):
                asking.create_task(ask())
                await asyncio.sleep(every_s)
        return answers

    async def waiting_in_now(self) -> int:
        async with self.session.get(f"{self.address}/api/v1/admin/queues", headers=ADMIN) as response:
            lanes = (await response.json())["lanes"]
        return next(int(lane["waiting"]) for lane in lanes if lane["lane"] == "pictures.now")

    async def warm_broken_pictures(self) -> None:
        """Have them asked for while nobody waits."""
        await self.healthy.behave(BROKEN, Behaviour.failing(500))
        sources = [f"{self.healthy.url(BROKEN)}?n={number}" for number in range(BROKEN_PICTURES)]
        warm = f"{self.address}/api/v1/admin/warm"
        async with self.session.post(warm, json={"urls": sources}, headers=ADMIN) as response:
            response.raise_for_status()

    async def dead_letters(self) -> int:
        async with self.session.get(f"{self.address}/api/v1/admin/dead?limit=1", headers=ADMIN) as response:
            return int((await response.json())["total"])


@asynccontextmanager
async def _site(
    directory: Path, node: RabbitNode | None, *, slow: int, **settings: str
) -> AsyncIterator[Site]:
    """In one process; with a broker, a proxy and two fetchers."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        healthy = await enter(SeparateHost.running())
        hosts = [await enter(PictureHost.running()) for _ in range(slow)]
        for host in hosts:
            host.behave(PICTURE, Behaviour(delay_s=SLOW_S))
        pairs = ",".join(one.removeprefix("http://") for one in (healthy.root, *(h.root for h in hosts)))
        usual = {
            "ALLOWED_HOSTS": pairs,
            "ALLOW_PRIVATE": pairs,
            "VOLUME_URL": f"file:{directory}/data",
            "ADMIN_TOKEN": TOKEN,
            **settings,
        }
        if node:
            usual["QUEUE_URL"] = node.vhost()
            for _ in range(2):
                await enter(measured_service("services.fetcher", usual, cwd=directory))
        service = await enter(
            measured_service("services.proxy" if node else "services", usual, cwd=directory)
        )
        connector = aiohttp.TCPConnector(limit=0)
        session = await enter(aiohttp.ClientSession(connector=connector))
        site = Site(service.address, healthy, hosts, session)
        await site.ask_steadily(healthy.url(PICTURE), seconds=3, every_s=EVERY_S)  # warms all of it up
        yield site


async def beside_slow_hosts(
    directory: Path, node: RabbitNode | None, *, slow: int, **settings: str
) -> Figure:
    async with _site(directory, node, slow=slow, **settings) as site:
        url = site.healthy.url(PICTURE)
        alone = await site.ask_steadily(url, seconds=ALONE_S, every_s=EVERY_S)
        crowd = [
            asyncio.create_task(site.ask(site.slow[number % slow].url(PICTURE)))
            for number in range(SLOW_PICTURES)
        ]
        beside = await site.ask_steadily(url, seconds=BESIDE_S, every_s=EVERY_S)
        await asyncio.gather(*crowd, return_exceptions=True)
    median, p95 = beside.median_ms / alone.median_ms, beside.p95_ms / alone.p95_ms
    few = "".join(f", {name}={value}" for name, value in settings.items())
    return Figure(
        what=f"new pictures beside {SLOW_PICTURES} of {slow} slow host(s), "
        f"{'RabbitMQ, 2 fetchers' if node else 'one process'}{few}",
        ours=f"{beside.median_ms:.0f} ms, p95 {beside.p95_ms:.0f} ms, {beside.placeholders} placeholders",
        reference=f"{alone.median_ms:.0f} ms, p95 {alone.p95_ms:.0f} ms alone",
        compared=f"{median:.2f} ×, p95 {p95:.2f} ×",
        promise=f"≤ {MEDIAN_PROMISE} ×, p95 ≤ {P95_PROMISE} ×, no placeholder",
        kept=median <= MEDIAN_PROMISE and p95 <= P95_PROMISE and not beside.placeholders,
    )


async def after_who_hung_up(directory: Path, node: RabbitNode | None) -> Figure:
    async with _site(directory, node, slow=1) as site:
        slow = site.slow[0].url(PICTURE)
        for _ in range(HUNG_UP // 50):
            asking = [asyncio.create_task(site.ask(slow)) for _ in range(50)]
            await asyncio.sleep(0.1)
            for client in asking:
                client.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        began = time.perf_counter()
        served = await site.ask(site.healthy.url(PICTURE))
        fresh_s = time.perf_counter() - began
        async with asyncio.timeout(60):
            while not node and await site.waiting_in_now():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)
        empty_s = time.perf_counter() - began
    return Figure(
        what=f"a new picture after {HUNG_UP} requests to a slow host that hung up, "
        f"{'RabbitMQ, 2 fetchers' if node else 'one process'}",
        ours=f"{fresh_s:.2f} s" + ("" if node else f"; `now` empty after {empty_s:.1f} s"),
        reference="–",
        compared="–",
        promise="≤ 1 s" + ("" if node else "; ≤ 10 s"),
        kept=served and fresh_s <= 1 and (node is not None or empty_s <= 10),
    )


async def beside_broken_pictures(directory: Path) -> Figure:
    """With the pauses and delays of production; the broken ones are asked for while nothing else is."""
    async with _site(directory, None, slow=0) as site:
        await site.warm_broken_pictures()
        await asyncio.sleep(6)
        answers = await site.ask_steadily(site.healthy.url(PICTURE), seconds=BROKEN_S, every_s=0.5)
    asked = len(answers.seconds)
    return Figure(
        what=f"good pictures of a host with {BROKEN_PICTURES} broken ones, for {BROKEN_S:.0f} s",
        ours=f"{asked - answers.placeholders} of {asked}",
        reference="–",
        compared="–",
        promise="all",
        kept=not answers.placeholders,
    )


async def until_broken_pictures_are_dead_letters(directory: Path) -> Figure:
    """In full length: with the delays of production, beside good pictures of the same host, which keep it from being paused."""
    async with _site(directory, None, slow=0) as site:
        await site.warm_broken_pictures()
        began = time.perf_counter()
        good = Answers()
        while (
            dead := await site.dead_letters()
        ) < BROKEN_PICTURES and time.perf_counter() - began < DEAD_WITHIN_S:
            some = await site.ask_steadily(site.healthy.url(PICTURE), seconds=10, every_s=0.5)
            good.seconds += some.seconds
            good.placeholders += some.placeholders
        took_s = time.perf_counter() - began
    asked = len(good.seconds)
    return Figure(
        what=f"{BROKEN_PICTURES} broken pictures of a healthy host, until they are dead letters",
        ours=f"{dead} after {took_s:.0f} s; {asked - good.placeholders} of {asked} good ones beside them",
        reference="–",
        compared="–",
        promise="all",
        kept=dead == BROKEN_PICTURES and not good.placeholders,
    )


async def packed_bodies(directory: Path) -> Figure:
    """What they cost the one process, over the same questions without a body."""
    packed = gzip.compress(bytes(100_000_000), 9)
    settings = {"VOLUME_URL": f"file:{directory}/data", "ADMIN_TOKEN": TOKEN}
    async with (
        measured_service("services", settings, cwd=directory) as service,
        aiohttp.ClientSession(headers={"Content-Encoding": "gzip"}) as session,
    ):

        async def cost_s(body: bytes) -> float:
            before = cpu_s(service.pid)
            for _ in range(PACKED):
                async with session.get(f"{service.address}/healthz", data=body) as answer:
                    answer.raise_for_status()
            return cpu_s(service.pid) - before

        await cost_s(b"")
        alone_s = statistics.median([await cost_s(b"") for _ in range(5)])
        packed_s = statistics.median([await cost_s(packed) for _ in range(5)])
    return Figure(
        what=f"{PACKED} packed bodies of {len(packed) // 1000} kB, which are 100 MB each",
        ours=f"{packed_s:.2f} s of the processor",
        reference=f"{alone_s:.2f} s without a body",
        compared=f"{packed_s - alone_s:.2f} s more",
        promise=f"≤ {PACKED_PROMISE_S} s",
        kept=packed_s - alone_s <= PACKED_PROMISE_S,
    )


async def shares(directory: Path, node: RabbitNode) -> list[Figure]:
    figures = []
    for engine, broker in (("embedded", None), ("rabbitmq", node)):
        figures += [
            await beside_slow_hosts(fresh(directory, f"{engine}-one"), broker, slow=1),
            await beside_slow_hosts(
                fresh(directory, f"{engine}-ten"), broker, slow=10, FETCH_CONCURRENCY="8"
            ),
            await after_who_hung_up(fresh(directory, f"{engine}-gone"), broker),
        ]
    return [
        *figures,
        await beside_broken_pictures(fresh(directory, "broken")),
        await packed_bodies(fresh(directory, "packed")),
    ]


async def _only(root: Path, rows: list[str]) -> None:
    """`python -m tests.bench.shares [embedded|rabbitmq|broken|dead|packed …]`: these rows alone. `dead` takes a quarter of an hour and is no row of
    `make bench`.
    """
    with closing(RabbitNode(root)) as node:
        figures = []
        if "embedded" in rows or "rabbitmq" in rows:
            broker = node if "rabbitmq" in rows else None
            if broker:
                broker.ensure_running()
            figures = [
                await beside_slow_hosts(fresh(root, "one"), broker, slow=1),
                await beside_slow_hosts(fresh(root, "ten"), broker, slow=10, FETCH_CONCURRENCY="8"),
                await after_who_hung_up(fresh(root, "gone"), broker),
            ]
        if "broken" in rows:
            figures.append(await beside_broken_pictures(fresh(root, "broken")))
        if "dead" in rows:
            figures.append(await until_broken_pictures_are_dead_letters(fresh(root, "dead")))
        if "packed" in rows:
            figures.append(await packed_bodies(fresh(root, "packed")))
        report(figures)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        asyncio.run(_only(Path(name).absolute(), sys.argv[1:]))
