"""Streamers, categories and streams as rows: what is known of each, and how a table of them is read and changed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.statements import DatabaseVisit, Statement
from services.enricher.finder.providers.twitch.client import sized
from services.enricher.streamers import naming
from shared.pictures import Name

COVER_SIZE, SMALL_COVER = (1200, 1600), (285, 380)
"""Box art as it is kept, and as it is wanted where nothing of ours is stored."""


ALL_AT_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Streamer:
    """The sources are Twitch's URLs. `trouble`: why Twitch says nothing of the streamer, a sentence."""

    id: int
    twitch_id: str | None
    login: str | None
    display_name: str | None
    description: str | None
    profile_source: str | None
    offline_source: str | None
    is_favorite: bool
    added_at: datetime
    seen_at: datetime
    checked_at: datetime | None
    trouble: str | None
    live_at: datetime | None

    @property
    def username(self) -> str:
        return self.display_name or self.login or f"{naming.TWITCHS}{self.twitch_id}"


@dataclass(frozen=True, slots=True)
class Category:
    id: int
    twitch_id: str | None
    name: str
    file_name: str
    slug: str
    cover_id: str
    box_art: str | None
    is_favorite: bool
    first_seen: datetime
    last_seen: datetime
    checked_at: datetime | None
    trouble: str | None

    @property
    def source(self) -> str | None:
        """Where its picture comes from."""
        return sized(self.box_art, *COVER_SIZE) if self.box_art else None

    @property
    def small_source(self) -> str | None:
        return sized(self.box_art, *SMALL_COVER) if self.box_art else None


@dataclass(frozen=True, slots=True)
class LiveStream:
    """A stream, live or long over. `thumbnail`: see the table."""

    id: int
    twitch_id: str | None
    streamer_id: int
    category_id: int | None
    title: str | None
    started_at: datetime
    ended_at: datetime | None
    artwork_source: str | None
    thumbnail: str | None


_Entry = TypeVar("_Entry")


class Rows(Generic[_Entry]):
    """One table's. Raises DatabaseUnavailable."""

    def __init__(
        self, database: Database, table: Table, entry: Callable[..., _Entry], columns: Sequence[str]
    ) -> None:
        """`columns`: what an entry is made of."""
        self._database = database
        self.table = table
        self._names = columns
        self._entry = entry
        self._changing: dict[tuple[str, ...], Statement] = {}
        self._adding: dict[tuple[str, ...], Statement] = {}

    def read(self, row: Row[Any]) -> _Entry:
        return self._entry(**{name: getattr(row, name) for name in self._names})

    async def some(
        self, *conditions: ColumnElement[bool], limit: int = ALL_AT_MOST, offset: int = 0
    ) -> Sequence[_Entry]:
        """Those of which all of this is true, the first ones that came here before the others."""
        query = select(self.table).where(*conditions).order_by(self.table.c.id)
        return await self._database.rows(query, self.read, of=self.table, limit=limit, offset=offset)

    async def one(self, *conditions: ColumnElement[bool]) -> _Entry | None:
        found = await self.some(*conditions, limit=1)
        return found[0] if found else None

    async def get(self, number: int) -> _Entry | None:
        return await self.one(self.table.c.id == number)

    async def count(self, *conditions: ColumnElement[bool]) -> int:
        counted = select(func.count()).select_from(self.table).where(*conditions)

        async def reading(connection: AsyncConnection) -> int:
            return int((await connection.execute(counted)).scalar_one())

        return await self._database.read(reading)

    async def change(self, number: int, **values: object) -> None:
        statement = update(self.table).where(self.table.c.id == number).values(**values)
        await self._database.write(lambda connection: connection.execute(statement))

    async def change_each(self, values: Mapping[int, Mapping[str, object]]) -> None:
        """By their numbers, in one transaction."""
        if values:
            await self._database.write_at_once(lambda visit: self.change_at_once(visit, values))

    def change_at_once(self, visit: DatabaseVisit, values: Mapping[int, Mapping[str, object]]) -> None:
        """The same within somebody's transaction."""
        alike: defaultdict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
        for number, said in values.items():
            alike[tuple(sorted(said))].append({"of_id": number, **_new(said)})
        for names, some in alike.items():
            visit.run(self._change_of(names), *some)

    def _change_of(self, names: tuple[str, ...]) -> Statement:
        if names not in self._changing:
            own = update(self.table).where(self.table.c.id == bindparam("of_id"))
            self._changing[names] = Statement(own.values(_news(names)))
        return self._changing[names]

    async def remove(self, number: int) -> bool:
        """False: there was none."""
        statement = delete(self.table).where(self.table.c.id == number)

        async def writing(connection: AsyncConnection) -> bool:
            return (await connection.execute(statement)).rowcount > 0

        return await self._database.write(writing)

    def add(self, visit: DatabaseVisit, **values: object) -> _Entry:
        """Within somebody's transaction."""
        names = tuple(sorted(values))
        if names not in self._adding:
            self._adding[names] = Statement(insert(self.table).values(_news(names)).returning(self.table))
        [row] = visit.rows(self._adding[names], _new(values))
        return self.read(row)


def _news(names: Iterable[str]) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(f"new_{name}") for name in names}


def _new(values: Mapping[str, object]) -> dict[str, object]:
    return {f"new_{name}": value for name, value in values.items()}


def columns_of(entry: type) -> Sequence[str]:
    return [field.name for field in fields(entry)]


@dataclass(frozen=True, slots=True)
class NewCategory:
    """`name` may be absent where Twitch's id is known: it is asked for the name."""

    name: str | None = None
    twitch_id: str | None = None
    box_art: str | None = None


@dataclass(frozen=True, slots=True)
class Thumbnail:
    stream: int
    taken_at: datetime
    source: str

    @property
    def moment(self) -> int:
        return naming.moment_of(self.taken_at)

    @property
    def name(self) -> Name:
        return naming.thumbnail_of(self.stream, self.taken_at)
