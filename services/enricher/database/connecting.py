"""Connecting: to SQLite by aiosqlite, but with one visit to the connection's thread for a statement and all its rows.

A visit wakes the thread and then the event loop again, which costs more than most of our statements do. aiosqlite pays four
for a query: for a cursor, the statement, its rows, and the cursor's end. A transaction begins with its first statement.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from aiosqlite import Connection

CHUNK_ROWS = 64
"""aiosqlite's own; nothing here is read in chunks."""


class FrugalConnection(Connection):
    """What SQLAlchemy asks of a connection. Nothing begins a transaction but `begin_with`."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            lambda: sqlite3.connect(path, isolation_level=None, check_same_thread=False), CHUNK_ROWS
        )
        self._thread.daemon = True  # who ends without closing does not wait for it, as SQLAlchemy has it
        self._beginning: str | None = None

    def begin_with(self, statement: str) -> None:
        """Have it executed before the next statement, on the same visit."""
        self._beginning = statement

    def cursor(self) -> "_Cursor":  # type: ignore[override] # all that SQLAlchemy asks of one
        return _Cursor(self)

    async def commit(self) -> None:
        self._beginning = None
        if self.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        """Whatever comes back into the pool is rolled back: mostly there is nothing to."""
        self._beginning = None
        if self.in_transaction:
            await super().rollback()

    async def visit(self, cursor: "_Cursor", sql: str, parameters: Any, *, many: bool) -> None:
        beginning, self._beginning = self._beginning, None
        await self._execute(  # type: ignore[no-untyped-call]
            self._do, cursor, sql, parameters, many=many, beginning=beginning
        )

    def _do(self, cursor: "_Cursor", sql: str, parameters: Any, *, many: bool, beginning: str | None) -> None:
        if beginning:
            self._conn.execute(beginning).close()
        cursor.run(self._conn, sql, parameters, many=many)


async def connect(path: Path) -> Connection:
    return await FrugalConnection(path)


class _Cursor:
    """What became of a statement. Its rows are there as soon as it was executed."""

    def __init__(self, connection: FrugalConnection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    def run(self, connection: sqlite3.Connection, sql: str, parameters: Any, *, many: bool) -> None:
        """In the connection's thread."""
        with closing(connection.cursor()) as cursor:
            (cursor.executemany if many else cursor.execute)(sql, parameters)
            self._rows = cursor.fetchall()
            self.description, self.rowcount, self.lastrowid = (
                cursor.description,
                cursor.rowcount,
                cursor.lastrowid,
            )

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        await self._connection.visit(self, sql, parameters, many=False)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        await self._connection.visit(self, sql, parameters, many=True)
        return self

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        """It was, in the thread."""

    async def __aenter__(self) -> Self:
        return self
