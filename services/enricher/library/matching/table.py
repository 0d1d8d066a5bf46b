"""The table `unmatched_items`: candidates that were found for titles for which no answer was clearly right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, func, insert, select

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.library.item import ItemIds, MediaType
from services.enricher.library.same_title import plain
from services.enricher.library.tables import media_items, unmatched_items

FAR_AHEAD = 5
"""Times as popular as the next one."""

YEARS_BESIDE = 1
"""A title's first showing and its release may lie in different years."""


class MatchCandidate(BaseModel):
    """`popularity` compares only with others of its provider; `also` are other titles that it is known by."""

    model_config = ConfigDict(frozen=True)

    provider: str
    title: str
    also: tuple[str, ...] = ()
    year: int | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None
    tvdb_id: int | None = None
    popularity: float = 0
    overview: str | None = None

    @property
    def ids(self) -> ItemIds:
        return ItemIds(self.imdb_id, self.tmdb_id, self.tvdb_id)

    def is_called(self, title: str) -> bool:
        return plain(title) in {plain(one) for one in (self.title, *self.also)}

    def fits(self, year: int | None) -> bool:
        """Every year fits where none is known."""
        return year is None or (self.year is not None and abs(self.year - year) <= YEARS_BESIDE)


def clearly_right(
    candidates: Sequence[MatchCandidate], title: str, year: int | None
) -> MatchCandidate | None:
    """None where nothing fits, or several may be meant."""
    fitting = [one for one in candidates if one.is_called(title) and one.fits(year)]
    if len(fitting) == 1:
        return fitting[0]
    fitting.sort(key=lambda one: one.popularity, reverse=True)
    if len(fitting) > 1 and fitting[0].popularity >= FAR_AHEAD * max(fitting[1].popularity, 0.1):
        return fitting[0]
    of_the_year = [one for one in fitting if year is not None and one.year == year]
    return of_the_year[0] if len(of_the_year) == 1 else None


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
    candidates: tuple[MatchCandidate, ...]


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
                    tuple(map(MatchCandidate.model_validate, row.candidates)),
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

    async def note(self, item_id: int, candidates: Sequence[MatchCandidate]) -> None:
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
