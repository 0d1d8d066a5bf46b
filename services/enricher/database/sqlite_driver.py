"""SQLite's driver as it is asked here: a thread for each connection, and as few visits to it as can be."""

import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite

from services.enricher.database.statements import DatabaseVisit, Statement

Answer = TypeVar("Answer")
CHUNK_ROWS = 64
"""aiosqlite's own; nothing here is read in chunks."""


class FrugalConnection(aiosqlite.Connection):
    """What SQLAlchemy asks of a connection, and whole transactions. Nothing begins one but `begin`, as it was said to."""

    def __init__(self, path: Path, *, begin: str) -> None:
        super().__init__(
            lambda: sqlite3.connect(path, isolation_level=None, check_same_thread=False), CHUNK_ROWS
        )
        self._thread.daemon = True  # who ends without closing does not wait for it, as SQLAlchemy has it
        self._begin = begin
        self._beginning: str | None = None
        self._is_visited = False

    def begin(self) -> None:
        """Have a transaction begun before the next statement, on the same visit."""
        self._beginning = self._begin

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
        if self._is_visited:
            self._do(cursor, sql, parameters, many=many, beginning=beginning)
            return
        await self._execute(  # type: ignore[no-untyped-call]
            self._do, cursor, sql, parameters, many=many, beginning=beginning
        )

    def _do(self, cursor: "_Cursor", sql: str, parameters: Any, *, many: bool, beginning: str | None) -> None:
        if beginning:
            self._start(beginning)
        cursor.run(self._conn, sql, parameters, many=many)

    async def within(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do the work in the connection's thread, all of its statements on one visit. It may wait for nothing else."""
        answer: Answer = await self._execute(self._run, work)  # type: ignore[no-untyped-call]
        return answer

    def _run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        self._is_visited = True
        try:
            work.send(None)
        except StopIteration as done:
            answer: Answer = done.value
            return answer
        finally:
            self._is_visited = False
            work.close()
        raise RuntimeError("What is done on one visit to the database waited for something else.")

    async def part(self, work: Callable[[DatabaseVisit], Answer]) -> Answer:
        """Of the transaction that was begun, in one visit. Raises what `work` does, and sqlite3's errors."""
        beginning, self._beginning = self._beginning, None
        if self._is_visited:
            return self._do_part(work, beginning)
        answer: Answer = await self._execute(self._do_part, work, beginning)  # type: ignore[no-untyped-call]
        return answer

    def _do_part(self, work: Callable[[DatabaseVisit], Answer], beginning: str | None) -> Answer:
        if beginning:
            self._start(beginning)
        return work(SqliteVisit(self._conn))

    async def at_once(self, work: Callable[[DatabaseVisit], Answer]) -> Answer:
        """One transaction in one visit to the connection's thread. Raises what `work` does, and sqlite3's errors."""
        answer: Answer = await self._execute(self._transaction, work)  # type: ignore[no-untyped-call]
        return answer

    def _transaction(self, work: Callable[[DatabaseVisit], Answer]) -> Answer:
        connection = self._conn
        self._start(self._begin)
        try:
            answer = work(SqliteVisit(connection))
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        return answer

    def _start(self, begin: str) -> None:
        """In the connection's thread. The pool looks at nothing that comes back: one whose end had failed is over now."""
        if self._conn.in_transaction:
            self._conn.rollback()
        self._conn.execute(begin).close()


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


class SqliteVisit:
    """In the connection's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: Statement, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        asked = statement.on_sqlite
        with closing(self._connection.execute(asked.sql, asked.values(values or {}))) as found:
            return list(map(asked.row, found.fetchall()))

    def run(self, statement: Statement, *values: Mapping[str, Any]) -> int:
        asked = statement.on_sqlite
        with closing(self._connection.executemany(asked.sql, map(asked.values, values))) as changed:
            return changed.rowcount
