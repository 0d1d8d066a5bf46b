"""Use: when pictures were last looked at, as the proxies say; noted now and then, so that no hit writes anything."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from cachetools import TTLCache

from services.enricher.database import DatabaseUnavailable
from services.enricher.keeper.catalog.table import CatalogTable
from shared.background import Background
from shared.pictures import PictureId

NOTED_EVERY_S = 5.0
NOTED_LASTS_S = 60.0
"""What is looked at all the time is noted once a minute."""

WAITING_AT_MOST = 100_000
AT_ONCE = 1000
"""In one transaction."""

_log = structlog.get_logger()


class AccessTimes:
    def __init__(self, table: CatalogTable, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now
        self._heard: set[PictureId] = set()
        self._noted: TTLCache[PictureId, None] = TTLCache(WAITING_AT_MOST, ttl=NOTED_LASTS_S)

    def hear(self, pictures: Iterable[PictureId]) -> None:
        """They were served, or asked for."""
        for picture in pictures:
            if picture not in self._noted and len(self._heard) < WAITING_AT_MOST:
                self._heard.add(picture)

    @asynccontextmanager
    async def noting(self, background: Background) -> AsyncIterator[None]:
        """Note what was heard every few seconds, and once more at the end."""
        try:
            async with background.repeating("noting use", self.note, every_s=NOTED_EVERY_S, at_once=False):
                yield
        finally:
            await self.note()

    async def note(self) -> None:
        heard, self._heard = list(self._heard), set()
        try:
            for first in range(0, len(heard), AT_ONCE):
                await self._table.used(heard[first : first + AT_ONCE], self._now())
        except DatabaseUnavailable as error:
            _log.warning("use not noted", pictures=len(heard), error=str(error))
        else:
            self._noted.update(dict.fromkeys(heard))
