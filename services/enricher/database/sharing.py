"""What the processes that share one database have of each other: whose turn it is, who leads, and what was written elsewhere.

SQLite's file has one process, which leads and knows what it wrote. On PostgreSQL each process holds one connection open for
this. The lead is an advisory lock of that connection: it ends with its holder, and with a holder that is silent for
`SILENT_S`, because the server then ends the connection. A leader believes in its lead for `LEASE_S` after the server last answered, which
is less: one that was suspended knows that it does not lead any more before it does anything.
"""

import asyncio
import hashlib
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import structlog
from sqlalchemy import Connection, PoolProxiedConnection, bindparam, exc, func, select
from sqlalchemy.util import greenlet_spawn

from services.enricher.database.connection import AsyncEngine
from shared.background import Background

LEASE_S = 3.0
SILENT_S = 5
"""Then the server ends the connection by which a process leads."""

ANSWER_WITHIN_S = 2.0
JOINED_WITHIN_S = 10.0
"""By one of several hosts, of which others may be silent."""

KEEP_EVERY_S = 0.5
EXCLUSIVE_WITHIN_S = 60
WAITED_S = 0.02
"""For a turn: whoever waits less was not kept waiting by a migration."""

CHANNEL = "onesheet_written"
MIGRATED = "migrated"
"""The topic of a change of the tables."""

LATER_VERSION = (
    "A later version has migrated the database: this enricher writes nothing any more, and does not lead. Replace it, as"
    " docs/upgrade.md has it."
)
OnWritten = Callable[[], object]
_log = structlog.get_logger()


class OutdatedProcess(Exception):
    """The database's tables are those of a later version; the text says so."""


class Sharing:
    """Of a process that has its database to itself."""

    identity: str | None = None
    """Tells databases apart that several processes may share; None: of one that has a single process."""

    @property
    def leads(self) -> bool:
        """Whether this process does what one of them has to."""
        return True

    async def lead(self) -> None:
        """Return as soon as this process leads."""

    def watch(self, topic: str, on_written: OnWritten) -> None:
        """`on_written` hears what others wrote; this process knows of its own."""

    def check(self) -> None:
        """Raise OutdatedProcess where the tables are not this version's any more."""

    @asynccontextmanager
    async def exclusively(self, what: str) -> AsyncIterator[None]:  # noqa: ARG002 - nobody else is there
        """No other process does the same meanwhile."""
        yield


ALONE = Sharing()


def lock_number(name: str) -> int:
    """Of an advisory lock: the same in all processes, and another for each name."""
    return int.from_bytes(hashlib.sha256(b"onesheet " + name.encode()).digest()[:8], signed=True)


class Turns:
    """Writers of all processes come one after the other, as a transaction's first statement has it.

    What reads and then writes may so rely on what it read, on either engine.
    """

    _TAKE = select(func.pg_advisory_xact_lock(bindparam("lock")))
    _TELL = select(func.pg_notify(CHANNEL, bindparam("written")))

    def __init__(self, name: str, sharing: "PostgresSharing") -> None:
        self._lock = lock_number(f"writing {name}")
        self._sharing = sharing

    def of(self, name: str) -> "Turns":
        """Others, which wait for none of these."""
        return Turns(name, self._sharing)

    def begin(self, connection: Connection) -> None:
        """Raise OutdatedProcess, also where that came to be while it waited: whoever had the turn may have migrated."""
        self._sharing.check()
        began_s = time.monotonic()
        self.take(connection)
        if time.monotonic() - began_s > WAITED_S:
            self._sharing.note_version(connection.exec_driver_sql(_VERSION).scalar())
            self._sharing.check()

    def take(self, connection: Connection) -> None:
        """Whatever the tables are."""
        connection.execute(self._TAKE, {"lock": self._lock})

    def tell(self, connection: Connection, topic: str) -> None:
        """The other processes hear of it if, and as soon as, it is committed."""
        connection.execute(self._TELL, {"written": f"{topic} {self._sharing.origin}"})


