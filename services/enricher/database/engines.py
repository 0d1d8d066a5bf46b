"""The engines under the database, by the scheme of its URL: SQLite with one writer and a thread for each connection, or PostgreSQL."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiosqlite
from pydantic import Field, field_validator
from sqlalchemy import URL, Connection, event, exc, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from services.enricher.database import migrations
from services.enricher.database.connection import AsyncEngine, open_engine
from services.enricher.database.database import TURN_TIMEOUT_S, Database, DatabaseRefused, Engines
from services.enricher.database.postgresql_hosts import PostgresHosts, PostgresUrl
from services.enricher.database.sharing import (
    ALONE,
    EXCLUSIVE_WITHIN_S,
    MIGRATED,
    SILENT_S,
    PostgresSharing,
    Turns,
)
from services.enricher.database.sqlite_driver import FrugalConnection
from shared.background import Background
from shared.locks import sole_owner
from shared.queue.peers import fingerprint
from shared.settings import Settings
from shared.telemetry import Metrics
from shared.volume import check_local


class DatabaseSettings(Settings):
    url: str | None = Field(None, validation_alias="DATABASE_URL")
    """`sqlite:` and a file, or `postgresql://user:password@host/name`; None: a file in the state directory."""

    @field_validator("url")
    @classmethod
    def _by_its_usual_name(cls, url: str | None) -> str | None:
        return url and re.sub(r"^postgres(ql\+asyncpg)?:", "postgresql:", url)


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
        async with Database.over(Engines(reading, writing), metrics=metrics) as database:
            await _upgrade(writing, path)
            yield database


async def _upgrade(engine: AsyncEngine, path: Path) -> None:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrations.bring_up_to_date)
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
        pool_reset_on_return=None,  # who begins looks whether the one before has ended
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

BESIDE = 2
"""Connections for short writes of their own."""

WRITING_LASTS_S = 10
"""A writer that says nothing for so long has lost its turn: its process hangs."""

_SILENT_CONNECTIONS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""So the server notices a machine that went away."""


@asynccontextmanager
async def open_postgresql(
    url: str,
    *,
    metrics: Metrics | None = None,
    background: Background | None = None,
    alone: bool = False,
) -> AsyncIterator[Database]:
    """The database at `postgresql://user:password@host/name`, which has to be there, and may be other processes' too.

    Raises DatabaseRefused where it cannot be reached, for one of a later version, where asyncpg is not installed, and
    `alone` where an enricher has it. Without a background this process keeps in touch with nobody.
    """
    address = PostgresUrl(url)
    try:
        hosts = PostgresHosts(address)
        sharing = await _sharing(hosts)
    except ModuleNotFoundError as error:
        raise DatabaseRefused(f"DATABASE_URL names PostgreSQL, but {error.name} is not installed.") from error
    except ValueError as error:  # a URL that we, or the driver, cannot read
        raise _refused(address, error) from error
    turns = Turns("anything", sharing)
    waiting = {"lock_timeout": str(int(TURN_TIMEOUT_S * 1000))} | _SILENT_CONNECTIONS
    waiting |= {"idle_in_transaction_session_timeout": str(WRITING_LASTS_S * 1000)}
    writing = partial(_postgresql_engine, hosts, waiting, isolation_level="READ COMMITTED", read_only=False)
    engines = Engines(
        reading=_postgresql_engine(
            hosts,
            _SILENT_CONNECTIONS,
            connections=POSTGRESQL_READERS,
            isolation_level="REPEATABLE READ",
            read_only=True,
        ),
        writing=writing(connections=1),
        beside=writing(connections=BESIDE),
        turns=turns,
        sharing=sharing if background else ALONE,
    )
    async with AsyncExitStack() as stack:
        try:
            if alone and not await stack.enter_async_context(sharing.alone()):
                raise DatabaseRefused(
                    f"An enricher already has the database {address.shown}: end all of them first."
                )
            database = await stack.enter_async_context(Database.over(engines, metrics=metrics))
            async with engines.writing.begin() as connection:
                await connection.run_sync(partial(_migrate, turns))
            if background:
                stack.push_async_callback(sharing.leave)
                await sharing.keep()
        except sharing.lost as error:
            raise _refused(address, error) from error
        if background:
            await stack.enter_async_context(sharing.keeping(background))
        yield database


