"""Refreshing: sources are asked again about pictures that may have changed under their URL, where somebody looks at them.

A hit that nginx serves reaches no proxy that could notice: so the catalog does.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from cachetools import TTLCache

from services.enricher.database import DatabaseUnavailable
from services.enricher.keeper.catalog.table import CatalogTable
from shared.background import Background
from shared.contracts import Envelope, RefreshPicture
from shared.pictures import HostRules, PictureId, SourceUrl, picture_host
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import trace_id

USED_WITHIN = timedelta(days=7)
ASKED_LASTS_S = 900.0
"""How long a picture that was queued is not queued again, whatever came of it."""

AT_ONCE = 200
LOOK_EVERY_S = 30.0


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


def refreshing(pictures: Refreshing, background: Background) -> AbstractAsyncContextManager[None]:
    """Queue what is due, now and then, while the context lasts."""
    return background.repeating(
        "refreshing pictures",
        pictures.refresh,
        every_s=LOOK_EVERY_S,
        at_once=False,
        expected=(DatabaseUnavailable, QueueError),
    )
