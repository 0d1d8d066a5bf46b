"""How full the lanes are, for whoever watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from shared.queue import Lane, Queue, QueueError
from shared.telemetry import Metrics

MEASURE_EVERY_S = 5.0
_log = structlog.get_logger()


@asynccontextmanager
async def measuring_lanes(queue: Queue, metrics: Metrics) -> AsyncIterator[None]:
    task = asyncio.create_task(_measure_lanes(queue, metrics), name="lane depths")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _measure_lanes(queue: Queue, metrics: Metrics) -> None:
    while True:
        for lane in Lane:
            try:
                metrics.lane_depth.labels(lane).set(await queue.depth(lane))
            except QueueError as error:
                _log.warning("lane not measured", lane=lane, error=str(error))
        await asyncio.sleep(MEASURE_EVERY_S)
