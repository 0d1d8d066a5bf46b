"""The queues and exchanges, as they are declared and as they are measured."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import aiohttp
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from yarl import URL

from shared.background import cancel_and_wait
from shared.queue.consuming import LISTENER_LIMIT
from shared.queue.port import MAX_DELIVERIES, Delay, Lane, QueueError, QueueFull, QueueUnavailable

JOBS = "onesheet.jobs"
EVENTS = "onesheet.events"

BACKSTOP_LENGTH = 1_000_000
"""Of every queue, whatever LANE_LIMIT says: what a broker's disk is to hold at most."""

UNLIMITED_DELIVERIES = 1_000_000
"""Of `dead`, whose messages have nowhere to go: without a number, RabbitMQ 4 drops them after 20."""

QUORUM: Mapping[str, Any] = MappingProxyType(
    {"x-queue-type": "quorum", "x-max-length": BACKSTOP_LENGTH, "x-overflow": "reject-publish"}
)
LISTENER: Mapping[str, Any] = MappingProxyType({"x-max-length": LISTENER_LIMIT, "x-overflow": "drop-head"})

REAL_DELAYS: Mapping[Delay, float] = MappingProxyType({delay: float(delay.value) for delay in Delay})


@dataclass(frozen=True)
class QueueSpec:
    """A durable queue, and what binds it."""

    name: str
    exchange: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Topology:
    """Everything that outlives a connection. `delays` in seconds are only changed by tests, on a virtual
    host of their own.
    """

    delays: Mapping[Delay, float] = field(default_factory=lambda: REAL_DELAYS)

    @property
    def queues(self) -> tuple[QueueSpec, ...]:
        lanes = tuple(lane_queue(lane) for lane in Lane)
        return lanes + tuple(delay_queue(delay, ttl_s) for delay, ttl_s in self.delays.items())

    async def declare(self, channel: AbstractChannel) -> None:
        """Make what is missing. Raises ChannelPreconditionFailed when something is there with other arguments."""
        await channel.declare_exchange(JOBS, ExchangeType.DIRECT, durable=True)
        await channel.declare_exchange(EVENTS, ExchangeType.FANOUT, durable=False)
        for delay in self.delays:
            await channel.declare_exchange(delay_name(delay), ExchangeType.FANOUT, durable=True)
        for spec in self.queues:
            queue = await channel.declare_queue(spec.name, durable=True, arguments=dict(spec.arguments))
            await queue.bind(spec.exchange, routing_key=spec.name)


def lane_queue(lane: Lane) -> QueueSpec:
    if lane is Lane.DEAD:
        return QueueSpec(lane.value, JOBS, {**QUORUM, "x-delivery-limit": UNLIMITED_DELIVERIES})
    given_up = {"x-delivery-limit": MAX_DELIVERIES, "x-dead-letter-routing-key": Lane.DEAD.value}
    return QueueSpec(lane.value, JOBS, {**QUORUM, **_dead_lettering(), **given_up})


def delay_queue(delay: Delay, ttl_s: float) -> QueueSpec:
    arguments = {**QUORUM, **_dead_lettering(), "x-message-ttl": round(ttl_s * 1000)}
    return QueueSpec(delay_name(delay), delay_name(delay), arguments)


def delay_name(delay: Delay) -> str:
    return f"onesheet.delay.{delay.value}s"


def _dead_lettering() -> dict[str, str]:
    """Handed over with a confirm: the default way loses what meets a missing or full queue."""
    return {"x-dead-letter-exchange": JOBS, "x-dead-letter-strategy": "at-least-once"}


FRESH_FOR_S = 1.0
"""A reading older than this is renewed beside the publish that finds it."""
ASK_AGAIN_AFTER_S = 0.1
"""At the limit a publish waits for a new reading, but not for one more often than this."""


@dataclass
class QueueReading:
    at: float
    waiting: int


