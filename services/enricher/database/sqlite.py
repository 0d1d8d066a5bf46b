"""The database in a file of SQLite: one writer, one thread for each connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from pydantic import Field
from sqlalchemy import URL, Connection, event, exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from services.enricher.database.connecting import FrugalConnection, connect
from services.enricher.database.database import TURN_TIMEOUT_S, Database, DatabaseRefused
from services.enricher.database.migrations import upgrade
from shared.locks import sole_owner
from shared.settings import Settings
from shared.telemetry import Metrics
from shared.volume import check_local


class DatabaseSettings(Settings):
    url: str | None = Field(None, validation_alias="DATABASE_URL")
    """`sqlite:` and a file, or `postgresql://user:password@host/name`; None: a file in the state directory."""


READERS = 4
"""Threads that read at once; further readers wait for one of them."""

EVERYBODY = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_mode = WAL",
    # FULL: what was acknowledged because it is stored survives a power cut.
    "PRAGMA synchronous = FULL",
)


@asynccontextmanager
async def open_sqlite(path: Path, *, metrics: Metrics | None = None) -> AsyncIterator[Database]:
    """The database in the file at `path`, made if it is not there.

    Raises DatabaseRefused on a network file system, while another process has the file, and for a file that is
    no database of this version or an earlier one.
    """
    check_local(path.parent, setting="DATABASE_URL")
    path.parent.mkdir(parents=True, exist_ok=True)
    refusal = DatabaseRefused(
        f"Another process already has the database {path}: one queue has one enricher, "
        "which keeps what it knows in STATE_DIR or DATABASE_URL. Stop the other one."
    )
    with sole_owner(path, refusal=refusal):
        writing = _engine(path, connections=1, begin="BEGIN IMMEDIATE", pragmas=EVERYBODY)
        reading = _engine(
            path, connections=READERS, begin="BEGIN", pragmas=(*EVERYBODY, "PRAGMA query_only = ON")
        )
        async with Database.over(reading=reading, writing=writing, metrics=metrics) as database:
            await _upgrade(writing, path)
            yield database


async def _upgrade(engine: AsyncEngine, path: Path) -> None:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    except exc.DatabaseError as error:
        raise DatabaseRefused(f"The database {path} cannot be used: {error.orig}.") from error


def _engine(path: Path, *, connections: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        async_creator=partial(connect, path),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=TURN_TIMEOUT_S,
        hide_parameters=True,  # what is stored does not belong in logs
    )

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    def begun(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, FrugalConnection)
        driver.begin_with(begin)

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begun)
    return engine
