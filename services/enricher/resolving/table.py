"""The artwork table: which picture each name shows. Every method is one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, literal, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.database import Database
from services.enricher.database.tables import artwork, media_items
from services.enricher.resolving.known import Known, Shown, Stored
from shared.pictures import Kind, Name, PictureId, Role, Source, parse_source

_columns = artwork.c
_OURS = ("local_image_url", "local_thumbnail_url", "storage_path", "processed_at", "file_size")
_OF_STORED = (*_OURS, "width", "height")
_NOT_STORED: dict[str, Any] = dict.fromkeys(_OURS)


class ArtworkTable:
    """Raises DatabaseUnavailable where the database cannot be asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_name(self, name: Name) -> Known | None:
        return await self._one(_is(name))

    async def of_id(self, artwork_id: int) -> Known | None:
        return await self._one(_columns.id == artwork_id)

    async def of_picture(self, picture: PictureId) -> Sequence[Known]:
        """All names that show it."""
        return await self._some(_columns.picture_id == picture)

    async def due(self, now: datetime, *, at_most: int) -> Sequence[Known]:
        """What is to be looked for again, the longest due first."""
        return await self._some(_columns.pinned.is_(False), _columns.refresh_at <= now, at_most=at_most)

    async def source_of(self, picture: PictureId) -> Source | None:
        """Where a picture comes from, that a name or an item of the library shows."""
        posters = media_items.c
        either = union_all(
            select(_columns.source_url, literal(0)).where(_columns.picture_id == picture),
            select(posters.poster_url, literal(1)).where(posters.poster_picture == picture),
        ).limit(1)

        async def reading(connection: AsyncConnection) -> str | None:
            return (await connection.execute(either)).scalar()

        url = await self._database.read(reading)
        return parse_source(url) if url else None

    async def put(
        self, name: Name, shown: Shown, *, now: datetime, refresh_at: datetime, pinned: bool = False
    ) -> Known:
        """In the place of what was found before, unless that was pinned. The name as it is known then.

        What is stored of another picture says nothing of this one.
        """
        said = _said(shown) | {"pinned": pinned, "checked_at": now, "refresh_at": refresh_at}

        async def writing(connection: AsyncConnection) -> Known:
            before = await _first(connection, _is(name))
            if before is None:
                of_name = {"kind": name.kind.value, "content_id": name.id, "role": name.role.value}
                await connection.execute(insert(artwork).values(**of_name, **said))
            elif not before.pinned or pinned:
                same = before.picture_id == shown.source.picture
                kept = {"width": before.width, "height": before.height} if before.storage_path else {}
                changed = said | (kept if same else _NOT_STORED)
                await connection.execute(update(artwork).where(_is(name)).values(**changed))
            row = await _first(connection, _is(name))
            assert row is not None
            return _known(row)

        return await self._database.write(writing)

    async def put_off(self, name: Name, until: datetime) -> None:
        """Look again then: what was found before stays."""
        statement = update(artwork).where(_is(name), _columns.pinned.is_(False)).values(refresh_at=until)
        await self._database.write(lambda connection: connection.execute(statement))

    async def unpin(self, name: Name, now: datetime) -> None:
        """Others may choose from this moment on."""
        statement = update(artwork).where(_is(name)).values(pinned=False, refresh_at=now)
        await self._database.write(lambda connection: connection.execute(statement))

    async def remove(self, name: Name) -> None:
        await self._database.write(lambda connection: connection.execute(artwork.delete().where(_is(name))))

    async def note_stored(self, stored: Mapping[int, Stored | None]) -> None:
        """What is here of the pictures, by the artworks' ids."""

        async def writing(connection: AsyncConnection) -> None:
            for artwork_id, one in stored.items():
                values = {name: getattr(one, name) for name in _OF_STORED} if one else _NOT_STORED
                await connection.execute(update(artwork).where(_columns.id == artwork_id).values(**values))

        await self._database.write(writing)

    async def _one(self, condition: ColumnElement[bool]) -> Known | None:
        found = await self._some(condition, at_most=1)
        return found[0] if found else None

    async def _some(self, *conditions: ColumnElement[bool], at_most: int = 1000) -> Sequence[Known]:
        query = select(artwork).where(*conditions).order_by(_columns.refresh_at).limit(at_most)

        async def reading(connection: AsyncConnection) -> Sequence[Known]:
            return [_known(row) for row in await connection.execute(query)]

        return await self._database.read(reading)


def _is(name: Name) -> ColumnElement[bool]:
    kind, role = name.kind.value, name.role.value
    return (_columns.kind == kind) & (_columns.content_id == name.id) & (_columns.role == role)


async def _first(connection: AsyncConnection, condition: ColumnElement[bool]) -> Row[Any] | None:
    return (await connection.execute(select(artwork).where(condition))).first()


def _said(shown: Shown) -> dict[str, Any]:
    return {
        "source_url": str(shown.source),
        "picture_id": shown.source.picture,
        "provider": shown.provider,
        "language": shown.language,
        "score": shown.score,
        "width": shown.width,
        "height": shown.height,
    }


def _known(row: Row[Any]) -> Known:
    shown = Shown(parse_source(row.source_url), row.provider, row.language, row.score, row.width, row.height)
    return Known(
        id=row.id,
        name=Name(Kind(row.kind), row.content_id, Role(row.role)),
        shown=shown,
        pinned=row.pinned,
        checked_at=row.checked_at,
        refresh_at=row.refresh_at,
        stored=Stored(**{name: getattr(row, name) for name in _OF_STORED}) if row.storage_path else None,
    )
