"""SQLAlchemy's engines and connections, awaited: what is needed here of `sqlalchemy.ext.asyncio`, which loads the ORM besides."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple, overload

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Dialect,
    Engine,
    Executable,
    PoolProxiedConnection,
    QueuePool,
    create_engine,
)
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.util import greenlet_spawn

from services.enricher.database.sqlite_driver import FrugalConnection
from services.enricher.database.statements import DatabaseVisit, EngineVisit

Columns = TypeVarTuple("Columns")
Answer = TypeVar("Answer")
Values = Sequence[Mapping[str, Any]] | Mapping[str, Any]


class AsyncConnection:
    def __init__(self, sync: Connection) -> None:
        self._sync = sync

    @property
    def dialect(self) -> Dialect:
        return self._sync.dialect

    @property
    def driver(self) -> Any:
        """The driver's own connection."""
        return self._sync.connection.driver_connection

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*Columns], values: Values | None = None
    ) -> CursorResult[*Columns]: ...

    @overload
    async def execute(
        self, statement: Executable, values: Values | None = None
    ) -> CursorResult[*tuple[Any, ...]]: ...

    async def execute(self, statement: Any, values: Values | None = None) -> Any:
        return await greenlet_spawn(self._sync.execute, statement, values)

    async def run_sync(self, work: Callable[..., Answer], *given: Any) -> Answer:
        """`work` of SQLAlchemy's connection, and of what is given."""
        return await greenlet_spawn(work, self._sync, *given)

    async def at_once(self, work: Callable[[DatabaseVisit], Answer]) -> Answer:
        """A part of the transaction in one go, of statements that are asked often."""
        if isinstance(driver := self.driver, FrugalConnection):
            return await driver.part(work)
        return await greenlet_spawn(lambda: work(EngineVisit(self._sync)))

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        transaction = await greenlet_spawn(self._sync.begin)
        try:
            yield
        except BaseException as error:
            await greenlet_spawn(transaction.__exit__, type(error), error, error.__traceback__)
            raise
        await greenlet_spawn(transaction.__exit__, None, None, None)

    async def close(self) -> None:
        await greenlet_spawn(self._sync.close)


class AsyncEngine:
    def __init__(self, sync: Engine) -> None:
        self.sync = sync

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction, committed with the end of the block or rolled back."""
        connection = await self.connect()
        try:
            async with connection.begin():
                yield connection
        finally:
            await connection.close()

    async def connect(self, **options: Any) -> AsyncConnection:
        """`options` of its execution. Whoever asks closes it."""
        connection = await greenlet_spawn(self.sync.connect)
        if options:
            await greenlet_spawn(connection.execution_options, **options)
        return AsyncConnection(connection)

    async def raw_connection(self) -> PoolProxiedConnection:
        return await greenlet_spawn(self.sync.raw_connection)

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Any]:
        """The driver's connection, for whoever leaves no transaction open. One that is idle is had without a greenlet."""
        try:
            pool = self.sync.pool
            idle = isinstance(pool, QueuePool) and pool.checkedin() > 0
            pooled = self.sync.raw_connection() if idle else await self.raw_connection()
        except MissingGreenlet:  # it was given up, and has to be opened anew
            pooled = await self.raw_connection()
        try:
            yield pooled.driver_connection
        finally:
            pooled.close()

    async def dispose(self) -> None:
        await greenlet_spawn(self.sync.dispose)


def open_engine(
    url: URL, *, connecting: Callable[[], Awaitable[Any]] | None = None, **options: Any
) -> AsyncEngine:
    """`connecting` makes the driver's connections. Raises ModuleNotFoundError where the driver is not installed."""

    def creator() -> Any:
        return engine.dialect.dbapi.connect(async_creator_fn=connecting)  # type: ignore[union-attr] # it has one

    if connecting:
        options["creator"] = creator
    engine = create_engine(url, _is_async=True, **options)
    return AsyncEngine(engine)
