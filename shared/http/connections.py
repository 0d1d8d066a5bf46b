"""Connections: what one client, or a thousand of them, may hold of the server, in number and in time.

A connection owes a whole header: within so long after it was opened, and within so long after a header was begun; and a body
comes with a lowest rate. Who takes nothing of an answer is let go by the kernel. Bodies are not unpacked. What cannot be read as a
request is answered as everything else is, with a problem that tells nothing of us.
"""

import asyncio
import math
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_request import BaseRequest

from shared.http.answers import Problem, problem_response
from shared.http.early import EARLY, END_OF_HEAD, Early, FileToSend, KernelSending, read_head
from shared.telemetry import LineLimiter, Metrics, new_trace_id, traced

MAX_CONNECTIONS = 4096
RESERVED_DESCRIPTORS = 256
"""For the databases, the queue, downloads and the volume."""

MADE_ROOM_FOR = 16
"""Beyond the bound one of so many is let go at once, so that not every new connection looks through them all."""

TOO_MANY, NO_HEADER, SLOW_BODY = "too many", "no header", "slow body"
"""Why a connection is let go."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The times in seconds."""

    at_most: int = MAX_CONNECTIONS
    header_within_s: float = 15
    """From the connection, or from the first byte of a later request, to the end of the header."""
    idle_s: float = 75
    """Between requests."""
    untaken_s: float = 30
    """How long a client may take nothing of what it is sent."""
    body_grace_s: float = 30
    """Then a body has to have come with `body_bytes_s`."""
    body_bytes_s: float = 1024

    @classmethod
    def within_descriptors(cls, at_most: int) -> "ConnectionLimits":
        """No more than there are descriptors for: one for each, and one for the file that it is sent."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return cls(at_most)
        return cls(max(1, min(at_most, (soft - RESERVED_DESCRIPTORS) // 2)))


def raise_descriptor_limit() -> int:
    """As far as the hard limit lets us; the limit that counts now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # some systems name a hard limit that they do not take
        _log.info("descriptor limit not raised", limit=soft, error=str(error))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Connections:
    """All that are open. Beyond the bound those go that never asked for anything, then the longest idle."""

    def __init__(self, service: str, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.limits = limits
        self._service = service
        self._metrics = metrics
        self._open: set[Connection] = set()
        self._lines = LineLimiter()
        for reason in (TOO_MANY, NO_HEADER, SLOW_BODY):
            metrics.connections_let_go.labels(reason)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "Connection") -> None:
        self._open.add(connection)
        if len(self._open) > self.limits.at_most:
            self._make_room(connection)

    def heard(self) -> None:
        """Bytes came: a request, or a part of one."""
        self._metrics.heard += 1

    def discard(self, connection: "Connection") -> None:
        self._open.discard(connection)

    def let_go(self, connection: "Connection", reason: str) -> None:
        self.discard(connection)
        self._metrics.connections_let_go.labels(reason).inc()
        if (kept_back := self._lines.turn(reason)) is not None:
            _log.info("connection let go", reason=reason, more=kept_back, open=len(self._open))
        connection.force_close()

    def malformed(self, reason: str) -> None:
        """Counted as an answer. What was sent is not told: it may hold a token."""
        self._metrics.answered(self._service, "malformed", HTTPStatus.BAD_REQUEST).count()
        if (kept_back := self._lines.turn("malformed request")) is not None:
            _log.info("malformed request", reason=reason, more=kept_back)

    def _make_room(self, newest: "Connection") -> None:
        idle = sorted((one for one in self._open if one.is_idle), key=Connection.in_order)
        for one in idle[: max(1, self.limits.at_most // MADE_ROOM_FOR)] or (newest,):
            self.let_go(one, TOO_MANY)


LONGEST_LINE = 32 * 1024
"""Of a request: the longest source URL fits, each of its characters escaped. nginx takes as much."""


class Connection(web.RequestHandler):
    """One client's. What is known already is answered before aiohttp hears of it, as long as it has nothing in hand.

    `_waiter`, `_request_count`, `_messages`, `_paused`, `_reading_paused`, `_current_request`, `_upgraded`, `_close`,
    `_force_close`, `_next_keepalive_close_time` and `_process_keepalive` are aiohttp's own: a test holds the installed version to them.
    """

    __slots__ = (
        "_at_a_start",
        "_body_bytes",
        "_body_since_s",
        "_connections",
        "_early",
        "_heard_s",
        "_looking",
        "_owed_since_s",
        "_sending",
        "_sending_ended",
    )

    def __init__(self, server: web.Server, connections: Connections, early: Early | None = None) -> None:
        limits = connections.limits
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.idle_s,
            access_log=None,  # type: ignore[arg-type]  # as AppRunner takes it: there is none
            lingering_time=1.0,
            auto_decompress=False,
            max_line_size=LONGEST_LINE,
        )
        self._connections = connections
        self._looking: asyncio.TimerHandle | None = None
        self._heard_s = 0.0
        self._owed_since_s = math.inf
        self._body_bytes, self._body_since_s = 0, 0.0
        """What came of the latest request, and since when."""
        self._early = early
        self._at_a_start = True
        """Whether aiohttp's parser has seen the end of all that it was given: the next byte begins a request."""
        self._sending: KernelSending | None = None
        self._sending_ended: asyncio.Future[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request to be whole, and has nothing left to send."""
        return (
            self._waiter is not None
            and not self._waiter.done()
            and not self._paused
            and self._sending is None
        )

    def in_order(self) -> tuple[bool, float]:
        """In which they are let go."""
        return self._request_count > 0, self._heard_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        _bound_untaken(transport.get_extra_info("socket"), self._connections.limits.untaken_s)
        self._heard_s = self._owed_since_s = self._loop.time()
        self._look_in(self._connections.limits.header_within_s)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._connections.heard()
        if self._early and self._at_a_start and data.endswith(END_OF_HEAD) and self._answer_early(data):
            return
        before = self._request_count
        super().data_received(data)
        self._heard_s = self._loop.time()
        self._body_bytes += len(data)
        if self._request_count != before:
            self._owed_since_s = math.inf
            self._body_bytes, self._body_since_s = len(data), self._heard_s
        elif self._owed_since_s == math.inf and self.is_idle:
            self._owed_since_s = self._heard_s
        self._at_a_start = (
            self._request_count != before and data.endswith(END_OF_HEAD) and self._ended_whole()
        )

    def _ended_whole(self) -> bool:
        """Whether the request that was read last has no body, and nothing was left unread behind it."""
        if not self._messages or self._upgraded or self._buffer_paused:
            return False
        return self._messages[-1][1] is EMPTY_PAYLOAD

    def _answer_early(self, data: bytes) -> bool:
        """Whether it was answered. Not while something that was written has still to go out: who is slow takes aiohttp's way,
        which waits, and a file does not overtake what came before it.
        """
        transport = self.transport
        if self._force_close or self._close or transport is None or not self.is_idle:
            return False
        if transport.get_write_buffer_size():
            return False
        if (head := read_head(data)) is None:
            return False
        assert self._early is not None
        if (answer := self._early.answer(head)) is None:
            return False
        self._request_count += 1
        self._heard_s = self._loop.time()
        self._owed_since_s = math.inf
        self._next_keepalive_close_time = self._heard_s + self._connections.limits.idle_s
        if answer.file is None:
            transport.write(answer.bytes)
            if not head.stays:
                self.force_close()
        else:
            self._send(answer.bytes, answer.file, stays=head.stays)
        return True

    def _send(self, head: bytes, file: FileToSend, *, stays: bool) -> None:
        """What the client asks for meanwhile is not read."""
        assert self.transport is not None
        self._sending = KernelSending(self.transport, head, file, partial(self._sent, stays=stays))
        self._sending.start()
        if self._sending:
            self.transport.pause_reading()

    def _sent(self, all_sent: bool, *, stays: bool) -> None:
        self._sending = None
        if self._sending_ended and not self._sending_ended.done():
            self._sending_ended.set_result(None)
        if not (all_sent and stays) or self.transport is None:
            self.force_close()
        elif not self.transport.is_reading():
            self.transport.resume_reading()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - as aiohttp has it
        if self._sending:
            self._sending_ended = self._loop.create_future()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sending_ended, timeout)
        await super().shutdown(timeout)

    def _process_keepalive(self) -> None:
        """A file may take longer to send than a connection may be idle."""
        if self._sending:
            self._next_keepalive_close_time = self._loop.time() + self._connections.limits.idle_s
        super()._process_keepalive()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._looking:
            self._looking.cancel()
        if self._sending:
            self._sending.stop()
        self._connections.discard(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp could not read, and what it could not finish. It would log either with a traceback."""
        if isinstance(exc, HttpProcessingError):
            self._connections.malformed(type(exc).__name__)
            return _Unreadable()
        if isinstance(exc, ConnectionError):  # the client left in the middle of an answer
            raise exc
        return super().handle_error(request, status, exc, message)

    def _look(self) -> None:
        within_s = self._connections.limits.header_within_s
        left_s = self._owed_since_s + within_s - self._loop.time()
        if left_s <= 0 and self.is_idle:
            self._connections.let_go(self, NO_HEADER)
        elif self._sends_too_slowly():
            self._connections.let_go(self, SLOW_BODY)
        else:
            self._look_in(left_s if 0 < left_s < within_s else within_s)

    def _sends_too_slowly(self) -> bool:
        """While we take what comes: else it is we who are slow."""
        request, limits = self._current_request, self._connections.limits
        if request is None or request.content.is_eof() or self._reading_paused:
            return False
        over_s = self._loop.time() - self._body_since_s - limits.body_grace_s
        return over_s > 0 and self._body_bytes < over_s * limits.body_bytes_s

    def _look_in(self, seconds: float) -> None:
        self._looking = self._loop.call_later(seconds, self._look)


def _bound_untaken(connected: socket.socket | None, seconds: float) -> None:
    """Also while the kernel sends a file, where nobody here would notice."""
    if connected is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


class _Unreadable(web.StreamResponse):
    """Of a request that was none, aiohttp would answer with its name and version. Written at once, past the assembling of
    headers.
    """

    def __init__(self) -> None:
        super().__init__(status=HTTPStatus.BAD_REQUEST)
        trace = new_trace_id()
        with traced(trace):
            detail = "The request cannot be read: its line or a header is malformed or too long."
            problem = problem_response(Problem(HTTPStatus.BAD_REQUEST, detail))
        assert isinstance(problem.body, bytes)
        headers = {**problem.headers, "Content-Length": len(problem.body), "X-Trace-Id": trace}
        lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items())]
        self._whole = "\r\n".join((*lines, "Connection: close", "", "")).encode() + problem.body

    @property
    def keep_alive(self) -> bool:
        return False

    @property
    def prepared(self) -> bool:
        return True

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        if request.transport is None:
            raise ConnectionResetError
        request.transport.write(self._whole)
        await request.writer.drain()
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything is written."""


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, connections: Connections, *, ends_within_s: float
) -> AsyncIterator[str]:
    """Answer requests while the context lasts: the address, as a URL. Then finish those under way, bounded.

    Raise OSError, with a sentence, where it cannot be listened at.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=ends_within_s, handler_cancellation=True)
    await runner.setup()
    try:
        http = runner.server
        assert http is not None
        early = app.get(EARLY)
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(lambda: Connection(http, connections, early), host, port)
        except OSError as error:
            raise OSError(f"Cannot listen at HOST={host} PORT={port}: {error.strerror or error}.") from error
        try:
            found, found_port = listener.sockets[0].getsockname()[:2]
            yield f"http://{f'[{found}]' if ':' in found else found}:{found_port}"
        finally:
            listener.close()
    finally:
        await runner.cleanup()
