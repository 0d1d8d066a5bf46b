"""Patience: a lane that is full for a moment, or a broker that is away for one, ends no task."""

import asyncio
from collections.abc import Awaitable, Callable

from services.enricher.tasks.task import TaskFailed
from shared.queue import QueueError

TRIES = 60
TRY_AGAIN_S = 1.0


async def patiently(queue: Callable[[], Awaitable[object]]) -> None:
    """Do what queues something, again and again for about a minute. Raise TaskFailed where that was not enough."""
    for _ in range(TRIES):
        try:
            await queue()
        except QueueError as error:
            reason = str(error)
            await asyncio.sleep(TRY_AGAIN_S)
        else:
            return
    raise TaskFailed(f"Nothing can be queued: {reason}.")
