"""The database as its users see it: one function of a connection is one transaction; small writes go together."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

import structlog
from cachetools import TTLCache
from sqlalchemy import Connection, Row, Select, Table, exc, literal, select

from services.enricher.database.connection import AsyncConnection, AsyncEngine
from services.enricher.database.sharing import ALONE, OnWritten, OutdatedProcess, Sharing, Turns
from services.enricher.database.sqlite_driver import FrugalConnection
from services.enricher.database.statements import DatabaseVisit, EngineVisit, Statement
from shared.pictures import FailureClass
from shared.telemetry import Metrics
from shared.volume import VolumeRefused


class DatabaseRefused(VolumeRefused):
    """The database cannot be used as it is; the text says what to change."""


class DatabaseUnavailable(Exception):
    """A transaction was not done: the disk is full, the file went away, too many waited."""

    failure_class = FailureClass.OURS


UNREADABLE_TOLD_EVERY_S = 3600.0
"""Of each table. All are counted."""

_log = structlog.get_logger()
TURN_TIMEOUT_S = 30.0
"""Longer than this nobody waits for a reader, or for the writer."""

_UNAVAILABLE = ("08", "25", "40", "53", "55", "57", "58", "XX")
"""Classes of SQLSTATE that say nothing against the statement: no connection, no room, shut down, broken."""

Answer = TypeVar("Answer")
Work = Callable[[AsyncConnection], Coroutine[Any, Any, Answer]]
WorkAtOnce = Callable[[DatabaseVisit], Answer]


class UnreadableRows:
    """Rows that nothing here can make sense of, as another version may have left them: told, counted, and passed over."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics
        self._told: TTLCache[str, None] = TTLCache(100, ttl=UNREADABLE_TOLD_EVERY_S)

    def without(
        self, rows: Iterable[Row[Any]], read: Callable[[Row[Any]], Answer], *, of: Table
    ) -> list[Answer]:
        """The others, each as `read` makes it."""
        readable = []
        for row in rows:
            try:
                readable.append(read(row))
            except (ValueError, LookupError, TypeError) as error:
                self._pass_over(of.name, error)
        return readable

    def _pass_over(self, table: str, error: Exception) -> None:
        if self._metrics:
            self._metrics.unreadable_rows.labels(table).inc()
        if table not in self._told:
            self._told[table] = None
            _log.error("rows passed over that cannot be read", table=table, error=str(error)[:300])


@dataclass(frozen=True, slots=True)
class Engines:
    """What a database is reached by. `beside` writes what waits for no other writer, `turns` are those of the writers; None: the
    engine has them itself.
    """

    reading: AsyncEngine
    writing: AsyncEngine
    beside: AsyncEngine | None = None
    turns: Turns | None = None
    sharing: Sharing = ALONE

    async def dispose(self) -> None:
        for engine in (self.reading, self.writing, self.beside):
            if engine:
                await engine.dispose()


class Database:
    """Readers in parallel, each seeing one state; writers one after the other, in whichever process."""

    def __init__(
        self,
        engines: Engines,
        *,
        topic: str | None = None,
        under_way: set[asyncio.Task[object]] | None = None,
        on_written: OnWritten = lambda: None,
        unreadable: UnreadableRows | None = None,
    ) -> None:
        self._engines = engines
        self._topic = topic
        self._unreadable = unreadable or UnreadableRows()
        self._under_way: set[asyncio.Task[object]] = set() if under_way is None else under_way
        self._on_written = on_written

    @classmethod
    @asynccontextmanager
    async def over(cls, engines: Engines, *, metrics: Metrics | None = None) -> AsyncIterator[Self]:
        """Closed in order: what is under way is finished, then no thread or connection is left."""
        database = cls(engines, unreadable=UnreadableRows(metrics))
        try:
            yield database
        finally:
            await asyncio.gather(*database._under_way, return_exceptions=True)
            await engines.dispose()

    @property
    def sharing(self) -> Sharing:
        """With the other processes that have the same database."""
        return self._engines.sharing

    @asynccontextmanager
    async def exclusively(self, what: str) -> AsyncIterator[None]:
        """No other process does the same within. Raise DatabaseUnavailable where another one does not come to an end for a
        minute.
        """
        async with AsyncExitStack() as stack:
            await _translated(stack.enter_async_context(self.sharing.exclusively(what)))
            yield

    def watched(self, on_written: OnWritten, *, topic: str) -> Self:
        """The same database, telling of each transaction that was written through it, or through another process's of the
        same topic.
        """
        self.sharing.watch(topic, on_written)
        return type(self)(
            self._engines,
            topic=topic,
            under_way=self._under_way,
            on_written=on_written,
            unreadable=self._unreadable,
        )

    def beside(self, what: str) -> Self:
        """The same database for short writes that wait for none but those of the same name."""
        engines = self._engines
        if not engines.beside or not engines.turns:
            return self
        others = replace(engines, writing=engines.beside, turns=engines.turns.of(what))
        return type(self)(others, under_way=self._under_way, unreadable=self._unreadable)

    async def read(self, work: Work[Answer]) -> Answer:
        """Raise DatabaseUnavailable where the database cannot be asked."""
        return await self._whole(_translated(_transaction(self._engines.reading, work)))

    async def read_at_once(self, work: WorkAtOnce[Answer]) -> Answer:
        """The same in one go, of statements that are asked often."""
        return await self._whole(_translated(_at_once(self._engines.reading, work)))

    async def rows(
        self,
        query: Select[Any],
        read: Callable[[Row[Any]], Answer],
        *,
        of: Table,
        offset: int = 0,
        limit: int,
    ) -> list[Answer]:
        """The rows after the offset, as `read` makes them. Those are passed over for which it raises ValueError, LookupError
        or TypeError; however many they are, others come in their place.
        """

        async def reading(connection: AsyncConnection) -> list[Answer]:
            readable: list[Answer] = []
            begin = offset
            while len(readable) < limit:
                some = (await connection.execute(query.offset(begin).limit(limit))).all()
                readable += self._unreadable.without(some, read, of=of)
                begin += limit
                if len(some) < limit:
                    break
            return readable[:limit]

        return await self.read(reading)

    async def write(self, work: Work[Answer]) -> Answer:
        """All of it or nothing. Raise DatabaseUnavailable where the database cannot be written."""
        return await self._whole(self._written(_transaction(self._engines.writing, self._in_turn(work))))

    async def read_on_one_visit(self, work: Work[Answer]) -> Answer:
        """As `read`, for work of many statements that waits for nothing else: a thread is woken once for all of them."""
        return await self._whole(_translated(_on_one_visit(self._engines.reading, work)))

    async def write_on_one_visit(self, work: Work[Answer]) -> Answer:
        """As `write`, in the same way."""
        return await self._whole(self._written(_on_one_visit(self._engines.writing, self._in_turn(work))))

    async def write_at_once(self, work: WorkAtOnce[Answer]) -> Answer:
        """The same in one go, of statements that are asked often."""
        writing = _at_once(self._engines.writing, work, self._engines.turns, self._topic)
        return await self._whole(self._written(writing))

    async def check(self) -> None:
        """Raise OutdatedProcess where this process can write no more."""
        self.sharing.check()

    async def ping(self) -> None:
        await self.read_at_once(lambda visit: visit.rows(_ONE))

    def readable(self, rows: Iterable[Any], read: Callable[[Any], Answer], *, of: Table) -> list[Answer]:
        """As `rows` has it, of rows that were read at once."""
        return self._unreadable.without(rows, read, of=of)

    def _in_turn(self, work: Work[Answer]) -> Work[Answer]:
        turns = self._engines.turns
        if turns is None:
            return work

        async def writing(connection: AsyncConnection) -> Answer:
            await connection.run_sync(turns.begin)
            answer = await work(connection)
            if self._topic:
                await connection.run_sync(turns.tell, self._topic)
            return answer

        return writing

    async def _written(self, transaction: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return await _translated(transaction)
        finally:  # also where it failed at its end, and nobody knows what became of it
            self._on_written()

    async def _whole(self, transaction: Coroutine[Any, Any, Answer]) -> Answer:
        # A driver that is cancelled between two statements leaves its transaction open: nobody may cancel it.
        task = asyncio.create_task(transaction)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)


