"""The indexer: re-reads from the volume each picture that a record reports or a sweep finds, so reports may come in any order; and notes when each was used."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from cachetools import TTLCache

from services.enricher.database.database import DatabaseUnavailable, WriteBatch
from services.enricher.keeper.catalog.table import CatalogTable
from shared.background import Background
from shared.contracts import Envelope, LookAtPicture, LookAtPictures
from shared.pictures import PictureId
from shared.queue import Delay, Lane, Queue, Reject, Retry
from shared.telemetry import Metrics
from shared.volume import Inventory, Mark
from shared.volume.inventory import UNMARKED

NOTED_EVERY_S = 5.0
NOTED_LASTS_S = 60.0
"""What is looked at all the time is noted once a minute."""

WAITING_AT_MOST = 100_000
AT_ONCE = 1000
"""In one transaction."""

_log = structlog.get_logger()


class AccessTimes:
    """`leads`: whether it is this process that notes what all of them hear."""

    def __init__(
        self,
        table: CatalogTable,
        *,
        now: Callable[[], datetime],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._table = table
        self._now = now
        self._leads = leads
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
        if not self._leads():
            return
        try:
            for first in range(0, len(heard), AT_ONCE):
                await self._table.used(heard[first : first + AT_ONCE], self._now())
        except DatabaseUnavailable as error:
            _log.warning("use not noted", pictures=len(heard), error=str(error))
        else:
            self._noted.update(dict.fromkeys(heard))


INDEXED_AT_ONCE = 500
"""Records, of which each round takes what has come while the last one was written."""

GATHERED_S = 0.75
"""So long records are waited for that others are about to follow: a picture is told of once more when the renditions are
there that are made ahead.
"""

WRITTEN_AT_ONCE = 500
"""Pictures, in one transaction."""

REMEMBERED = timedelta(seconds=5)
"""So long a round says how far behind the records are."""


@dataclass(frozen=True, slots=True)
class _Record:
    """Pictures with the URL of their source, where that was said."""

    pictures: Mapping[PictureId, str | None]
    said_at: datetime


class Indexer:
    def __init__(
        self,
        table: CatalogTable,
        inventory: Inventory,
        *,
        now: Callable[[], datetime],
        on_looked: Callable[[], None] = lambda: None,
        gathers_s: float | None = None,
    ) -> None:
        self._on_looked = on_looked
        self._table = table
        self._inventory = inventory
        self._now = now
        self._rounds = WriteBatch(self._look, gathers_s=GATHERED_S if gathers_s is None else gathers_s)
        self._behind = (now(), timedelta())

    async def look(self, pictures: Mapping[PictureId, str | None], said_at: datetime) -> None:
        """Return when the catalog knows of the pictures what the volume has of them, durably.

        `pictures`: with the URL of their source, where that was said. Raises DatabaseUnavailable, and OSError where
        the volume cannot be read.
        """
        await self._rounds.join(_Record(pictures, said_at))

    @property
    def lag(self) -> timedelta:
        """How long ago that was said which was looked at last; nothing, where nothing was for a while."""
        at, lag = self._behind
        return lag if self._now() - at < REMEMBERED else timedelta()

    async def _look(self, records: Sequence[_Record]) -> None:
        self._behind = (self._now(), self._now() - min(record.said_at for record in records))
        pictures = list(dict.fromkeys(picture for record in records for picture in record.pictures))
        said = {picture: url for record in records for picture, url in record.pictures.items() if url}
        for first in range(0, len(pictures), WRITTEN_AT_ONCE):
            some = pictures[first : first + WRITTEN_AT_ONCE]
            held = await self._inventory.holdings(some)
            await self._table.note(some, held, now=self._now(), source_urls=said)
        self._on_looked()


@asynccontextmanager
async def consuming_records(looking: Indexer, queue: Queue, metrics: Metrics) -> AsyncIterator[None]:
    """Look at what comes in the lane `catalog` while the context lasts."""

    async def handle(envelope: Envelope) -> None:
        try:
            await looking.look(_pictures(envelope), envelope.occurred_at)
        except (DatabaseUnavailable, OSError) as error:
            raise Retry(Delay.TEN_SECONDS, str(error), counted=False) from error
        metrics.took(Lane.CATALOG, max(0.0, looking.lag.total_seconds()))

    async with queue.consume(Lane.CATALOG, handle, concurrency=INDEXED_AT_ONCE):
        yield


def _pictures(envelope: Envelope) -> Mapping[PictureId, str | None]:
    """Raise Reject for what is no record."""
    match envelope.payload:
        case LookAtPicture(picture=picture, source_url=source_url):
            return {picture: source_url}
        case LookAtPictures(pictures=pictures):
            return dict.fromkeys(pictures)
    raise Reject(f"The catalog does no {envelope.type}.")


SWEPT_AT_ONCE = 100
"""Pictures that are read before anybody else gets a turn, in the background."""

REST = 3.0
"""Then it rests, so many times as long as it worked."""

ALONE_AT_ONCE = 2000
"""The same where nobody waits for a turn."""

PARTS_EACH = 32
"""Of a shelf of which more have changed, all is looked at in one go."""

WHOLE_WITHIN_S = 86_400.0
"""So long at most a change inside a picture that nobody told of stays unknown."""


@dataclass(slots=True)
class Swept:
    pictures: int = 0
    """That were looked at."""
    changed: int = 0
    """Of which the catalog did not know how they are, or that they are gone."""


class Sweep:
    """Looks at what changed since the last time, by the marks of the shelves' parts; and in turns at all of every shelf,
    `wholes` of them each time. The first time, which may be after anything, at all of all.

    `alone`: nobody else has to get on with anything, so that it rests for nobody, and looks at all each time.
    """

    def __init__(
        self,
        table: CatalogTable,
        inventory: Inventory,
        *,
        now: Callable[[], datetime],
        alone: bool = False,
        wholes: int = 3,
        rest: float = REST,
    ) -> None:
        self._table = table
        self._inventory = inventory
        self._now = now
        self._alone = alone
        self._at_once, self._rest = (ALONE_AT_ONCE, 0.0) if alone else (SWEPT_AT_ONCE, rest)
        self._wholes = wholes
        self._whole_next = 0
        self._parts: dict[str, Sequence[Mark]] = {}

    async def all(self) -> Swept:
        """Raises DatabaseUnavailable, and OSError where the volume cannot be read."""
        swept = Swept()
        shelves = self._inventory.shelves
        turns = {shelves[(self._whole_next + turn) % len(shelves)] for turn in range(self._wholes)}
        for shelf in shelves:
            await self._shelf(shelf, swept, whole=self._alone or shelf in turns)
        self._whole_next = (self._whole_next + self._wholes) % len(shelves)
        return swept

    async def rebuild(self) -> Swept:
        """The same with a catalog that knows nothing."""
        await self._table.clear()
        return await self.all()

    async def _shelf(self, shelf: str, swept: Swept, *, whole: bool) -> None:
        began = time.monotonic()
        parts, before = await self._inventory.parts(shelf), self._parts.get(shelf)
        if whole or before is None:
            changed = [shelf]
        else:
            changed = [
                f"{shelf}{number:02x}"
                for number, (mark, known) in enumerate(zip(parts, before, strict=True))
                if mark != known or mark == UNMARKED
            ]
        await self._pause(began)
        for some in [shelf] if len(changed) > PARTS_EACH else changed:
            await self._compare(some, swept)
        self._parts[shelf] = parts

    async def _compare(self, shelf: str, swept: Swept) -> None:
        """All of a shelf, or of one part of it."""
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


def sweeping(sweep: Sweep, background: Background, *, every_s: float) -> AbstractAsyncContextManager[None]:
    """At the start, for much may have happened, and then now and then."""

    async def once() -> None:
        swept = await sweep.all()
        _log.info("catalog swept", pictures=swept.pictures, changed=swept.changed)

    return background.repeating(
        "sweeping the catalog", once, every_s=every_s, expected=(DatabaseUnavailable, OSError)
    )