def _migrate(turns: Turns, connection: Connection) -> None:
    """One process at a time, in the turn of the writers of all, who hear of it; where there is nothing to do, nobody waits."""
    turns.of("the schema").take(connection)
    if not migrations.is_up_to_date(connection):
        turns.take(connection)
        migrations.upgrade(connection)
        turns.tell(connection, MIGRATED)


async def _sharing(hosts: PostgresHosts) -> PostgresSharing:
    """Raises DatabaseRefused where the database does not answer, or a pooler does in its place."""

    def without_pool(**settings: str) -> AsyncEngine:
        return open_engine(
            _DIALECT,
            connecting=partial(hosts.connect, _SILENT_CONNECTIONS | settings),
            poolclass=NullPool,
            isolation_level="READ COMMITTED",
            hide_parameters=True,
        )

    patient = without_pool(lock_timeout=str(EXCLUSIVE_WITHIN_S * 1000))
    from asyncpg import (  # type: ignore[import-untyped] # noqa: PLC0415 - where PostgreSQL is meant
        InterfaceError,
        InternalClientError,
        PostgresError,
    )

    sharing = PostgresSharing(
        without_pool(idle_session_timeout=str(SILENT_S * 1000)),
        patient,
        lost=(InterfaceError, InternalClientError, PostgresError),
        version=migrations.LATEST,
    )
    try:
        async with patient.begin() as connection:
            [(cluster, name, process)] = await connection.execute(text(_WHICH))
            is_pooled = process != connection.driver.get_server_pid()
    except sharing.lost as error:
        raise _refused(hosts.address, error) from error
    if is_pooled:
        raise DatabaseRefused(f"The database {hosts.address.shown} cannot be used. {_POOLED}")
    sharing.identity = fingerprint(cluster, name)
    return sharing


def _refused(address: PostgresUrl, error: Exception) -> DatabaseRefused:
    reason = str(error.orig if isinstance(error, exc.DBAPIError) else error) or type(error).__name__
    hint = f" {_POOLED}" if "startup parameter" in reason else ""
    return DatabaseRefused(f"The database {address.shown} cannot be used: {reason.rstrip('.')}.{hint}")


_WHICH = "SELECT system_identifier, current_database(), pg_backend_pid() FROM pg_control_system()"
_POOLED = (
    "A pooler is before it, which gives one connection to several: an enricher could not tell whether it leads, nor hear what others"
    " write. Set DATABASE_URL to PostgreSQL itself."
)
"""A pooler names a process that is none of PostgreSQL's, so that it can find out later whose question it is to end."""


_DIALECT = URL.create("postgresql+asyncpg")
"""Where it is the driver reads from the URL itself, which knows more of it."""


def _postgresql_engine(
    hosts: PostgresHosts,
    settings: Mapping[str, str],
    *,
    connections: int,
    isolation_level: str,
    read_only: bool,
) -> AsyncEngine:
    return open_engine(
        _DIALECT,
        connecting=partial(hosts.connect, settings),
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
    settings: DatabaseSettings,
    *,
    state_dir: Path,
    metrics: Metrics | None = None,
    background: Background | None = None,
    alone: bool = False,
) -> AbstractAsyncContextManager[Database]:
    """The database that `settings.url` names, with the schema of this version, open while the context lasts. `background`: of the
    process, by which it keeps in touch with others that have the same database. `alone`: no enricher may have it meanwhile.

    Raises ValueError for a scheme that nothing here implements.
    """
    scheme, _, rest = (settings.url or "sqlite:").partition(":")
    match scheme:
        case "sqlite":
            return open_sqlite(Path(rest) if rest else state_dir / FILE_NAME, metrics=metrics)
        case "postgresql":
            return open_postgresql(f"{scheme}:{rest}", metrics=metrics, background=background, alone=alone)
        case _:
            raise ValueError(f"DATABASE_URL has the scheme {scheme!r}: sqlite and postgresql are known.")
