"""Refreshing: names are looked for again when they are due, one after the other, behind everything else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from services.enricher.database import DatabaseUnavailable
from services.enricher.resolving.resolver import Resolver
from services.enricher.resolving.table import ArtworkTable
from shared.queue import QueueError
from shared.telemetry import utc_now

SWEEP_EVERY_S = 30.0
AT_MOST = 200
"""Names in one sweep. One that was full is soon followed by the next."""

SOON_S = 1.0

_log = structlog.get_logger()


@asynccontextmanager
async def refreshing(table: ArtworkTable, resolver: Resolver) -> AsyncIterator[None]:
    task = asyncio.create_task(_sweep_for_ever(table, resolver), name="refreshing names")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def sweep(table: ArtworkTable, resolver: Resolver, *, now: Callable[[], datetime] = utc_now) -> bool:
    """Whether there may be more that is due. Raise QueueError and DatabaseUnavailable."""
    due = await table.due(now(), at_most=AT_MOST)
    for known in due:
        await resolver.refresh(known.name)
    return len(due) == AT_MOST


async def _sweep_for_ever(table: ArtworkTable, resolver: Resolver) -> None:
    while True:
        more = False
        try:
            more = await sweep(table, resolver)
        except (DatabaseUnavailable, QueueError) as error:
            _log.warning("names not refreshed", error=str(error))
        await asyncio.sleep(SOON_S if more else SWEEP_EVERY_S)
