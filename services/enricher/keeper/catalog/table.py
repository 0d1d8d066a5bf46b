"""The catalog's table: what is known of each picture. Every method is one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import Moment, replacing, whole_sum
from services.enricher.database.statements import DatabaseVisit, Statement, StatementOfSome
from services.enricher.keeper.catalog.entry import CatalogEntry, Slice, Sums, change_totals, read_totals
from services.enricher.keeper.tables import cached_image_totals, cached_images, evicted_images
from shared.pictures import FailureClass, Kind, PictureId
from shared.volume import Extent, Holding, Mark

_columns = cached_images.c
_evicted = evicted_images.c
_AS_THEY_ARE = (
    "image_url",
    "local_path",
    "revision",
    "mime_type",
    "file_size",
    "width",
    "height",
    "source",
    "kind",
    "cached_at",
    "last_accessed",
    "fresh_until",
    "failure_class",
    "retry_at",
    "mark",
)


ShownBy = sa.Select[tuple[str, str]]
"""A query of another wing's: `picture`, each that something shows, and the `kind` of what shows it."""


@dataclass(frozen=True, slots=True)
class CatalogFilter:
    """None: any."""

    source: str | None = None
    kind: Kind | None = None
    failure_class: FailureClass | None = None

    @property
    def conditions(self) -> Sequence[sa.ColumnElement[bool]]:
        wanted = {"source": self.source, "kind": self.kind, "failure_class": self.failure_class}
        return [_columns[name] == value for name, value in wanted.items() if value is not None]


@dataclass(frozen=True, slots=True)
class Usage:
    """What `pictures` take on the disk, and how much of it is ordered to be evicted and not gone yet."""

    pictures: int
    disk: Extent
    leaving: Extent
    pictures_leaving: int

    @property
    def staying(self) -> Extent:
        return Extent(self.disk.bytes - self.leaving.bytes, self.disk.files - self.leaving.files)


