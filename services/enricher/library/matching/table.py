"""The table `unmatched_items`: what was found for titles for which no answer was clearly right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.database import Database
from services.enricher.library.item import MediaType
from services.enricher.library.matching.candidate import Candidate
from services.enricher.library.tables import media_items, unmatched_items

_columns = unmatched_items.c
_without_ids = (
    media_items.c.imdb_id.is_(None),
    media_items.c.tmdb_id.is_(None),
    media_items.c.tvdb_id.is_(None),
)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A title of the library that an operator has to choose for."""

    id: int
    title: str
    media_type: MediaType
    year: int | None
    full_path: str | None
    looked_at: datetime
    candidates: tuple[Candidate, ...]


class UnmatchedTable:
    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def page(self, limit: int, offset: int) -> tuple[int, Sequence[Unmatched]]:
        """How many there are, and some of them, the newest items first."""
        items = media_items.c
        joined = unmatched_items.join(media_items, items.id == _columns.item_id)
        wanted = (
            select(items.id, items.title, items.media_type, items.year, items.full_path, *unmatched_items.c)
            .select_from(joined)
            .where(*_without_ids)
            .order_by(items.id.desc())
            .limit(limit)
            .offset(offset)
        )
        counted = select(func.count()).select_from(joined).where(*_without_ids)

        async def reading(connection: AsyncConnection) -> tuple[int, Sequence[Unmatched]]:
            total = (await connection.execute(counted)).scalar_one()
            rows = (await connection.execute(wanted)).all()
            return total, [
                Unmatched(
                    row.id,
                    row.title,
                    MediaType(row.media_type),
                    row.year,
                    row.full_path,
                    row.looked_at,
                    tuple(map(Candidate.model_validate, row.candidates)),
                )
                for row in rows
            ]

        return await self._database.read(reading)

    async def looked_at(self, item_id: int) -> datetime | None:
        """When it was searched for in vain."""
        asked = select(_columns.looked_at).where(_columns.item_id == item_id)

        async def reading(connection: AsyncConnection) -> datetime | None:
            return (await connection.execute(asked)).scalar()

        return await self._database.read(reading)

    async def note(self, item_id: int, candidates: Sequence[Candidate]) -> None:
        row = {
            "item_id": item_id,
            "candidates": [one.model_dump(mode="json") for one in candidates],
            "looked_at": self._now(),
        }

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(delete(unmatched_items).where(_columns.item_id == item_id))
            await connection.execute(insert(unmatched_items), [row])

        await self._database.write(writing)

    async def forget(self, item_id: int) -> None:
        gone = delete(unmatched_items).where(_columns.item_id == item_id)
        await self._database.write(lambda connection: connection.execute(gone))
