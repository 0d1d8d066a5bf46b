"""The two engines of the queue, each as something a contract test can open, reopen and put rubbish into."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aio_pika
import pytest

from shared.contracts import DeadLetter, Envelope, PurgePicture
from shared.queue import Delay, Lane, Queue
from shared.queue.embedded.engine import open_embedded
from shared.queue.rabbitmq.engine import open_rabbitmq
from tests.servers.rabbitmq import Broker

QUICK = {Delay.ONE_SECOND: 0.05, Delay.TEN_SECONDS: 0.15, Delay.ONE_MINUTE: 0.3, Delay.TEN_MINUTES: 0.6}
REAL = {delay: float(delay.value) for delay in Delay}


class Engine(Protocol):
    @property
    def url(self) -> str:
        """What QUEUE_URL says, for another process."""

    def open(
        self,
        *,
        lane_limit: int = 1000,
        consumer_grace_s: float = 10,
        delays: Mapping[Delay, float] = QUICK,
    ) -> AbstractAsyncContextManager[Queue]: ...

    async def put_raw(self, lane: Lane, body: bytes) -> None:
        """A message that no publisher of ours wrote. Not while the queue is open."""


@dataclass
class OnRabbitMQ:
    url: str

    @asynccontextmanager
    async def open(
        self,
        *,
        lane_limit: int = 1000,
        consumer_grace_s: float = 10,
        delays: Mapping[Delay, float] = QUICK,
    ) -> AsyncIterator[Queue]:
        async with open_rabbitmq(
            self.url, lane_limit=lane_limit, consumer_grace_s=consumer_grace_s, delays=delays
        ) as queue:
            yield queue

    async def put_raw(self, lane: Lane, body: bytes) -> None:
        async with self.open(), await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            await channel.default_exchange.publish(aio_pika.Message(body), routing_key=lane.value)


@dataclass
class Embedded:
    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:{self.path}"

    @asynccontextmanager
    async def open(
        self,
        *,
        lane_limit: int = 1000,
        consumer_grace_s: float = 10,
        delays: Mapping[Delay, float] = QUICK,
    ) -> AsyncIterator[Queue]:
        async with open_embedded(
            self.path, lane_limit=lane_limit, consumer_grace_s=consumer_grace_s, delays=delays
        ) as queue:
            yield queue

    async def put_raw(self, lane: Lane, body: bytes) -> None:
        async with self.open():
            pass  # makes the file
        file = sqlite3.connect(self.path)
        with file:
            file.execute(
                "INSERT INTO messages (lane, state, body) VALUES (?, 'ready', ?)", (lane.value, body.decode())
            )
        file.close()


class Received:
    """A handler that remembers what it got, in order, and can be waited for."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Envelope] = asyncio.Queue()
        self.count = 0

    async def __call__(self, envelope: Envelope) -> None:
        self.count += 1
        self._waiting.put_nowait(envelope)

    async def next(self, timeout_s: float = 60) -> Envelope:
        async with asyncio.timeout(timeout_s):
            return await self._waiting.get()

    async def next_letter(self) -> DeadLetter:
        letter = (await self.next()).payload
        assert isinstance(letter, DeadLetter)
        return letter


def a_job(number: int = 0) -> Envelope:
    return Envelope.of(PurgePicture(picture=f"{number:032x}"), trace_id=f"trace-{number}")


@pytest.fixture
def vhost(rabbitmq: Broker) -> Iterator[str]:
    """Of one test; its URL."""
    url = rabbitmq.vhost()
    yield url
    rabbitmq.remove(url)


@pytest.fixture(params=["rabbitmq", "embedded"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "embedded":
        return Embedded(tmp_path / "state" / "queue.sqlite")
    return OnRabbitMQ(request.getfixturevalue("vhost"))


@pytest.fixture
async def queue(engine: Engine) -> AsyncIterator[Queue]:
    async with engine.open() as opened:
        yield opened
