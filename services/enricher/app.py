"""The enricher, composed."""

import asyncio
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from shared.http import Skeleton
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import Metrics

MEASURE_EVERY_S = 5.0
_log = structlog.get_logger()


def add_enricher(skeleton: Skeleton, *, queue: Queue) -> None:
    async def measuring(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(_measure_lanes(queue, skeleton.metrics), name="lane depths")
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    skeleton.checks["queue"] = queue.ping
    skeleton.app.cleanup_ctx.append(measuring)


async def _measure_lanes(queue: Queue, metrics: Metrics) -> None:
    while True:
        for lane in Lane:
            try:
                metrics.lane_depth.labels(lane).set(await queue.depth(lane))
            except QueueError as error:
                _log.warning("lane not measured", lane=lane, error=str(error))
        await asyncio.sleep(MEASURE_EVERY_S)
