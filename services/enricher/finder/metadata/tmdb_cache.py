"""What TMDB says, in memory and in the table `tmdb_cache`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import bindparam, case, delete, func, select

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.database.schema import replacing
from services.enricher.database.statements import Statement
from services.enricher.finder.metadata.cache import OLDEST, Cache, CacheRequest, CacheStatistics
from services.enricher.finder.metadata.outcomes import Found, Outcome, Row, Unavailable
from services.enricher.finder.providers import ProviderError, Turn, Urgency
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb import Resource, Tmdb
from services.enricher.finder.providers.tmdb.models.people import Accepted
from services.enricher.finder.providers.tmdb.resources import authentication
from services.enricher.finder.tables import tmdb_cache
from shared.background import Background
from shared.pictures import FailureClass
from shared.telemetry import utc_now

SWEEP_EVERY_S = 3600.0
STALE_KEPT = timedelta(days=30)
"""After a row expired, for when TMDB is down."""

_log = structlog.get_logger()


class KindCount(BaseModel):
    """Answers of one kind, and the bytes that they take."""

    model_config = ConfigDict(frozen=True)

    rows: int
    bytes: int


class ShelfStatistics(BaseModel):
    model_config = ConfigDict(frozen=True)

    rows: int
    bytes: int
    expired: int
    by_kind: Mapping[str, KindCount]


class ShelfEntry(BaseModel):
    """A stored answer. `found`: TMDB has something there; else it has nothing."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: str
    bytes: int
    found: bool
    expired: bool
    fetched_at: AwareDatetime
    expires_at: AwareDatetime


GATHERED_S = 0.5
"""So long writes are waited for after the last ones: a page asks for many titles, each when it likes."""

KINDS = ("search", "trending", "movie", "tv", "person", "collection", "find")
OTHERS = "other"