class LaneGauge:
    def __init__(self, ask: Callable[[Lane], Awaitable[int]], *, limit: int) -> None:
        self._ask = ask
        self._limit = limit
        self._readings: dict[Lane, QueueReading] = {}
        self._asking: dict[Lane, asyncio.Task[QueueReading]] = {}

    async def admit(self, lane: Lane) -> None:
        """Count one more message for the lane; raise QueueFull when it is at its limit."""
        if lane is Lane.DEAD:
            return
        reading = self._readings.get(lane)
        if reading is None or (reading.waiting >= self._limit and self._age(reading) >= ASK_AGAIN_AFTER_S):
            reading = await asyncio.shield(self._renewal(lane))
        elif self._age(reading) >= FRESH_FOR_S:
            self._renewal(lane)
        if reading.waiting >= self._limit:
            raise QueueFull(f"the lane {lane} holds its limit of {self._limit} messages")
        reading.waiting += 1

    async def close(self) -> None:
        await cancel_and_wait(*self._asking.values())

    def _age(self, reading: QueueReading) -> float:
        return asyncio.get_running_loop().time() - reading.at

    def _renewal(self, lane: Lane) -> asyncio.Task[QueueReading]:
        """The question under way for this lane: everybody who waits shares it."""
        if lane not in self._asking:
            task = asyncio.create_task(self._renew(lane))
            task.add_done_callback(lambda done: self._answered(lane, done))
            self._asking[lane] = task
        return self._asking[lane]

    async def _renew(self, lane: Lane) -> QueueReading:
        waiting = await self._ask(lane)
        reading = QueueReading(asyncio.get_running_loop().time(), waiting)
        self._readings[lane] = reading
        return reading

    def _answered(self, lane: Lane, task: asyncio.Task[QueueReading]) -> None:
        del self._asking[lane]
        if not task.cancelled() and isinstance(task.exception(), QueueError):
            return  # the publishes that find the broker away say so themselves


TIMEOUT_S = 2.0
RENEWED_EVERY_S = 5.0
"""RabbitMQ's own pace, unless it was configured otherwise: what it says is as old at most."""

_COLUMNS = (
    "messages_unacknowledged,messages_dlx,message_stats.publish_details.rate,message_stats.ack_details.rate"
)


@dataclass(frozen=True, slots=True)
class ManagedLane:
    """What only the management API tells of a lane. `moving`: on the way to a lane that it cannot reach."""

    moving: int
    in_hand: int
    published_per_s: float
    done_per_s: float


class Management:
    """Of one virtual host. `url` carries the credentials."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, vhost: str) -> None:
        self._session = session
        self._base = url.with_user(None).with_password(None)
        self._vhost = quote(vhost, safe="")

    async def measure(self, lane: Lane) -> ManagedLane | None:
        """None where it knows nothing of the lane yet. Raise QueueUnavailable where it does not answer, or not as it should."""
        path = f"/api/queues/{self._vhost}/{lane.value}?columns={_COLUMNS}"
        try:
            async with asyncio.timeout(TIMEOUT_S):
                url = URL(f"{str(self._base).rstrip('/')}{path}", encoded=True)
                async with self._session.get(url, raise_for_status=True) as answer:
                    return _measure(await answer.json())
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            why = str(error) or type(error).__name__
            raise QueueUnavailable(f"the management API did not answer: {why[:200]}") from error


@asynccontextmanager
async def open_management(url: str, vhost: str) -> AsyncIterator[Management]:
    parsed = URL(url)
    headers = {}
    if parsed.user:
        headers["Authorization"] = aiohttp.encode_basic_auth(parsed.user, parsed.password or "")
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Management(session, parsed, vhost)


def _measure(said: Any) -> ManagedLane | None:
    """Of a lane that was declared some seconds ago the broker says `[]`. Raise ValueError for what makes no sense."""
    if said == []:
        return None
    if not isinstance(said, dict):
        raise ValueError("it describes no lane")  # noqa: TRY004 - as other answers that make no sense
    rates = said.get("message_stats") or {}
    return ManagedLane(
        moving=int(said.get("messages_dlx") or 0),
        in_hand=int(said["messages_unacknowledged"]),
        published_per_s=_rate(rates, "publish_details"),
        done_per_s=_rate(rates, "ack_details"),
    )


def _rate(rates: dict[str, Any], name: str) -> float:
    return float((rates.get(name) or {}).get("rate") or 0.0)
