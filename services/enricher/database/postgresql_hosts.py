"""The hosts of a PostgreSQL, of which one takes writes at a time, and by which of them it is reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

import structlog

HOST_WITHIN_S = 3.0
"""So long one of several hosts may take to let us in, before the next one is asked."""

USUAL_PORT = 5432
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """As PostgreSQL's own programs read it: `postgresql://user:password@host,another:5433/name?sslmode=require`."""

    url: str

    @property
    def shown(self) -> str:
        """Without its password."""
        return self._with_password(":***" if self.password else "")

    @property
    def without_password(self) -> str:
        return self._with_password("")

    @property
    def password(self) -> str:
        return unquote(self._credentials.partition(":")[2])

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        """With their ports, in the order in which they are named."""
        named = urlsplit(self.url).netloc.rpartition("@")[2]
        each = [urlsplit(f"//{one}") for one in named.split(",") if one]
        return tuple((unquote(one.hostname or ""), one.port or USUAL_PORT) for one in each)

    @property
    def _credentials(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[0]

    def _with_password(self, password: str) -> str:
        user = self._credentials.partition(":")[0]
        return self.url.replace(f"//{self._credentials}@", f"//{user}{password}@", 1)


class PostgresHosts:
    """Connects to the one that takes writes, wherever that is by now.

    The driver's time for connecting is one for all hosts together, so that one that is silent would keep it from the others. Here each
    has its own. Once another server is met, whether by another host or where the name of one leads by now, connections to the one before
    are ended: whoever waits for an answer of a machine that went away would wait for a quarter of an hour.
    """

    def __init__(self, address: PostgresUrl) -> None:
        self.address = address
        self._hosts = address.hosts
        self._first = 0
        self._server: datetime | None = None
        self._connections: WeakSet[Any] = WeakSet()

    async def connect(self, settings: Mapping[str, str]) -> Any:
        """A connection of the driver's. Raises what the driver does, and ConnectionError where none of several hosts lets us in."""
        known = self._server
        connection, which = await self._let_in(settings)
        try:
            server = await connection.fetchval(_SERVER, timeout=HOST_WITHIN_S)
        except BaseException:
            connection.terminate()
            raise
        if self._server not in (known, server):  # moved meanwhile, perhaps away from this one
            connection.terminate()
            return await self.connect(settings)
        self._first = which
        if server != known:
            self._server = server
            self._leave_others()
        self._connections.add(connection)
        return connection

    async def _let_in(self, settings: Mapping[str, str]) -> tuple[Any, int]:
        """And by which host: the one that did last is asked first."""
        from asyncpg import connect  # type: ignore[import-untyped] # noqa: PLC0415 - where PostgreSQL is meant

        said: dict[str, Any] = {"server_settings": dict(settings)}
        if len(self._hosts) < 2:  # noqa: PLR2004 - the driver's own way, sockets and services among it
            return await connect(self.address.url, **said), 0
        if "target_session_attrs=" not in self.address.url:
            said["target_session_attrs"] = "read-write"
        reasons = []
        for number in range(self._first, self._first + len(self._hosts)):
            which = number % len(self._hosts)
            host, port = self._hosts[which]
            try:
                return await connect(
                    self.address.url, host=host, port=port, timeout=HOST_WITHIN_S, **said
                ), which
            except _away() as error:
                reasons.append(f"{host}: {str(error) or 'no answer'}")
        raise ConnectionError("; ".join(reasons))

    def _leave_others(self) -> None:
        left = list(self._connections)
        self._connections.clear()
        for connection in left:
            connection.terminate()
        if left:
            _log.warning("another server has the database", ended=len(left))


_SERVER = "SELECT pg_postmaster_start_time()"
"""Another one each time a server starts, and the same by whichever address it is reached."""


def _away() -> tuple[type[Exception], ...]:
    """What says that another host may be the one; what is wrong with a password is so at each."""
    from asyncpg import (  # noqa: PLC0415 - where PostgreSQL is meant
        CannotConnectNowError,
        InterfaceError,
        InternalClientError,
        PostgresConnectionError,
    )

    return (OSError, InterfaceError, InternalClientError, CannotConnectNowError, PostgresConnectionError)
