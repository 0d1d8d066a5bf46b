"""The database in PostgreSQL, of one process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL, exc, func, make_url, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from services.enricher.database.database import TURN_TIMEOUT_S, Database, DatabaseRefused
from services.enricher.database.migrations import upgrade
from shared.telemetry import Metrics

READERS = 4
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
        engine = create_async_engine(address, poolclass=NullPool, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise DatabaseRefused(f"DATABASE_URL names PostgreSQL, but {error.name} is not installed.") from error
    async with (
        _sole_owner(engine),
        Database.over(
            reading=_engine(address, connections=READERS, isolation_level="REPEATABLE READ", read_only=True),
            writing=_engine(address, connections=1, isolation_level="READ COMMITTED", read_only=False),
            metrics=metrics,
        ) as database,
    ):
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
        yield database


@asynccontextmanager
async def _sole_owner(engine: AsyncEngine) -> AsyncIterator[None]:
    """Raises DatabaseRefused when another process is it, or nobody can be."""
    shown = engine.url.render_as_string()
    try:
        connection = await engine.connect()
    except (exc.DBAPIError, OSError) as error:
        raise DatabaseRefused(f"The database {shown} cannot be used: {_reason(error)}.") from error
    try:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not await connection.scalar(select(func.pg_try_advisory_lock(OWNER))):
            raise DatabaseRefused(
                f"Another process already has the database {shown}: there is one enricher. Stop it, or set another "
                "DATABASE_URL."
            )
        yield
    finally:
        await connection.close()


def _reason(error: Exception) -> object:
    return error.orig if isinstance(error, exc.DBAPIError) else error


def _engine(address: URL, *, connections: int, isolation_level: str, read_only: bool) -> AsyncEngine:
    return create_async_engine(
        address,
        isolation_level=isolation_level,
        execution_options={"postgresql_readonly": read_only},
        pool_size=connections,
        max_overflow=0,
        pool_timeout=TURN_TIMEOUT_S,
        pool_pre_ping=True,  # the server may have been restarted
        hide_parameters=True,  # what is stored does not belong in logs
    )
