"""The engines under the database, by the scheme of its URL: SQLite with one writer and a thread for each connection, or PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import aiosqlite
from pydantic import Field
from sqlalchemy import URL, Connection, event, exc, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from services.enricher.database.connection import AsyncEngine, open_engine
from services.enricher.database.database import TURN_TIMEOUT_S, Database, DatabaseRefused
from services.enricher.database.migrations import bring_up_to_date
from services.enricher.database.sqlite_driver import FrugalConnection
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
        writing = _sqlite_engine(path, connections=1, begin="BEGIN IMMEDIATE", pragmas=EVERYBODY)
        reading = _sqlite_engine(
            path, connections=READERS, begin="BEGIN", pragmas=(*EVERYBODY, "PRAGMA query_only = ON")
        )
        async with Database.over(reading=reading, writing=writing, metrics=metrics) as database:
            await _upgrade(writing, path)
            yield database


async def _upgrade(engine: AsyncEngine, path: Path) -> None:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(bring_up_to_date)
    except exc.DatabaseError as error:
        raise DatabaseRefused(f"The database {path} cannot be used: {error.orig}.") from error


async def _connect(path: Path, begin: str) -> aiosqlite.Connection:
    return await FrugalConnection(path, begin=begin)


def _sqlite_engine(path: Path, *, connections: int, begin: str, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = open_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connecting=partial(_connect, path, begin),
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
        driver.begin()

    event.listen(engine.sync, "connect", connected)
    event.listen(engine.sync, "begin", begun)
    return engine


POSTGRESQL_READERS = 4
"""Connections that read at once; further readers wait for one of them."""

OWNER = 0x6F6E6573
"""The advisory lock that keeps a second process from the database. It ends with its holder's connection."""


@asynccontextmanager
async def open_postgresql(url: str, *, metrics: Metrics | None = None) -> AsyncIterator[Database]:
    """The database at `postgresql://user:password@host/name`, which has to be there.

    Raises DatabaseRefused where it cannot be reached, while another process has it, for one of a later version, and
    where asyncpg is not installed.
    """
    address = make_url(url).set(drivername="postgresql+asyncpg")
    try:
        engine = open_engine(address, poolclass=NullPool, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise DatabaseRefused(f"DATABASE_URL names PostgreSQL, but {error.name} is not installed.") from error
    async with (
        _sole_owner(engine),
        Database.over(
            reading=_postgresql_engine(
                address, connections=POSTGRESQL_READERS, isolation_level="REPEATABLE READ", read_only=True
            ),
            writing=_postgresql_engine(
                address, connections=1, isolation_level="READ COMMITTED", read_only=False
            ),
            metrics=metrics,
        ) as database,
    ):
        async with engine.begin() as connection:
            await connection.run_sync(bring_up_to_date)
        yield database


@asynccontextmanager
async def _sole_owner(engine: AsyncEngine) -> AsyncIterator[None]:
    """Raises DatabaseRefused when another process is it, or nobody can be."""
    shown = engine.sync.url.render_as_string()
    try:
        connection = await engine.connect(isolation_level="AUTOCOMMIT")
    except (exc.DBAPIError, OSError) as error:
        raise DatabaseRefused(f"The database {shown} cannot be used: {_reason(error)}.") from error
    try:
        if not (await connection.execute(select(func.pg_try_advisory_lock(OWNER)))).scalar():
            raise DatabaseRefused(
                f"Another process already has the database {shown}: there is one enricher. Stop it, or set another "
                "DATABASE_URL."
            )
        yield
    finally:
        await connection.close()


def _reason(error: Exception) -> object:
    return error.orig if isinstance(error, exc.DBAPIError) else error


def _postgresql_engine(
    address: URL, *, connections: int, isolation_level: str, read_only: bool
) -> AsyncEngine:
    return open_engine(
        address,
        isolation_level=isolation_level,
        execution_options={"postgresql_readonly": read_only},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=TURN_TIMEOUT_S,
        pool_pre_ping=True,  # the server may have been restarted
        hide_parameters=True,  # what is stored does not belong in logs
    )


FILE_NAME = "enricher.sqlite"


def open_database(
    settings: DatabaseSettings, *, state_dir: Path, metrics: Metrics | None = None
) -> AbstractAsyncContextManager[Database]:
    """The database that `settings.url` names, with the schema of this version, open while the context lasts.

    Raises ValueError for a scheme that nothing here implements.
    """
    scheme, _, rest = (settings.url or "sqlite:").partition(":")
    match scheme:
        case "sqlite":
            return open_sqlite(Path(rest) if rest else state_dir / FILE_NAME, metrics=metrics)
        case "postgresql":
            return open_postgresql(f"{scheme}:{rest}", metrics=metrics)
        case _:
            raise ValueError(f"DATABASE_URL has the scheme {scheme!r}: sqlite and postgresql are known.")
