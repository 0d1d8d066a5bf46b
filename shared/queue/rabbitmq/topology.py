"""The queues and exchanges on the broker. Their arguments never depend on a setting: a queue that exists
with other arguments stops the start.

    publish ──▶ onesheet.jobs (direct) ──▶ a quorum queue per lane ──given up by the broker──▶ `dead`
       └──▶ onesheet.delay.10s (fan-out) ──▶ a quorum queue with a TTL ──expired──▶ onesheet.jobs
    announce ──▶ onesheet.events (fan-out) ──▶ a queue of each listener's own

The routing key is the lane everywhere, and expiring keeps it: so one queue per delay serves all lanes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from shared.queue.consuming import LISTENER_LIMIT
from shared.queue.port import MAX_DELIVERIES, Delay, Lane

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
