"""Refreshing: sources are asked again about pictures that may have changed under their URL, where somebody looks at them.

A hit that nginx serves reaches no proxy that could notice: so the catalog does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from cachetools import TTLCache

from services.enricher.database import DatabaseUnavailable
from services.enricher.keeper.catalog.table import CatalogTable
from shared.contracts import Envelope, RefreshPicture
from shared.pictures import HostRules, PictureId, SourceUrl, picture_host
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import trace_id

USED_WITHIN = timedelta(days=7)
ASKED_LASTS_S = 900.0
"""How long a picture that was queued is not queued again, whatever came of it."""

AT_ONCE = 200
LOOK_EVERY_S = 30.0
_log = structlog.get_logger()


class Refreshing:
    def __init__(
        self, table: CatalogTable, queue: Queue, rules: HostRules, *, now: Callable[[], datetime]
    ) -> None:
        self._table = table
        self._queue = queue
        self._rules = rules
        self._now = now
        self._asked: TTLCache[PictureId, None] = TTLCache(100 * AT_ONCE, ttl=ASKED_LASTS_S)

    async def refresh(self) -> int:
        """Queue what is due; how many. Raises DatabaseUnavailable and QueueError."""
        now = self._now()
        due = await self._table.due(now, used_since=now - USED_WITHIN, limit=AT_ONCE + len(self._asked))
        queued = 0
        for entry in due:
            if entry.picture in self._asked or queued == AT_ONCE:
                continue
            if source := self._askable(entry.image_url):
                job = Envelope.of(RefreshPicture(source_url=source), trace_id=trace_id())
                await self._queue.publish(job, Lane.PICTURES_LATER)
                queued += 1
            self._asked[entry.picture] = (
                None  # also what nobody may ask about: it stays due, and others come after it
            )
        return queued

    def _askable(self, url: str | None) -> SourceUrl | None:
        try:
            source = SourceUrl.parse(url or "")
        except ValueError:  # an upload
            return None
        host = picture_host(source.host)
        return source if self._rules.allow(source) and not (host and host.immutable) else None


@asynccontextmanager
async def refreshing(pictures: Refreshing) -> AsyncIterator[None]:
    task = asyncio.create_task(_refresh_for_ever(pictures), name="refreshing pictures")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _refresh_for_ever(pictures: Refreshing) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await pictures.refresh()
        except (DatabaseUnavailable, QueueError) as error:
            _log.warning("pictures not refreshed", error=str(error))