_ONE = Statement(select(literal(1)))


async def _transaction(engine: AsyncEngine, work: Work[Answer]) -> Answer:
    async with engine.begin() as connection:
        return await work(connection)


async def _on_one_visit(engine: AsyncEngine, work: Work[Answer]) -> Answer:
    async with engine.begin() as connection:
        driver = connection.driver
        return await (
            driver.within(work(connection)) if isinstance(driver, FrugalConnection) else work(connection)
        )


async def _at_once(
    engine: AsyncEngine, work: WorkAtOnce[Answer], turns: Turns | None = None, topic: str | None = None
) -> Answer:
    """Without SQLAlchemy's connection where the driver can do without."""
    if engine.sync.dialect.name != "sqlite":

        def visiting(connection: Connection) -> Answer:
            if turns:
                turns.begin(connection)
            answer = work(EngineVisit(connection))
            if turns and topic:
                turns.tell(connection, topic)
            return answer

        async with engine.begin() as connection:
            return await connection.run_sync(visiting)
    async with engine.driver() as driver:
        assert isinstance(driver, FrugalConnection)
        return await driver.at_once(work)


async def _translated(transaction: Awaitable[Answer]) -> Answer:
    """Raise DatabaseUnavailable for whatever says nothing against the statements."""
    try:
        return await transaction
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise DatabaseUnavailable(f"The database did not do what was asked: {error.orig}.") from error
    except (sqlite3.OperationalError, sqlite3.InterfaceError) as error:
        raise DatabaseUnavailable(f"The database did not do what was asked: {error}.") from error
    except (exc.DBAPIError, sqlite3.DatabaseError) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        if not _is_unavailable(error):  # a statement that is wrong is our mistake
            raise
        raise DatabaseUnavailable(f"The database cannot be read: {cause}.") from error
    except OutdatedProcess as error:
        raise DatabaseUnavailable(str(error)) from error
    except exc.TimeoutError as error:
        raise DatabaseUnavailable("Too many wait for the database.") from error
    except OSError as error:
        raise DatabaseUnavailable(f"The database cannot be reached: {error}.") from error


def _is_unavailable(error: exc.DBAPIError | sqlite3.DatabaseError) -> bool:
    """SQLite has no class for a file that is broken, PostgreSQL's driver none for anything but wrong statements."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return (
        type(error) in {exc.DatabaseError, sqlite3.DatabaseError}
        if state is None
        else state.startswith(_UNAVAILABLE)
    )


Item = TypeVar("Item")


class WriteBatch(Generic[Item]):
    """`write` gets what has come since it was last begun. One runs at a time, and waits `gathers_s` for more to come."""

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[None]], *, gathers_s: float = 0.0) -> None:
        self._write = write
        self._gathers_s = gathers_s
        self._next: list[Item] = []
        self._round: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def join(self, item: Item) -> None:
        """Return when it was written, with others. Raises what writing them raised."""
        if self._round is None:
            self._round = asyncio.create_task(self._run(), name="a round of writing")
        self._next.append(item)
        await asyncio.shield(self._round)

    async def _run(self) -> None:
        async with self._turn:
            await asyncio.sleep(self._gathers_s)
            items, self._next, self._round = self._next, [], None
            await self._write(items)
