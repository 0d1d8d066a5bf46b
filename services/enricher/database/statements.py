"""Statements that are asked all the time: compiled once, and asked of the driver with nothing between.

What SQLAlchemy does for each execution (build the expression, find it among the compiled ones, switch greenlets,
make a result) takes some twenty times as long as SQLite takes to answer. Such a statement is a constant instead, whose
values have names:

    OF_NAME = Statement(select(artwork).where(artwork.c.kind == bindparam("kind"), ...))

    known = await database.read_at_once(lambda visit: visit.rows(OF_NAME, kind="movie", ...))
"""

from bisect import bisect_left
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import BindParameter, Connection, Delete, Dialect, Insert, Select, Update, bindparam
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows

_DIALECT: Dialect = SQLiteDialect_pysqlite(paramstyle="named")

_Core = Select[*tuple[Any, ...]] | Insert | Update | Delete
Convert = Callable[[Any], Any]


class Statement:
    """`on_postgresql` makes it as it is said there, where that differs."""

    def __init__(self, statement: _Core, *, on_postgresql: Callable[[], _Core] | None = None) -> None:
        self._statement = statement
        self._on_postgresql = on_postgresql

    @cached_property
    def by_engine(self) -> _Core:
        return self._on_postgresql() if self._on_postgresql else self._statement

    def said_to(self, dialect: str) -> _Core:
        """As SQLAlchemy executes it there."""
        return self.by_engine if dialect == "postgresql" else self._statement

    @cached_property
    def on_sqlite(self) -> "SqliteStatement":
        return SqliteStatement(self._statement)


class SqliteStatement:
    """Its SQL, how its values become SQLite's, and how its rows become ours."""

    def __init__(self, statement: _Core) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        columns = statement.exported_columns.items() if isinstance(statement, ReturnsRows) else []
        self.sql = str(compiled)
        self._written = {
            name: convert
            for name, parameter in compiled.binds.items()
            if (convert := parameter.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
        }
        self._read = [
            (place, convert)
            for place, (_, column) in enumerate(columns)
            if (convert := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
        ]
        self._row = _row_of([str(name) for name, _ in columns])
        binds, given = compiled.binds, compiled.params
        self._given = {name: value for name, value in given.items() if not binds[name].required}
        self._given = self.values(self._given)

    def values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As SQLite's driver takes them."""
        written = {**self._given, **values}
        for name, convert in self._written.items():
            if name in values:
                written[name] = convert(values[name])
        return written

    def row(self, found: tuple[Any, ...]) -> Any:
        """With its columns by name."""
        read = list(found)
        for place, convert in self._read:
            read[place] = convert(read[place])
        return self._row(read)


def _row_of(names: Sequence[str]) -> Convert:
    row: Any = namedtuple("row", names, rename=True)  # type: ignore[misc] # noqa: PYI024 - of whatever statement
    make: Convert = row._make
    return make


SIZES = (1, 8, 64, 512, 4096)
"""Of the lists that statements are compiled with; what lacks is filled up with the last value once more."""


class StatementOfSome:
    """A statement with a list of `SIZES[-1]` values at most in it, made by `build` from what stands for them."""

    def __init__(self, build: Callable[[Sequence[BindParameter[Any]]], _Core]) -> None:
        self._build = build
        self._built: dict[int, Statement] = {}

    def of(self, values: Sequence[Any]) -> tuple[Statement, dict[str, Any]]:
        """The statement, and its values by their names. At least one."""
        size = SIZES[bisect_left(SIZES, len(values))]
        names = [f"one_{number}" for number in range(size)]
        if size not in self._built:
            self._built[size] = Statement(self._build([bindparam(name) for name in names]))
        filled = [*values, *[values[-1]] * (size - len(values))]
        return self._built[size], dict(zip(names, filled, strict=True))


class DatabaseVisit(Protocol):
    """What a function may ask within its transaction. It runs where the connection is, and must do nothing else."""

    def rows(self, statement: Statement, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """All that it finds, their columns by name."""

    def run(self, statement: Statement, *values: Mapping[str, Any]) -> int:
        """Once with each; of a single one: how many rows it changed."""


class EngineVisit:
    """By way of SQLAlchemy, for engines whose driver is not blocking."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: Statement, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        return self._connection.execute(statement.by_engine, values or {}).all()

    def run(self, statement: Statement, *values: Mapping[str, Any]) -> int:
        some = values[0] if len(values) == 1 else list(values)
        return self._connection.execute(statement.by_engine, some).rowcount if some else 0