class PostgresSharing(Sharing):
    """`connecting` makes connections that the server ends when they are idle for `SILENT_S`, `patient` those that may wait."""

    def __init__(
        self,
        connecting: AsyncEngine,
        patient: AsyncEngine,
        *,
        lost: tuple[type[Exception], ...],
        version: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`version`: of the tables that this process knows."""
        self.origin = uuid.uuid4().hex
        self._connecting = connecting
        self._patient = patient
        driver = connecting.sync.dialect.loaded_dbapi
        self.lost: tuple[type[Exception], ...] = (
            *lost,
            driver.Error,  # as a connection that cannot be made is told outside of a transaction
            exc.DBAPIError,
            OSError,
            TimeoutError,
        )
        self._version = version
        self._is_outdated = False
        self._clock = clock
        self._watchers: defaultdict[str, list[OnWritten]] = defaultdict(list)
        self._session: PoolProxiedConnection | None = None
        self._has_missed = False
        self._holds_since_s: float | None = None
        self._confirmed_s = 0.0
        self._gained = asyncio.Event()

    @property
    def leads(self) -> bool:
        return self._holds_since_s is not None and self._clock() - self._confirmed_s < LEASE_S

    def check(self) -> None:
        if self._is_outdated:
            raise OutdatedProcess(LATER_VERSION)

    async def lead(self) -> None:
        while not self.leads:
            self._gained.clear()
            await self._gained.wait()

    def watch(self, topic: str, on_written: OnWritten) -> None:
        self._watchers[topic].append(on_written)

    @asynccontextmanager
    async def exclusively(self, what: str) -> AsyncIterator[None]:
        """Raises a DBAPIError where another one does not come to an end within a minute."""
        async with self._patient.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(lock_number(what))))
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Nobody leads within; whether that is so."""
        async with self._patient.begin() as connection:
            free = select(func.pg_try_advisory_xact_lock(lock_number(_THE_LEAD)))
            yield bool((await connection.execute(free)).scalar())

    async def keep(self) -> None:
        """Be there, and take the lead where nobody has it. Raises where the database does not answer."""
        try:
            async with asyncio.timeout(JOINED_WITHIN_S):
                driver = await self._joined()
            began_s = self._clock()
            async with asyncio.timeout(ANSWER_WITHIN_S):
                self.note_version(await driver.fetchval(_VERSION))
                asking = "SELECT 1" if self._holds_since_s is not None else _TAKE_THE_LEAD
                holds = not self._is_outdated and await driver.fetchval(asking)
        except self.lost:
            self._forget_the_lead()
            await self.leave()
            raise
        if self._is_outdated and self._holds_since_s is not None:
            self._forget_the_lead()
            await self.leave()
        if holds and self._session:
            self._confirmed_s = began_s
            if self._holds_since_s is None:
                self._holds_since_s = began_s
                _log.info("leads", database=self.identity)
            self._gained.set()

    def keeping(self, background: Background) -> AbstractAsyncContextManager[None]:
        return background.repeating(
            "sharing the database", self.keep, every_s=KEEP_EVERY_S, at_once=False, expected=self.lost
        )

    async def leave(self) -> None:
        """Somebody else may lead at once."""
        session, self._session, self._holds_since_s = self._session, None, None
        if session:
            driver: Any = session.driver_connection
            driver.terminate()  # one that was given up in the middle of an answer can be asked nothing more
            with suppress(*self.lost):
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await greenlet_spawn(session.invalidate)

    async def _joined(self) -> Any:
        if self._session is None:
            self._session = session = await self._connecting.raw_connection()
            driver: Any = session.driver_connection
            await driver.add_listener(CHANNEL, self._hear)
            driver.add_termination_listener(lambda _: self._forget_the_lead())
            if self._has_missed:  # whatever was written meanwhile
                for topic in self._watchers:
                    self._tell(topic)
            self._has_missed = True
        return self._session.driver_connection

    def _hear(self, _connection: object, _pid: int, _channel: str, written: str) -> None:
        topic, _, origin = written.partition(" ")
        if origin != self.origin:
            if topic == MIGRATED:  # by a later one: this one has done so before it listened
                self._note_outdated(is_outdated=True)
            self._tell(topic)

    def _tell(self, topic: str) -> None:
        for on_written in self._watchers[topic]:
            on_written()

    def note_version(self, found: str | None) -> None:
        """Of the tables, as they are."""
        self._note_outdated(is_outdated=bool(self._version and found) and str(found) > self._version)

    def _note_outdated(self, *, is_outdated: bool) -> None:
        if is_outdated and not self._is_outdated:
            _log.error(LATER_VERSION, database=self.identity)
        self._is_outdated = is_outdated

    def _forget_the_lead(self) -> None:
        if self._holds_since_s is not None:
            _log.warning("leads no longer", database=self.identity)
        self._holds_since_s = None


_VERSION = "SELECT version_num FROM alembic_version"
_THE_LEAD = "the lead"
_TAKE_THE_LEAD = f"SELECT pg_try_advisory_lock({lock_number(_THE_LEAD)})"  # a number of ours
