"""The whole database from one engine to another: every row and every number that was ever given, or nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.enricher.account import tables as _of_the_account
from services.enricher.characters import tables as _of_characters
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseRefused
from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.database.schema import metadata
from services.enricher.finder import tables as _of_the_finder
from services.enricher.keeper import tables as _of_the_keeper
from services.enricher.library import tables as _of_the_library
from services.enricher.streamers import tables as _of_streamers
from services.enricher.studio import tables as _of_the_studio
from services.enricher.tasks import rows as _of_tasks
from services.enricher.uploads import tables as _of_uploads

ALL_TABLES = (
    _of_the_account,
    _of_characters,
    _of_the_finder,
    _of_the_keeper,
    _of_the_library,
    _of_streamers,
    _of_the_studio,
    _of_tasks,
    _of_uploads,
)
"""Loaded, they are in `metadata`: what is not is left behind, without a word."""

ROWS_AT_ONCE, HEAVY_AT_ONCE = 500, 5
"""The second where a row may hold a picture."""

OnRows = Callable[[int], object]


def _unwatched(_rows: int) -> None:
    pass


async def copy_database(
    source: DatabaseSettings, target: DatabaseSettings, *, state_dir: Path, on_rows: OnRows = _unwatched
) -> int:
    """How many rows there are in the other database now, which had none. `on_rows` hears of each batch.

    Raises DatabaseRefused for a target that has rows, and while an enricher has either.
    """
    async with (
        open_database(source, state_dir=state_dir, alone=True) as here,
        open_database(target, state_dir=state_dir, alone=True) as there,
    ):
        return await _copied(here, there, on_rows)


async def _copied(source: Database, target: Database, on_rows: OnRows) -> int:
    async def writing(there: AsyncConnection) -> int:
        for table in metadata.sorted_tables:
            if (await there.execute(sa.select(sa.literal(1)).select_from(table).limit(1))).first():
                raise DatabaseRefused(f"The other database has rows in {table.name}: name one that is empty.")

        async def reading(here: AsyncConnection) -> int:
            rows = 0
            for table in metadata.sorted_tables:
                rows += await _table(here, there, table, on_rows)
            return rows

        return await source.read(reading)

    return await target.write(writing)


async def _table(here: AsyncConnection, there: AsyncConnection, table: sa.Table, on_rows: OnRows) -> int:
    key = list(table.primary_key)
    rows, after = 0, None
    while some := await _rows_after(here, table, key, after):
        await there.execute(sa.insert(table), [dict(row) for row in some])
        rows, after = rows + len(some), tuple(some[-1][column.name] for column in key)
        on_rows(len(some))
    if (last := await _last_given(here, table)) is not None:
        await _give_after(there, table, last)
    return rows


async def _rows_after(
    here: AsyncConnection, table: sa.Table, key: Sequence[sa.Column[Any]], after: tuple[Any, ...] | None
) -> Sequence[sa.RowMapping]:
    is_heavy = any(isinstance(column.type, sa.LargeBinary) for column in table.columns)
    query = sa.select(table).order_by(*key).limit(HEAVY_AT_ONCE if is_heavy else ROWS_AT_ONCE)
    if after is not None:
        given = [sa.literal(value, column.type) for column, value in zip(key, after, strict=True)]
        query = query.where(sa.tuple_(*key) > sa.tuple_(*given))
    return (await here.execute(query)).mappings().all()


async def _last_given(here: AsyncConnection, table: sa.Table) -> int | None:
    """The last number that was given to a row, be it there or not; None: of a table that gives none."""
    if not _gives_numbers(table):
        return None
    if here.dialect.name == "sqlite":
        asked = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        found: int | None = (await here.execute(asked, {"name": table.name})).scalar()
    else:
        asked = sa.text(
            "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence(:name, 'id') AS regclass))"
        )
        found = (await here.execute(asked, {"name": table.name})).scalar()
    highest: int | None = (await here.execute(sa.select(sa.func.max(table.c.id)))).scalar()
    return max(found or 0, highest or 0) or None


async def _give_after(there: AsyncConnection, table: sa.Table, last: int) -> None:
    if there.dialect.name == "sqlite":
        for statement in (
            "DELETE FROM sqlite_sequence WHERE name = :name",
            "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)",
        ):
            await there.execute(sa.text(statement), {"name": table.name, "last": last})
    else:
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        await there.execute(sa.select(sa.func.setval(sequence, last)))


def _gives_numbers(table: sa.Table) -> bool:
    return table.autoincrement_column is not None