class CatalogTable:
    """Raises DatabaseUnavailable where the database cannot be asked."""

    def __init__(self, database: Database, shown_by: Sequence[ShownBy] = ()) -> None:
        self._database = database
        self._shown_by = shown_by
        self._kinds_shown = [_kinds_of(query) for query in shown_by]

    async def note(
        self,
        looked_at: Iterable[PictureId],
        held: Mapping[PictureId, Holding],
        *,
        now: datetime,
        source_urls: Mapping[PictureId, str],
    ) -> None:
        """That these were looked at, and what the volume held of them: what it did not hold is forgotten."""
        pictures = list(looked_at)

        def writing(visit: DatabaseVisit) -> None:
            before = _entries(visit, pictures)
            kinds = _kinds(visit, pictures, self._kinds_shown)
            come = [
                CatalogEntry.of(
                    held[picture],
                    before=before.get(picture),
                    source_url=source_urls.get(picture),
                    kind=kinds.get(picture),
                    now=now,
                )
                for picture in pictures
                if picture in held
            ]
            visit.run(_FORGET, *({"picture": picture} for picture in before if picture not in held))
            visit.run(_NOTE, *map(_row, come))
            _remember_sources(visit, [entry for picture, entry in before.items() if picture not in held], now)
            change_totals(visit, gone=before.values(), come=come)

        if pictures:
            await self._database.write_at_once(writing)

    async def used(self, pictures: Sequence[PictureId], at: datetime) -> None:
        """That they were served by then."""
        await self.used_at(dict.fromkeys(pictures, at))

    async def used_at(self, used: Mapping[PictureId, datetime]) -> None:
        """The same, each by a moment of its own."""
        rows = [{"picture": picture, "at": at} for picture, at in used.items()]
        if rows:
            await self._database.write_at_once(lambda visit: visit.run(_USED, *rows))

    async def marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        """Of what is known on a shelf, as they were when it was looked at."""
        bounds = {"first": shelf, "end": f"{shelf}g"}
        found = await self._database.read_at_once(lambda visit: visit.rows(_MARKS, bounds))
        return {PictureId(row.picture_id): Mark(row.mark) for row in found}

    async def of_picture(self, picture: PictureId) -> CatalogEntry | None:
        found = await self._some(_columns.picture_id == picture, limit=1)
        return found[0] if found else None

    async def source_url_of(self, picture: PictureId) -> str | None:
        """Where a picture comes from that is on the volume, or was."""
        either = sa.union_all(
            sa.select(_columns.image_url, sa.literal(0)).where(_columns.picture_id == picture),
            sa.select(_evicted.image_url, sa.literal(1)).where(_evicted.picture_id == picture),
        )

        async def reading(connection: AsyncConnection) -> str | None:
            return next((url for url, _ in await connection.execute(either) if url), None)

        return await self._database.read(reading)

    async def forget_evicted(self, *, gone_before: datetime, at_most: int) -> None:
        """Where those came from that went long ago, or before so many others."""
        latest = sa.select(_evicted.gone_at).order_by(_evicted.gone_at.desc()).limit(1).offset(at_most)
        long_ago = sa.or_(_evicted.gone_at < gone_before, _evicted.gone_at <= latest.scalar_subquery())
        statement = sa.delete(evicted_images).where(long_ago)
        await self._database.write(lambda connection: connection.execute(statement))

    async def totals(self, ages: Mapping[str, date]) -> Mapping[Slice, Sums]:
        """See `read_totals`."""
        return await self._database.read(lambda connection: read_totals(connection, ages))

    async def days(self) -> tuple[date | None, date | None]:
        """On which the oldest and the newest of what is stored were fetched."""
        day = cached_image_totals.c.cached_on
        query = sa.select(sa.func.min(day), sa.func.max(day)).where(
            day != "", cached_image_totals.c.pictures > 0
        )

        async def reading(connection: AsyncConnection) -> tuple[date | None, date | None]:
            oldest, newest = (await connection.execute(query)).one()
            return oldest and date.fromisoformat(oldest), newest and date.fromisoformat(newest)

        return await self._database.read(reading)

    async def count(self, chosen: CatalogFilter) -> int:
        """From the sums."""
        sums = cached_image_totals.c
        wanted = {"source": chosen.source, "kind": chosen.kind, "failure_class": chosen.failure_class}
        conditions = [sums[name] == value for name, value in wanted.items() if value is not None]
        query = sa.select(sa.func.coalesce(whole_sum(sums.entries), 0)).where(*conditions)

        async def reading(connection: AsyncConnection) -> int:
            return int((await connection.execute(query)).scalar_one())

        return await self._database.read(reading)

    async def usage(self, ordered_since: datetime) -> Usage:
        """What was ordered before that is taken to have been lost on the way."""

        def reading(visit: DatabaseVisit) -> Usage:
            [(known, *taken)] = visit.rows(_DISK)
            [(count, *gone)] = visit.rows(_LEAVING, {"since": ordered_since})
            return Usage(known or 0, Extent(*(n or 0 for n in taken)), Extent(*(n or 0 for n in gone)), count)

        return await self._database.read_at_once(reading)

    async def least_recently_used(
        self, *, ordered_before: datetime, used_before: datetime, cached_before: datetime, limit: int
    ) -> Sequence[CatalogEntry]:
        """What may leave, the longest unused first; without what was ordered to, not before then."""
        return await self._some(
            _columns.cached_bytes > 0,
            _not_leaving(ordered_before),
            _columns.last_accessed < used_before,
            sa.or_(_columns.cached_at.is_(None), _columns.cached_at < cached_before),
            order=_columns.last_accessed,
            limit=limit,
        )

    async def failures_over(
        self, before: datetime, *, ordered_before: datetime, limit: int
    ) -> Sequence[CatalogEntry]:
        """Failures of which nothing is stored, that were over by then."""
        return await self._some(
            _columns.revision.is_(None),
            _columns.retry_at < before,
            _not_leaving(ordered_before),
            order=_columns.retry_at,
            limit=limit,
        )

    async def order_eviction(self, pictures: Sequence[PictureId], at: datetime | None) -> None:
        """That they are leaving, as of then; None: they are not after all."""
        statement = (
            sa.update(cached_images).where(_columns.picture_id.in_(pictures)).values(evicting_since=at)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def due(self, now: datetime, *, used_since: datetime, limit: int) -> Sequence[CatalogEntry]:
        """Stored pictures that their sources should be asked about, and that somebody looked at."""
        return await self._some(
            _columns.fresh_until <= now,
            _columns.last_accessed >= used_since,
            sa.or_(_columns.retry_at.is_(None), _columns.retry_at <= now),
            order=_columns.fresh_until,
            limit=limit,
        )

    async def orphans(
        self, *, unused_since: datetime, cached_before: datetime, after: PictureId, limit: int
    ) -> Sequence[CatalogEntry]:
        """What is evictable and no item or name shows, and nobody looked at since; by id, from after that one."""
        shown = [query.subquery() for query in self._shown_by]
        return await self._some(
            _columns.picture_id > after,
            _columns.cached_bytes > 0,
            _columns.last_accessed < unused_since,
            sa.or_(_columns.cached_at.is_(None), _columns.cached_at < cached_before),
            *(~sa.exists().where(by.c.picture == _columns.picture_id) for by in shown),
            order=_columns.picture_id,
            limit=limit,
        )

    async def list(self, chosen: CatalogFilter, *, limit: int, offset: int) -> Sequence[CatalogEntry]:
        """The last used first."""
        return await self._some(
            *chosen.conditions, order=_columns.last_accessed.desc(), limit=limit, offset=offset
        )

    async def clear(self) -> None:
        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(sa.delete(cached_images))
            await connection.execute(sa.delete(cached_image_totals))

        await self._database.write(writing)

    async def _some(
        self, *conditions: sa.ColumnElement[bool], limit: int, offset: int = 0, order: Any = None
    ) -> Sequence[CatalogEntry]:
        query = sa.select(cached_images).where(*conditions).order_by(order)
        return await self._database.rows(query, _entry, of=cached_images, limit=limit, offset=offset)


def _not_leaving(ordered_before: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(_columns.evicting_since.is_(None), _columns.evicting_since < ordered_before)


_KNOWN = StatementOfSome(lambda some: sa.select(cached_images).where(_columns.picture_id.in_(some)))
_FORGET = Statement(sa.delete(cached_images).where(_columns.picture_id == sa.bindparam("picture")))
_NOTE = replacing(cached_images)
_AT = sa.bindparam("at", type_=Moment)
_USED = Statement(
    sa.update(cached_images)
    .where(_columns.picture_id == sa.bindparam("picture"), _columns.last_accessed < _AT)
    .values(last_accessed=_AT)
)
_MARKS = Statement(
    sa.select(_columns.picture_id, _columns.mark).where(
        _columns.picture_id >= sa.bindparam("first"), _columns.picture_id < sa.bindparam("end")
    )
)
_SUMS = cached_image_totals.c
_DISK = Statement(
    sa.select(
        whole_sum(_SUMS.entries).label("entries"),
        whole_sum(_SUMS.cached_bytes + _SUMS.kept_bytes).label("bytes"),
        whole_sum(_SUMS.cached_files + _SUMS.kept_files).label("files"),
    )
)
_LEAVING = Statement(
    sa.select(
        sa.func.count().label("pictures"),
        whole_sum(_columns.cached_bytes).label("bytes"),
        whole_sum(_columns.cached_files).label("files"),
    ).where(_columns.evicting_since >= sa.bindparam("since"))
)
_GONE = replacing(evicted_images)


def _entries(visit: DatabaseVisit, pictures: Sequence[PictureId]) -> dict[PictureId, CatalogEntry]:
    rows = visit.rows(*_KNOWN.of(pictures))
    return {entry.picture: entry for entry in map(_entry, rows)}


def _remember_sources(visit: DatabaseVisit, gone: Sequence[CatalogEntry], now: datetime) -> None:
    known = [entry for entry in gone if entry.image_url]
    rows = ({"picture_id": entry.picture, "image_url": entry.image_url, "gone_at": now} for entry in known)
    visit.run(_GONE, *rows)


def _kinds_of(query: ShownBy) -> StatementOfSome:
    by = query.subquery().c
    kind = sa.func.min(by.kind).label("kind")
    return StatementOfSome(
        lambda some: sa.select(by.picture, kind).where(by.picture.in_(some)).group_by(by.picture)
    )


def _kinds(
    visit: DatabaseVisit, pictures: Sequence[PictureId], shown_by: Sequence[StatementOfSome]
) -> Mapping[PictureId, str]:
    """Of what shows each of the pictures; the last that shows it has the word."""
    kinds: dict[PictureId, str] = {}
    for query in shown_by:
        kinds |= {PictureId(row.picture): row.kind for row in visit.rows(*query.of(pictures))}
    return kinds


def _row(entry: CatalogEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _AS_THEY_ARE} | {
        "picture_id": entry.picture,
        "cached_bytes": entry.cached.bytes,
        "cached_files": entry.cached.files,
        "kept_bytes": entry.kept.bytes,
        "kept_files": entry.kept.files,
        "evicting_since": None,
    }


def _entry(row: sa.Row[Any]) -> CatalogEntry:
    same = {name: getattr(row, name) for name in _AS_THEY_ARE}
    return CatalogEntry(
        picture=PictureId(row.picture_id),
        cached=Extent(row.cached_bytes, row.cached_files),
        kept=Extent(row.kept_bytes, row.kept_files),
        **same,
    )
