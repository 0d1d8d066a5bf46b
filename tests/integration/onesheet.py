"""Proxy and fetcher composed in this process, with everything a test looks at in reach."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import psutil
from multidict import CIMultiDictProxy

from services.fetcher.app import add_fetcher
from services.fetcher.settings import FetcherSettings
from services.proxy.app import add_proxy
from services.proxy.handlers import PROXY
from services.proxy.hot_answers import HotAnswers
from services.proxy.settings import ProxySettings
from shared.contracts import Envelope, Message
from shared.http import create_skeleton
from shared.http.connections import ConnectionLimits, Connections, listening
from shared.pictures import PictureId, Rendition, SourceUrl, State
from shared.queue import Delay, Handler, Lane, LaneMeasure, Queue, QueueFull, QueueUnavailable
from shared.queue.embedded.engine import open_embedded
from shared.telemetry import Metrics
from shared.volume import Revision, VolumeSettings, WriteVolume, volume_to_read, volume_to_write
from shared.volume.local.layout import Layout
from tests.providers.picture_host import PictureHost

QUICK_DELAYS = MappingProxyType(
    {
        Delay.ONE_SECOND: 0.05,
        Delay.TEN_SECONDS: 0.1,
        Delay.ONE_MINUTE: 0.15,
        Delay.TEN_MINUTES: 0.2,
    }
)
PATIENCE_S = 60
LEAST_OFTEN_S = 0.2


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    history: int = 0
    """How many redirects were followed."""

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, which every answer that is no picture has to be."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self
        document: dict[str, Any] = json.loads(self.body)
        assert set(document) >= {"type", "title", "status", "detail", "trace_id"}
        assert document["status"] == self.status
        assert document["trace_id"] == self.headers["X-Trace-Id"]
        return document


@dataclass
class WatchedQueue:
    """A queue that remembers what was published, and can be down or lose every event."""

    inner: Queue
    published: list[tuple[Lane, Envelope]] = field(default_factory=list)
    down: bool = False
    losing_events: bool = False
    full: set[Lane] = field(default_factory=set)
    """Lanes that take no more."""

    def jobs(self, kind: type[Message]) -> list[Any]:
        return [envelope.payload for _, envelope in self.published if isinstance(envelope.payload, kind)]

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        self._note(envelope, lane)
        await self.inner.publish(envelope, lane, delay=delay)

    async def publish_at_end(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        self._note(envelope, lane)
        await self.inner.publish_at_end(envelope, lane, delay=delay)

    def _note(self, envelope: Envelope, lane: Lane) -> None:
        if self.down:
            raise QueueUnavailable("the queue is down")
        if lane in self.full:
            raise QueueFull("the lane is at its limit")
        self.published.append((lane, envelope))

    def consume(self, lane: Lane, handler: Handler, *, concurrency: int) -> AbstractAsyncContextManager[None]:
        return self.inner.consume(lane, handler, concurrency=concurrency)

    async def announce(self, envelope: Envelope) -> None:
        if not self.losing_events:
            await self.inner.announce(envelope)

    def listen(self, handler: Handler, *kinds: type[Message]) -> AbstractAsyncContextManager[None]:
        return self.inner.listen(handler, *kinds)

    async def depth(self, lane: Lane) -> int:
        return await self.inner.depth(lane)

    async def measure(self, lane: Lane) -> LaneMeasure:
        if self.down:
            raise QueueUnavailable("the queue is down")
        return await self.inner.measure(lane)

    async def put_off(self) -> int:
        if self.down:
            raise QueueUnavailable("the queue is down")
        return await self.inner.put_off()

    @property
    def connected(self) -> bool:
        return not self.down

    async def ping(self) -> None:
        if self.down:
            raise QueueUnavailable("the queue is down")
        await self.inner.ping()


@dataclass(frozen=True)
class Onesheet:
    host: PictureHost
    volume: WriteVolume
    layout: Layout
    queue: WatchedQueue
    metrics: Metrics
    address: str
    hot: HotAnswers
    _client: aiohttp.ClientSession

    async def get(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        **query: str,
    ) -> Answer:
        """A picture by its path at the host, or by a whole URL; `query`: size and format."""
        return await self.ask("/api/images/proxy", {"url": self.url(path), **query}, headers, method)

    async def ask(
        self,
        path: str,
        query: Mapping[str, str] | list[tuple[str, str]],
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> Answer:
        address = self.address + path
        async with self._client.request(method, address, params=query, headers=headers) as response:
            return Answer(response.status, response.headers, await response.read(), len(response.history))

    def url(self, path: str) -> str:
        return self.host.url(path) if path.startswith("/") else path

    def source(self, path: str) -> SourceUrl:
        return SourceUrl.parse(self.url(path))

    def picture(self, path: str) -> PictureId:
        return self.source(path).picture

    async def state(self, path: str) -> State:
        return await self.volume.pictures.state(self.picture(path))

    async def current(self, path: str) -> Revision | None:
        return await self.volume.pictures.current(self.picture(path))

    async def holds(self, path: str, *renditions: Rendition) -> bool:
        current = await self.current(path)
        return current is not None and all(current.holds(rendition) for rendition in renditions)

    async def publish(self, message: Message, lane: Lane) -> None:
        await self.queue.publish(Envelope.of(message, trace_id="a-test"), lane)

    def count(self, sample: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(sample, labels) or 0.0

    async def jobs_done(self, kind: type[Message], count: int = 1) -> None:
        """Wait until so many jobs of this kind have ended, however they ended."""
        await until(
            lambda: (
                sum(
                    sample.value
                    for metric in self.metrics.jobs.collect()
                    for sample in metric.samples
                    if sample.name == "onesheet_jobs_total" and sample.labels["type"] == kind.__name__
                )
                >= count
            )
        )


async def until(condition: Callable[[], Any], *, within_s: float = PATIENCE_S, every_s: float = 0.01) -> None:
    """Look until it is so, the less often the longer it takes: what is waited for needs the processor, too.

    The condition may be asynchronous.
    """
    async with asyncio.timeout(within_s):
        while True:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
            await asyncio.sleep(every_s)
            every_s = max(every_s, min(LEAST_OFTEN_S, every_s * 1.1))


@asynccontextmanager
async def running_onesheet(
    directory: Path,
    host: PictureHost,
    *,
    proxy: ProxySettings,
    fetcher: FetcherSettings | None,
    delays: Mapping[Delay, float],
    place: VolumeSettings | None = None,
) -> AsyncIterator[Onesheet]:
    """Serve on a free port until the block ends. Without fetcher settings nobody does the jobs."""
    place = place or VolumeSettings(
        volume_url=f"file:{directory}/volume", state_directory=directory / "state"
    )
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        volume = stack.enter_context(volume_to_write(place))
        path = directory / "state" / "queue.sqlite"
        queue = WatchedQueue(
            await stack.enter_async_context(
                open_embedded(path, lane_limit=1000, consumer_grace_s=10, delays=delays)
            )
        )
        skeleton = create_skeleton("onesheet", metrics)
        add_proxy(skeleton, proxy, queue=queue, volume=volume_to_read(place, beside=volume.live))
        if fetcher:
            await stack.enter_async_context(add_fetcher(skeleton, fetcher, queue=queue, volume=volume))
        connections = Connections("onesheet", ConnectionLimits(), metrics)
        address = await stack.enter_async_context(
            listening(skeleton.app, "127.0.0.1", 0, connections, ends_within_s=1)
        )
        connector = aiohttp.TCPConnector(limit=0)
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield Onesheet(
            host, volume, Layout(place.root), queue, metrics, address, skeleton.app[PROXY].hot, client
        )


def renderers() -> list[psutil.Process]:
    """The children of the server that forks them."""
    found: list[psutil.Process] = []
    for server in forking_renderers():
        with suppress(psutil.NoSuchProcess):  # it has just been let go
            found += server.children()
    return found


def forking_renderers() -> list[psutil.Process]:
    """The server, where there is one."""
    return [child for child in psutil.Process().children() if _forks(child)]


def _forks(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it has just ended, or is a zombie
        return "forkserver" in " ".join(process.cmdline())
    return False
