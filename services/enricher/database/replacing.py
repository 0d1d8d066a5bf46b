"""Putting rows in place of those that have the same key: each engine has its own statement for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


async def replace_rows(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with all columns of the table."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    inserted = insert(table)
    key = [column.name for column in table.primary_key]
    others = {column.name: inserted.excluded[column.name] for column in table.c if column.name not in key}
    await connection.execute(inserted.on_conflict_do_update(index_elements=key, set_=others), rows)
