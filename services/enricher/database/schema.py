"""What all tables have in common, on SQLite and on PostgreSQL: types of columns, sums, and rows in place of others."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.statements import Statement

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Of all tables, which each wing defines for itself, as the latest migration leaves them."""

Number = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
"""Of up to 64 bits, as every integer of SQLite's is. Also an id: SQLite wants INTEGER there."""


class Moment(sa.TypeDecorator[datetime]):
    """Aware in the program, UTC in the database, which may forget zones as SQLite does."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Raise ValueError for a moment without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else value.replace(tzinfo=UTC)


class Words(sa.TypeDecorator[str]):
    """Text without NUL, which PostgreSQL has no room for: others' texts may have one."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value.replace("\0", "") if value else value


def whole_sum(numbers: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """PostgreSQL's own sum of such numbers is a decimal one."""
    return sa.cast(sa.func.sum(numbers), sa.BigInteger)


def replacing(table: sa.Table) -> Statement:
    """Puts a row with all columns of the table in place of the one that has the same key."""

    def on_postgresql() -> sa.Insert:
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - long to load, and seldom there

        return _upsert(postgresql.insert(table))

    return Statement(_upsert(sqlite.insert(table)), on_postgresql=on_postgresql)


async def replace_rows(
    connection: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """The same at once, within a transaction that does other things too."""
    await connection.execute(replacing(table).said_to(connection.dialect.name), rows)


def _upsert(inserted: Any) -> sa.Insert:
    table = inserted.table
    key = [column.name for column in table.primary_key]
    others = {column.name: inserted.excluded[column.name] for column in table.c if column.name not in key}
    replaced: sa.Insert = inserted.on_conflict_do_update(index_elements=key, set_=others)
    return replaced


def of_some_rows(condition: sa.TextClause) -> dict[str, Any]:
    """What makes an index one of some rows; on PostgreSQL only the migrations say it, for its dialect takes long to load."""
    return {"sqlite_where": condition}
