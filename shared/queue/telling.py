"""Telling: every few seconds, each service says what it took from the lanes and how old that was."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.contracts import Envelope, LaneWork, ServiceStats
from shared.queue.port import Queue
from shared.telemetry import Metrics, trace_id

TELL_EVERY_S = 5.0


@asynccontextmanager
async def telling_work(queue: Queue, metrics: Metrics, service: str) -> AsyncIterator[None]:
    """While the context lasts. Where services share a process, whoever comes first tells for all of them."""
    instance = f"{socket.gethostname()}/{uuid.uuid4().hex[:8]}"
    task = asyncio.create_task(_tell_for_ever(queue, metrics, service, instance), name="telling work")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell_for_ever(queue: Queue, metrics: Metrics, service: str, instance: str) -> None:
    while True:
        await asyncio.sleep(TELL_EVERY_S)
        taken = metrics.work.since_last()
        lanes = {
            lane: LaneWork(jobs=one.jobs, oldest_s=round(one.oldest_s, 3)) for lane, one in taken.items()
        }
        event = ServiceStats(service=service, instance=instance, during_s=TELL_EVERY_S, lanes=lanes)
        await queue.announce(Envelope.of(event, trace_id=trace_id()))
