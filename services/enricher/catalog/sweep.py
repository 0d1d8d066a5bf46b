"""The sweep: brings the catalog in line with the volume, whatever was missed; and makes it anew."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from services.enricher.catalog.table import CatalogTable
from services.enricher.database import DatabaseUnavailable
from shared.pictures import PictureId
from shared.volume import Inventory

AT_ONCE = 100
"""Pictures that are read before anybody else gets a turn, in the background."""

REST = 3.0
"""Then it rests, so many times as long as it worked."""

ALONE_AT_ONCE = 2000
"""The same where nobody waits for a turn."""

AGAIN_AFTER_S = 60.0
_log = structlog.get_logger()


@dataclass(slots=True)
class Swept:
    pictures: int = 0
    """That are on the volume."""
    changed: int = 0
    """Of which the catalog did not know how they are, or that they are gone."""


class Sweep:
    """`alone`: nobody else has to get on with anything, so that it rests for nobody."""

    def __init__(
        self, table: CatalogTable, inventory: Inventory, *, now: Callable[[], datetime], alone: bool = False
    ) -> None:
        self._table = table
        self._inventory = inventory
        self._now = now
        self._at_once, self._rest = (ALONE_AT_ONCE, 0.0) if alone else (AT_ONCE, REST)

    async def all(self) -> Swept:
        """Raises DatabaseUnavailable, and OSError where the volume cannot be read."""
        swept = Swept()
        for shelf in self._inventory.shelves:
            await self._shelf(shelf, swept)
        return swept

    async def rebuild(self) -> Swept:
        """The same with a catalog that knows nothing."""
        await self._table.clear()
        return await self.all()

    async def _shelf(self, shelf: str, swept: Swept) -> None:
        began = time.monotonic()
        known = await self._table.marks(shelf)
        found = await self._inventory.marks(shelf)
        changed = [
            picture for picture in found.keys() | known.keys() if found.get(picture) != known.get(picture)
        ]
        await self._pause(began)
        for first in range(0, len(changed), self._at_once):
            await self._look(changed[first : first + self._at_once])
        swept.pictures += len(found)
        swept.changed += len(changed)

    async def _look(self, pictures: Sequence[PictureId]) -> None:
        began = time.monotonic()
        held = await self._inventory.holdings(pictures)
        await self._table.note(pictures, held, now=self._now(), source_urls={})
        await self._pause(began)

    async def _pause(self, began_s: float) -> None:
        if self._rest:
            await asyncio.sleep((time.monotonic() - began_s) * self._rest)


@asynccontextmanager
async def sweeping(sweep: Sweep, *, every_s: float) -> AsyncIterator[None]:
    """At the start, for much may have happened, and then now and then."""
    task = asyncio.create_task(_sweep_for_ever(sweep, every_s), name="sweeping the catalog")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _sweep_for_ever(sweep: Sweep, every_s: float) -> None:
    while True:
        try:
            swept = await sweep.all()
        except (DatabaseUnavailable, OSError) as error:
            _log.warning("catalog not swept", error=str(error))
            await asyncio.sleep(min(every_s, AGAIN_AFTER_S))
        else:
            _log.info("catalog swept", pictures=swept.pictures, changed=swept.changed)
            await asyncio.sleep(every_s)
