"""What idle services keep in memory, and what a start takes."""

import asyncio
from pathlib import Path

import psutil

from tests.bench.earlier import beside_base, in_turns, pss_mb
from tests.bench.load import cpu_s
from tests.bench.report import Figure
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import measured_service

PROMISE_MB = 70


async def idle_proxy(directory: Path, node: RabbitNode) -> Figure:
    settings = {"VOLUME_URL": f"file:{directory}/data", "QUEUE_URL": node.vhost()}
    async with measured_service("services.proxy", settings, cwd=directory) as proxy:
        await asyncio.sleep(2)
        resident_mb = psutil.Process(proxy.pid).memory_info().rss / 1024**2
    return Figure(
        what="memory of an idle proxy (RabbitMQ)",
        ours=f"{resident_mb:.0f} MB",
        reference="–",
        compared="–",
        promise=f"≤ {PROMISE_MB} MB",
        kept=resident_mb <= PROMISE_MB,
    )


IDLE_PROMISE_MB = 125
START_PROMISE = 0.6
IDLE_FOR_S = 65
"""Longer than renderers without work are kept."""

STARTS = 3


async def one_process(directory: Path) -> list[Figure]:
    """Its second start: the first one makes the database."""
    rounds = iter(range(1000))

    async def start_ms(build: Path | None) -> float:
        place = directory / f"round-{next(rounds)}"
        place.mkdir()
        settings = {"VOLUME_URL": f"file:{place}/data", "RENDER_PROCESSES": "2"}
        async with measured_service("services", settings, cwd=place, checkout=build):
            pass
        async with measured_service("services", settings, cwd=place, checkout=build) as whole:
            return 1000 * cpu_s(whole.pid, children=True)

    ours, theirs = await in_turns(start_ms, rounds=STARTS)
    settings = {"VOLUME_URL": f"file:{directory}/data", "RENDER_PROCESSES": "2"}
    async with measured_service("services", settings, cwd=directory):
        pass
    async with measured_service("services", settings, cwd=directory) as whole:
        await asyncio.sleep(IDLE_FOR_S)
        idle_mb = pss_mb(whole.pid)
    return [
        beside_base(
            "CPU of a start in one process, until it listens", ours, theirs, unit="ms", at_most=START_PROMISE
        ),
        Figure(
            what="memory of one process without work (PSS, all its processes)",
            ours=f"{idle_mb:.0f} MB",
            reference="–",
            compared="–",
            promise=f"≤ {IDLE_PROMISE_MB} MB",
            kept=idle_mb <= IDLE_PROMISE_MB,
        ),
    ]
