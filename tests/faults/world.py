"""A whole system for one test module: a broker's virtual host, a volume, a picture host, fetchers, proxies."""

import asyncio
import itertools
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from shared.contracts import Envelope, FetchPicture, Message
from shared.pictures import Name, PictureId, Rendition, SourceUrl
from shared.queue import Lane, Queue
from shared.queue.rabbitmq.engine import open_rabbitmq
from shared.volume import VolumeSettings
from shared.volume.local.layout import Layout
from tests.providers.gallery import picture_at
from tests.providers.separate_host import SeparateHost
from tests.servers.service import RunningService, running_service
from tests.servers.stopping_fetcher import Orders

PATIENCE_S = 90.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Subject:
    """A picture at the host that a test is about."""

    path: str
    body: bytes
    source: SourceUrl

    @property
    def picture(self) -> PictureId:
        return self.source.picture

    def job(self, rendition: str = "medium.webp", *, name: Name | None = None) -> FetchPicture:
        return FetchPicture(source_url=self.source, rendition=Rendition.parse(rendition), name=name)


def drawn(extension: str = "jpg") -> tuple[str, bytes]:
    """The path and the bytes of another picture of the gallery at every call."""
    path = f"/poster/{next(_numbers)}-300x450.{extension}"
    body = picture_at(path)
    assert body
    return path, body


async def eventually(check: Callable[[], Any], *, within_s: float = PATIENCE_S) -> Any:
    """What `check` returns, as soon as that is something. It is asked the less often the longer it takes."""
    pause_s = 0.01
    async with asyncio.timeout(within_s):
        while not (found := check()):
            await asyncio.sleep(pause_s)
            pause_s = min(0.1, pause_s * 1.1)
        return found


class World:
    def __init__(
        self, directory: Path, broker: str, queue: Queue, host: SeparateHost, settings: Mapping[str, str]
    ) -> None:
        self.directory = directory
        self.queue = queue
        self.host = host
        self.root = directory / "volume"
        self.layout = Layout(self.root)
        self.place = VolumeSettings(volume_url=f"file:{self.root}", state_directory=directory / "state")
        self.orders = Orders(directory)
        self.services: list[RunningService] = []
        self._fetchers: list[RunningService] = []
        self._stack = AsyncExitStack()
        self._settings = {
            "QUEUE_URL": broker,
            "VOLUME_URL": f"file:{self.root}",
            "STATE_DIR": str(directory / "state"),
            "STOP_ORDERS": str(directory),
            "ALLOWED_HOSTS": host.root.removeprefix("http://"),
            "ALLOW_PRIVATE": host.root.removeprefix("http://"),
            "RENDER_PROCESSES": "1",
            "ENABLE_IMAGE_OPTIMIZATION": "false",
            **settings,
        }

    @classmethod
    @asynccontextmanager
    async def running(cls, directory: Path, broker: str, **settings: str) -> AsyncIterator[Self]:
        async with SeparateHost.running() as host, open_rabbitmq(broker, lane_limit=10_000) as queue:
            world = cls(directory, broker, queue, host, settings)
            try:
                yield world
            finally:
                await world.end()

    async def end(self) -> None:
        """Have every service finish what it does, and end."""
        await self._stack.aclose()

    async def start(self, module: str, **settings: str) -> RunningService:
        running = running_service(module, {**self._settings, **settings}, cwd=self.directory)
        service = await self._stack.enter_async_context(running)
        self.services.append(service)
        return service

    async def fetcher(self, **settings: str) -> RunningService:
        fetcher = await self.start("tests.servers.stopping_fetcher", **settings)
        self._fetchers.append(fetcher)
        return fetcher

    async def fetchers(self, count: int) -> list[RunningService]:
        """So many that live: those there are, or new ones, ready for work, none of them suspended."""
        living = [service for service in self._fetchers if service.returncode is None]
        missing = count - len(living)
        living += await asyncio.gather(*(self.fetcher() for _ in range(missing)))
        for service in living:
            service.signal(signal.SIGCONT)
        return living

    def new_subject(self) -> "Subject":
        """A picture that nobody has asked for, small enough to be drawn at once."""
        path, body = drawn()
        return Subject(path, body, SourceUrl.parse(self.host.url(path)))

    async def publish(self, message: Message, lane: Lane = Lane.PICTURES_NOW) -> str:
        """Give a job to whoever takes it; its trace id."""
        trace = uuid.uuid4().hex
        await self.queue.publish(Envelope.of(message, trace_id=trace), lane)
        return trace

    async def done(self, trace: str) -> dict[str, Any]:
        """Wait until somebody has ended a job for good, and well; the line it left."""
        line: dict[str, Any] = await eventually(lambda: self._line(trace))
        assert line.get("outcome") not in (None, "failed", "reject"), line
        return line

    def _line(self, trace: str, *, put_off: bool = False) -> dict[str, Any] | None:
        for line in itertools.chain.from_iterable(service.lines for service in self.services):
            ended = line.get("event") == "job" and line["trace_id"] == trace
            if ended and (line.get("outcome") == "retry") is put_off:
                return line
        return None

    async def put_off(self, trace: str) -> None:
        """Wait until somebody has had to put a job off."""
        await eventually(lambda: self._line(trace, put_off=True))

    async def stopped(self) -> RunningService:
        """Wait until a fetcher has done what it was ordered to: it is dead, or suspended."""
        pid = await self.orders.taken()
        service = next(service for service in self.services if service.pid == pid)
        await eventually(lambda: service.returncode is not None or is_suspended(pid))
        return service

    async def waiting(self) -> dict[Lane, int]:
        """How many messages are in the lanes, without those handed out."""
        lanes = [lane for lane in Lane if lane is not Lane.CATALOG]
        return {lane: depth for lane in lanes if (depth := await self.queue.depth(lane))}


def is_suspended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False
