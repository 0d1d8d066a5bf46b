"""What an idle proxy keeps in memory."""

import asyncio
from pathlib import Path

import psutil

from tests.bench.report import Figure
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import running_service

PROMISE_MB = 70


async def idle_proxy(directory: Path, node: RabbitNode) -> Figure:
    settings = {"VOLUME_URL": f"file:{directory}/data", "QUEUE_URL": node.vhost()}
    async with running_service("services.proxy", settings, cwd=directory) as proxy:
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
