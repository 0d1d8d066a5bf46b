"""Parts that the library numbers: episodes, seasons and persons, each by a provider's id, so that a bare number names one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.finder.artwork.source import Subject
from services.enricher.library.tables import numbered_parts
from shared.pictures import Kind, Name, Role
from shared.telemetry import utc_now

PART_ROLES = MappingProxyType(
    {
        Kind.EPISODE: (Role.IMAGE, Role.THUMBNAIL),
        Kind.SEASON: (Role.IMAGE, Role.POSTER),
        Kind.PERSON: (Role.IMAGE,),
    }
)
"""What is shown of each kind."""

_columns = numbered_parts.c


@dataclass(frozen=True, slots=True)
class NumberedPart:
    """`content_id` is a provider's: `tvdb:3254641`, `tmdb:1399-s1e2`."""

    id: int
    kind: Kind
    content_id: str
    title: str | None
    added_at: datetime

    def name(self, role: Role) -> Name:
        return Name(self.kind, self.content_id, role)


class Parts:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def add(self, kind: Kind, content_id: str, title: str | None) -> NumberedPart:
        """With the number that it has already, where it has one. Raise ValueError for what no provider could know."""
        if kind not in PART_ROLES:
            raise ValueError(f"Numbered so are {', '.join(PART_ROLES)}.")
        Subject.parse(kind, content_id)
        same = (_columns.kind == kind.value) & (_columns.content_id == content_id)
        new = {"kind": kind.value, "content_id": content_id, "title": title, "added_at": self._now()}

        async def writing(connection: AsyncConnection) -> NumberedPart:
            row = (await connection.execute(select(numbered_parts).where(same))).first()
            if row is None:
                await connection.execute(insert(numbered_parts).values(**new))
            elif title is not None and title != row.title:
                await connection.execute(update(numbered_parts).where(same).values(title=title))
            return _part((await connection.execute(select(numbered_parts).where(same))).one())

        return await self._database.write(writing)

    async def get(self, number: int, kind: Kind | None = None) -> NumberedPart | None:
        query = select(numbered_parts).where(_columns.id == number)
        found = await self._database.rows(query, _part, of=numbered_parts, limit=1)
        return next((part for part in found if kind in (None, part.kind)), None)

    async def page(self, kind: Kind | None, *, limit: int, offset: int) -> tuple[int, Sequence[NumberedPart]]:
        """How many there are of a kind, or of all; and some of them, the newest first."""
        chosen = [] if kind is None else [_columns.kind == kind.value]
        counted = select(func.count()).select_from(numbered_parts).where(*chosen)
        query = select(numbered_parts).where(*chosen).order_by(_columns.id.desc())

        async def reading(connection: AsyncConnection) -> int:
            return int((await connection.execute(counted)).scalar_one())

        total = await self._database.read(reading)
        return total, await self._database.rows(query, _part, of=numbered_parts, limit=limit, offset=offset)

    async def remove(self, number: int) -> bool:
        """False: there was none."""
        statement = delete(numbered_parts).where(_columns.id == number)

        async def writing(connection: AsyncConnection) -> bool:
            return (await connection.execute(statement)).rowcount > 0

        return await self._database.write(writing)


def _part(row: Row[Any]) -> NumberedPart:
    return NumberedPart(row.id, Kind(row.kind), row.content_id, row.title, row.added_at)
