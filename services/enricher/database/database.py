"""One transaction for each thing asked, done whole whether or not somebody still waits for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from sqlalchemy import exc, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.enricher.database.errors import DatabaseUnavailable

Answer = TypeVar("Answer")
Work = Callable[[AsyncConnection], Awaitable[Answer]]


class Database:
    """Readers in parallel, each seeing one state; writers one after the other."""

    def __init__(self, *, reading: AsyncEngine, writing: AsyncEngine) -> None:
        self._reading = reading
        self._writing = writing
        self._under_way: set[asyncio.Task[object]] = set()

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

    async def read(self, work: Work[Answer]) -> Answer:
        """Raise DatabaseUnavailable where the database cannot be asked."""
        return await self._whole(self._reading, work)

    async def write(self, work: Work[Answer]) -> Answer:
        """All of it or nothing. Raise DatabaseUnavailable where the database cannot be written."""
        return await self._whole(self._writing, work)

    async def ping(self) -> None:
        await self.read(lambda connection: connection.execute(select(1)))

    async def _whole(self, engine: AsyncEngine, work: Work[Answer]) -> Answer:
        # A driver that is cancelled between two statements leaves its transaction open: nobody may cancel it.
        task = asyncio.create_task(_transaction(engine, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)


async def _transaction(engine: AsyncEngine, work: Work[Answer]) -> Answer:
    try:
        async with engine.begin() as connection:
            return await work(connection)
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise DatabaseUnavailable(f"The database did not do what was asked: {error}") from error