class TmdbShelf:
    """Writes are gathered: whatever came while the last ones were written is the next transaction."""

    def __init__(self, database: Database, *, max_bytes: int, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._now = now
        self._coming: dict[str, Row] = {}
        self._came = asyncio.Event()
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def open(self, background: Background) -> AsyncIterator[Self]:
        """Writes, and sweeps once an hour, until it is left; then it writes what is left."""
        writing = background.repeating(
            "writing the TMDB cache",
            self._write_what_came,
            every_s=None,
            soon_s=GATHERED_S,
            wake=self._came,
        )
        sweeping = background.repeating(
            "sweeping the TMDB cache", self.sweep, every_s=SWEEP_EVERY_S, expected=(DatabaseUnavailable,)
        )
        try:
            async with writing, sweeping:
                yield self
        finally:
            await self._write_what_came()

    async def load(self, key: str) -> Row | None:
        if coming := self._coming.get(key):
            return coming
        try:
            found = await self._database.read_at_once(lambda visit: visit.rows(_OF_KEY, {"key": key}))
        except DatabaseUnavailable as error:
            _log.warning("tmdb cache not read", error=str(error))
            return None
        return next((Row(one.cache_value, one.expires_at, one.fetched_at) for one in found), None)

    def put(self, key: str, value: str | None, *, expires_at: datetime, fetched_at: datetime) -> None:
        self._coming[key] = Row(value, expires_at, fetched_at)
        self._came.set()

    async def clear(self) -> int:
        """The number of rows that were."""
        async with self._writing:
            self._coming.clear()
            return await self._delete(delete(tmdb_cache))

    async def clear_expired(self, *, stale_kept: timedelta = timedelta(0)) -> int:
        """Those that expired so long ago, and whatever is too old to be given. The number of rows that were."""
        await self._write_what_came()
        now = self._now()
        columns = tmdb_cache.c
        expired = (columns.expires_at < now - stale_kept) | (columns.fetched_at < now - OLDEST)
        return await self._delete(delete(tmdb_cache).where(expired))

    async def statistics(self) -> ShelfStatistics:
        await self._write_what_came()
        asked = select(
            func.count(),
            func.coalesce(func.sum(_SIZE), 0),
            func.count().filter(tmdb_cache.c.expires_at < self._now()),
        )
        by_kind = select(_KIND.label("kind"), func.count(), func.coalesce(func.sum(_SIZE), 0)).group_by(
            "kind"
        )

        async def reading(connection: AsyncConnection) -> ShelfStatistics:
            rows, size, expired = await _first(connection, asked)
            kinds = (await connection.execute(by_kind)).all()
            counts = {kind: KindCount(rows=count, bytes=taken) for kind, count, taken in kinds}
            return ShelfStatistics(rows=rows, bytes=size, expired=expired, by_kind=counts)

        return await self._database.read(reading)

    async def list(self, *, kind: str | None, limit: int, offset: int) -> tuple[int, Sequence[ShelfEntry]]:
        """How many there are of this kind, or of all, and some of them, the last fetched first."""
        await self._write_what_came()
        chosen = [] if kind is None else [_KIND.in_([kind])]
        columns, now = tmdb_cache.c, self._now()
        found = select(*columns, _KIND.label("kind"), _SIZE.label("size")).where(*chosen)
        some = found.order_by(columns.fetched_at.desc(), columns.cache_key).limit(limit).offset(offset)

        async def reading(connection: AsyncConnection) -> tuple[int, Sequence[ShelfEntry]]:
            counted = select(func.count()).select_from(tmdb_cache).where(*chosen)
            total = (await connection.execute(counted)).scalar_one()
            return total, [
                ShelfEntry(
                    key=row.cache_key,
                    kind=row.kind,
                    bytes=row.size,
                    found=row.cache_value is not None,
                    expired=row.expires_at < now,
                    fetched_at=row.fetched_at,
                    expires_at=row.expires_at,
                )
                for row in await connection.execute(some)
            ]

        return await self._database.read(reading)

    async def sweep(self) -> None:
        """Remove what has been expired for long, and the oldest where there is more than there may be."""
        await self.clear_expired(stale_kept=STALE_KEPT)
        taken = func.sum(_SIZE).over(order_by=tmdb_cache.c.fetched_at.desc()).label("taken")
        kept = select(tmdb_cache.c.cache_key, taken).subquery()
        too_many = select(kept.c.cache_key).where(kept.c.taken > self._max_bytes)
        await self._delete(delete(tmdb_cache).where(tmdb_cache.c.cache_key.in_(too_many)))

    async def _delete(self, statement: Any) -> int:
        async def do(connection: AsyncConnection) -> int:
            return (await connection.execute(statement)).rowcount

        return await self._database.write(do)

    async def _write_what_came(self) -> None:
        async with self._writing:
            rows = dict(self._coming)
            if rows:
                await self._replace(rows)
            for key, row in rows.items():
                if self._coming.get(key) is row:
                    del self._coming[key]

    async def _replace(self, rows: Mapping[str, Row]) -> None:
        values = [
            {
                "cache_key": key,
                "cache_value": row.value,
                "expires_at": row.expires_at,
                "fetched_at": row.fetched_at,
            }
            for key, row in rows.items()
        ]
        try:
            await self._database.write_at_once(lambda visit: visit.run(_REPLACE, *values))
        except DatabaseUnavailable as error:
            _log.warning("tmdb cache not written", error=str(error), rows=len(rows))


_OF_KEY = Statement(select(tmdb_cache).where(tmdb_cache.c.cache_key == bindparam("key")))
_REPLACE = replacing(tmdb_cache)
_KIND = case(*((tmdb_cache.c.cache_key.startswith(f"{kind}:"), kind) for kind in KINDS), else_=OTHERS)
_SIZE = func.length(tmdb_cache.c.cache_key) + func.coalesce(func.length(tmdb_cache.c.cache_value), 0)


async def _first(connection: AsyncConnection, statement: Any) -> Any:
    return (await connection.execute(statement)).first()


Model = TypeVar("Model", bound=Lenient)

OFF = Unavailable(FailureClass.REFUSED, "TMDB is off: TMDB_API_KEY is not set.")


class TmdbStatistics(BaseModel):
    model_config = ConfigDict(frozen=True)

    memory: CacheStatistics
    stored: ShelfStatistics


class TmdbMetadata:
    """`tmdb` None: it has no key, and nothing is given."""

    def __init__(
        self,
        tmdb: Tmdb | None,
        cache: Cache,
        shelf: TmdbShelf,
        *,
        within: timedelta,
        now: Callable[[], datetime] = utc_now,
        forget_elsewhere: Callable[[], Awaitable[None]],
    ) -> None:
        self._forget_elsewhere = forget_elsewhere
        self._tmdb = tmdb
        self._cache = cache
        self._shelf = shelf
        self._within = within
        self._now = now

    async def get(
        self, resource: Resource[Model], *, within: timedelta | None = None, urgency: Urgency = Urgency.NOW
    ) -> Outcome[Model]:
        """Within so much time, or what is known by then."""
        return await self.look(resource, self._now() + (within or self._within), urgency)

    def at_hand(self, resource: Resource[Model], until: datetime) -> Outcome[Model] | None:
        return self._cache.at_hand(self._wanted(self._tmdb, resource), until) if self._tmdb else OFF

    async def look(self, resource: Resource[Model], until: datetime, urgency: Urgency) -> Outcome[Model]:
        if not self._tmdb:
            return OFF
        return await self._cache.look(self._wanted(self._tmdb, resource), until=until, urgency=urgency)

    async def test(self) -> Outcome[Accepted]:
        """Ask TMDB whether it answers, and accepts our key: past the cache."""
        if not self._tmdb:
            return OFF
        turn = Turn(Urgency.NOW, self._now() + self._within)
        try:
            return Found(await self._tmdb.get(authentication(), turn))
        except ProviderError as error:
            return Unavailable(
                error.failure_class, error.reason, self._now() + (error.retry_after or timedelta())
            )

    async def list(self, *, kind: str | None, limit: int, offset: int) -> tuple[int, Sequence[ShelfEntry]]:
        """See `TmdbShelf.list`."""
        return await self._shelf.list(kind=kind, limit=limit, offset=offset)

    async def clear(self) -> int:
        """All of it. The number of rows that were stored."""
        self._cache.clear()
        cleared = await self._shelf.clear()
        await self._forget_elsewhere()
        return cleared

    async def clear_expired(self) -> int:
        """Also what would be given, stale, while TMDB is down. The number of rows."""
        return await self._shelf.clear_expired()

    async def statistics(self) -> TmdbStatistics:
        return TmdbStatistics(memory=self._cache.statistics, stored=await self._shelf.statistics())

    def _wanted(self, tmdb: Tmdb, resource: Resource[Model]) -> CacheRequest[Model]:
        async def ask(turn: Turn) -> Model:
            return await tmdb.get(resource, turn)

        return CacheRequest(resource.cache_key, resource.model, resource.kept, ask)
