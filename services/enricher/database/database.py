"""The database as its users see it: one function of a connection is one transaction; small writes go together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import exc, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.pictures import FailureClass
from shared.volume import VolumeRefused


class DatabaseRefused(VolumeRefused):
    """The database cannot be used as it is; the text says what to change."""


class DatabaseUnavailable(Exception):
    """A transaction was not done: the disk is full, the file went away, too many waited."""

    failure_class = FailureClass.OURS


TURN_TIMEOUT_S = 30.0
"""Longer than this nobody waits for a reader, or for the writer."""

_UNAVAILABLE = ("08", "25", "40", "53", "55", "57", "58", "XX")
"""Classes of SQLSTATE that say nothing against the statement: no connection, no room, shut down, broken."""

Answer = TypeVar("Answer")
Work = Callable[[AsyncConnection], Awaitable[Answer]]


class Database:
    """Readers in parallel, each seeing one state; writers one after the other."""

    def __init__(
        self,
        *,
        reading: AsyncEngine,
        writing: AsyncEngine,
        under_way: set[asyncio.Task[object]] | None = None,
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._under_way: set[asyncio.Task[object]] = set() if under_way is None else under_way
        self._on_written = on_written

    @classmethod
    @asynccontextmanager
    async def over(cls, *, reading: AsyncEngine, writing: AsyncEngine) -> AsyncIterator[Self]:
        """Closed in order: what is under way is finished, then no thread or connection is left."""
        database = cls(reading=reading, writing=writing)
        try:
            yield database
        finally:
            await asyncio.gather(*database._under_way, return_exceptions=True)
            await reading.dispose()
            await writing.dispose()

    def watched(self, on_written: Callable[[], None]) -> Self:
        """The same database, telling of each transaction that was written through it."""
        return type(self)(
            reading=self._reading, writing=self._writing, under_way=self._under_way, on_written=on_written
        )

    async def read(self, work: Work[Answer]) -> Answer:
        """Raise DatabaseUnavailable where the database cannot be asked."""
        return await self._whole(_transaction(self._reading, work))

    async def write(self, work: Work[Answer]) -> Answer:
        """All of it or nothing. Raise DatabaseUnavailable where the database cannot be written."""
        return await self._whole(self._written(work))

    async def ping(self) -> None:
        await self.read(lambda connection: connection.execute(select(1)))

    async def _written(self, work: Work[Answer]) -> Answer:
        try:
            return await _transaction(self._writing, work)
        finally:  # also where it failed at its end, and nobody knows what became of it
            self._on_written()

    async def _whole(self, transaction: Coroutine[Any, Any, Answer]) -> Answer:
        # A driver that is cancelled between two statements leaves its transaction open: nobody may cancel it.
        task = asyncio.create_task(transaction)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)


async def _transaction(engine: AsyncEngine, work: Work[Answer]) -> Answer:
    try:
        async with engine.begin() as connection:
            return await work(connection)
    except (exc.OperationalError, exc.InterfaceError) as error:
        raise DatabaseUnavailable(f"The database did not do what was asked: {error.orig}.") from error
    except exc.DBAPIError as error:
        if not _is_unavailable(error):  # a statement that is wrong is our mistake
            raise
        raise DatabaseUnavailable(f"The database cannot be read: {error.orig}.") from error
    except exc.TimeoutError as error:
        raise DatabaseUnavailable("Too many wait for the database.") from error
    except OSError as error:
        raise DatabaseUnavailable(f"The database cannot be reached: {error}.") from error


def _is_unavailable(error: exc.DBAPIError) -> bool:
    """SQLite has no class for a file that is broken, PostgreSQL's driver none for anything but wrong statements."""
    state = getattr(error.orig, "sqlstate", None)
    return type(error) is exc.DatabaseError if state is None else state.startswith(_UNAVAILABLE)


Item = TypeVar("Item")


class WriteBatch(Generic[Item]):
    """`write` gets what has come since it was last begun. One runs at a time."""

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[None]]) -> None:
        self._write = write
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
            items, self._next, self._round = self._next, [], None
            await self._write(items)
