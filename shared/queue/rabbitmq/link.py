"""What aio-pika raises, as the errors of the port."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit, urlunsplit

import structlog
from aio_pika import Connection, exceptions
from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed
from pamqp.common import FieldTable
from yarl import URL

from shared.background import Background
from shared.queue.port import QueueError, QueueFull, QueueUnavailable, Unroutable


@contextmanager
def as_queue_errors(doing: str) -> Iterator[None]:
    """Raise a QueueError for whatever goes wrong with the broker inside.

    aiormq ends what waits on a lost connection by a CancelledError that nobody asked for: it is told apart
    from a real one by the task's own count.
    """
    try:
        yield
    except (exceptions.PublishError, exceptions.ChannelNotFoundEntity) as error:
        raise Unroutable(f"{doing}: the queue is missing") from error
    except exceptions.DeliveryError as error:
        raise QueueFull(f"{doing}: the broker refused it") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise QueueUnavailable(f"{doing}: the connection was lost") from error
    except TimeoutError as error:
        raise QueueUnavailable(f"{doing}: the broker did not answer in time") from error
    except exceptions.CONNECTION_EXCEPTIONS as error:
        raise QueueUnavailable(f"{doing}: {type(error).__name__} {error}".strip()) from error


log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
HEARTBEAT_S = 20
"""A broker that hangs is noticed after about three of these."""

MISCONFIGURED = (
    exceptions.AuthenticationError,
    exceptions.ProbableAuthenticationError,
    ConnectionNotAllowed,
    ChannelAccessRefused,
    exceptions.ChannelPreconditionFailed,
)
"""What no waiting mends: credentials, rights, queues with other arguments. So does a `VirtualHostRefused`."""

SAID_EVERY_S = 60.0
T = TypeVar("T")


class VirtualHostRefused(QueueUnavailable):
    """The broker is there and lets this user into no virtual host of this name."""


class Outage:
    """What is said of a broker that is away: a line when it goes, one a minute while it is, one when it is back.

    All links of a process share one, so that none says it again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._away: set[str] = set()
        self._since_s = clock()
        self._said_s: float | None = None
        self._events_lost = 0

    @property
    def is_over(self) -> bool:
        return not self._away

    def begin(self, link: str) -> None:
        """It is not connected yet, about which there is nothing to say."""
        self._away.add(link)

    def lost(self, link: str, host: str | None) -> None:
        if self.is_over:
            self._since_s = self._said_s = self._clock()
            log.warning("queue_connection_lost", host=host)
        self._away.add(link)

    def failed(self, host: str | None, error: QueueError) -> None:
        """One more attempt to connect."""
        now_s = self._clock()
        if self._said_s is None or now_s - self._said_s >= SAID_EVERY_S:
            self._said_s = now_s
            away_s = round(now_s - self._since_s, 1)
            log.warning("queue_unreachable", host=host, error=str(error), away_s=away_s)

    def event_lost(self) -> None:
        """Nobody hears it: counted, and told at the end."""
        self._events_lost += 1

    def connected(self, link: str, host: str | None) -> None:
        self._away.discard(link)
        if self.is_over:
            away_s = round(self._clock() - self._since_s, 1)
            log.info("queue_connected", host=host, away_s=away_s, events_lost=self._events_lost)
            self._events_lost, self._said_s = 0, None


def addresses_of(url: str) -> tuple[URL, ...]:
    """One URL for each host of `amqp://user:pass@h1:5672,h2:5672/vhost`, in its order."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    return tuple(
        URL(urlunsplit(parts._replace(netloc=f"{credentials}{at}{host.strip()}")))
        for host in hosts.split(",")
    )


class Link(Generic[T]):
    """`prepare` makes of a fresh connection what its users need: the session, until the connection is lost.

    It gets a callback as well, to say that the session is lost although the connection is not.
    """

    def __init__(
        self,
        addresses: Sequence[URL],
        name: str,
        prepare: Callable[[Connection, Callable[..., Any]], Awaitable[T]],
        outage: Outage,
    ) -> None:
        self._outage = outage
        self._addresses = itertools.cycle(addresses)
        self._name = name
        self._prepare = prepare
        self._session: T | None = None
        self._connected = asyncio.Event()
        self._decided = asyncio.Event()
        self._failure: QueueError | None = None
        self._pause_s = FIRST_PAUSE_S
        self._keeping = AsyncExitStack()
        self._away_since: float | None = None

    @property
    def current(self) -> T | None:
        return self._session

    async def session(self) -> T:
        """Waits for the connection as long as the caller does."""
        while self._session is None:
            await self._connected.wait()
        return self._session

    def away_for_s(self) -> float:
        """How long there has been no connection."""
        return asyncio.get_running_loop().time() - self._away_since if self._away_since is not None else 0.0

    async def open(self, background: Background, patience_s: float) -> None:
        """Start connecting. A broker that is away for the moment does not stop us, a wrong setting does."""
        self._away_since = asyncio.get_running_loop().time()
        self._outage.begin(self._name)
        await self._keeping.enter_async_context(
            background.repeating("keeping connected", self._connect, every_s=0)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._decided.wait()
        if self._session is None and _is_misconfigured(self._failure):
            await self.close()
            raise QueueUnavailable(f"QUEUE_URL cannot be used: {self._failure}") from self._failure

    async def close(self) -> None:
        await self._keeping.aclose()

    async def _connect(self) -> None:
        address = next(self._addresses)
        try:
            await self._last(address)
            self._pause_s = FIRST_PAUSE_S
        except QueueError as error:
            self._failure = error
            if _is_misconfigured(error):
                self._decided.set()
            self._outage.failed(address.host, error)
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    async def _last(self, address: URL) -> None:
        """Connect and keep the session until it is lost. Raises a QueueError when there never was one."""
        lost = asyncio.Event()
        properties: FieldTable = {"connection_name": self._name}
        connection = Connection(_with_heartbeat(address), client_properties=properties)
        connection.close_callbacks.add(lambda *_: lost.set())
        try:
            with as_queue_errors("connecting"):
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await _connected(connection, address)
                    self._session = await self._prepare(connection, lambda *_: lost.set())
            self._away_since = None
            self._connected.set()
            self._decided.set()
            self._outage.connected(self._name, address.host)
            await lost.wait()
            self._outage.lost(self._name, address.host)
        finally:
            if self._session is not None:
                self._away_since = asyncio.get_running_loop().time()
            self._session = None
            self._connected.clear()
            await _close(connection)


async def _connected(connection: Connection, address: URL) -> None:
    """The answer to the virtual host's name is read by aiormq as a frame that makes no sense where it is a refusal."""
    try:
        await connection.connect()
    except exceptions.InvalidFrameError as error:
        if "Connection.OpenOk" in str(error) and "Connection.Close " in str(error):
            vhost, user = vhost_of(address), address.user or "guest"
            raise VirtualHostRefused(
                f"there is no virtual host {vhost!r}, or the user {user!r} may not use it"
                " (it is the path of the URL; without one it is '/')"
            ) from error
        raise


def vhost_of(address: URL) -> str:
    return address.path.removeprefix("/") or "/"


def _is_misconfigured(failure: QueueError | None) -> bool:
    return isinstance(failure, VirtualHostRefused) or (
        failure is not None and isinstance(failure.__cause__, MISCONFIGURED)
    )


def _with_heartbeat(address: URL) -> URL:
    return address if "heartbeat" in address.query else address.update_query(heartbeat=HEARTBEAT_S)


async def _close(connection: Connection) -> None:
    with suppress(QueueError), as_queue_errors("closing"):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await connection.close()
