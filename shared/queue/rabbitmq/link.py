"""What aio-pika raises, as the errors of the port."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit, urlunsplit

import structlog
from aio_pika import Connection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
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
    except (PublishError, ChannelNotFoundEntity) as error:
        raise Unroutable(f"{doing}: the queue is missing") from error
    except DeliveryError as error:
        raise QueueFull(f"{doing}: the broker refused it") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise QueueUnavailable(f"{doing}: the connection was lost") from error
    except TimeoutError as error:
        raise QueueUnavailable(f"{doing}: the broker did not answer in time") from error
    except CONNECTION_EXCEPTIONS as error:
        raise QueueUnavailable(f"{doing}: {type(error).__name__} {error}".strip()) from error


log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
HEARTBEAT_S = 20
"""A broker that hangs is noticed after about three of these."""

MISCONFIGURED = (
    AuthenticationError,
    ProbableAuthenticationError,
    ConnectionNotAllowed,
    ChannelAccessRefused,
    ChannelPreconditionFailed,
)
"""What no waiting mends: credentials, the virtual host, rights, queues with other arguments."""

T = TypeVar("T")


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
    ) -> None:
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
        await self._keeping.enter_async_context(
            background.repeating("keeping connected", self._connect, every_s=0)
        )
        try:
            async with asyncio.timeout(patience_s):
                await self._decided.wait()
        except TimeoutError:
            log.warning("queue_unreachable_at_start", link=self._name, error=str(self._failure))
        if self._session is None and _is_misconfigured(self._failure):
            await self.close()
            raise QueueUnavailable(f"The queue cannot be used: {self._failure}") from self._failure

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
            log.warning("queue_unreachable", link=self._name, host=address.host, error=str(error))
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
                    await connection.connect()
                    self._session = await self._prepare(connection, lambda *_: lost.set())
            self._away_since = None
            self._connected.set()
            self._decided.set()
            log.info("queue_connected", link=self._name, host=address.host)
            await lost.wait()
            log.warning("queue_connection_lost", link=self._name, host=address.host)
        finally:
            if self._session is not None:
                self._away_since = asyncio.get_running_loop().time()
            self._session = None
            self._connected.clear()
            await _close(connection)


def _is_misconfigured(failure: QueueError | None) -> bool:
    return failure is not None and isinstance(failure.__cause__, MISCONFIGURED)


def _with_heartbeat(address: URL) -> URL:
    return address if "heartbeat" in address.query else address.update_query(heartbeat=HEARTBEAT_S)


async def _close(connection: Connection) -> None:
    with suppress(QueueError), as_queue_errors("closing"):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await connection.close()
