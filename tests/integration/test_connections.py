"""What strangers may hold of the server: connections, time, and bodies that are packed; and requests that are none."""

import asyncio
import gzip
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import repeat
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from shared.http import Skeleton, create_skeleton
from shared.http.connections import Connection, ConnectionLimits, Connections, listening
from shared.telemetry import LineLimiter, Metrics
from shared.telemetry.limiting import LibraryLines
from tests.integration.onesheet import until
from tests.servers.raw_http import raw_connection
from tests.servers.service import running_service

LARGE = 64 * 1024 * 1024
CHUNK = 256 * 1024
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Server:
    skeleton: Skeleton
    connections: Connections
    port: int
    read: list[bytes]
    """The bodies that were sent to /read."""

    def count(self, sample: str, **labels: str) -> float:
        return self.skeleton.metrics.registry.get_sample_value(sample, labels) or 0.0

    def let_go(self, reason: str) -> float:
        return self.count("onesheet_connections_let_go_total", reason=reason)


@asynccontextmanager
async def serving(
    *,
    at_most: int = 100,
    header_within_s: float = 30,
    idle_s: float = 75,
    untaken_s: float = 30,
    body_grace_s: float = 30,
) -> AsyncIterator[Server]:
    skeleton = create_skeleton("server", Metrics())
    read: list[bytes] = []

    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(LARGE // CHUNK):
            await response.write(bytes(CHUNK))
        return response

    async def reading(request: web.Request) -> web.StreamResponse:
        read.append(await request.read())
        return web.Response()

    skeleton.add_routes([web.get("/large", large), web.post("/read", reading)])
    limits = ConnectionLimits(at_most, header_within_s, idle_s, untaken_s, body_grace_s, body_bytes_s=100_000)
    connections = Connections("server", limits, skeleton.metrics)
    async with listening(skeleton.app, "127.0.0.1", 0, connections, ends_within_s=1) as address:
        yield Server(skeleton, connections, int(address.rpartition(":")[2]), read)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[int], Awaitable[Streams]]


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Connections that are closed after the test."""
    opened: list[asyncio.StreamWriter] = []

    async def dialled(port: int) -> Streams:
        streams = await asyncio.open_connection("127.0.0.1", port)
        opened.append(streams[1])
        return streams

    yield dialled
    for writer in opened:
        writer.close()


async def ended(streams: Streams) -> bytes:
    """What is read until the server closes the connection."""
    async with asyncio.timeout(60):
        try:
            return await streams[0].read()
        except ConnectionError:
            return b""


async def asked(streams: Streams) -> bytes:
    streams[1].write(GET)
    head = await streams[0].readuntil(b"\r\n\r\n")
    await streams[0].readexactly(len(b'{"status": "alive"}'))
    return head


async def test_who_says_nothing_or_never_ends_a_header_is_let_go(dial: Dial) -> None:
    async with serving(header_within_s=0.3) as server:
        silent, half = await dial(server.port), await dial(server.port)
        half[1].write(GET[:30])
        assert await ended(silent) == b""
        assert await ended(half) == b""
        assert server.let_go("no header") == 2


async def test_whatever_clients_send_is_heard(dial: Dial) -> None:
    async with serving() as server:
        reader, writer = await dial(server.port)
        for heard in (1, 2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"alive")
            assert server.skeleton.metrics.heard == heard


@asynccontextmanager
async def dribbling(writer: asyncio.StreamWriter, sent: Iterable[int]) -> AsyncIterator[None]:
    """Byte by byte, until this is left."""

    async def dribble() -> None:
        for byte in sent:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(dribble())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_so_is_who_sends_a_header_byte_by_byte(dial: Dial) -> None:
    async with serving(header_within_s=0.3) as server:
        slow = await dial(server.port)
        async with dribbling(slow[1], GET[:-1] * 50):
            assert await ended(slow) == b""
        assert server.let_go("no header") == 1


async def test_so_is_who_sends_a_body_byte_by_byte_and_not_who_waits_for_an_answer(dial: Dial) -> None:
    async with serving(header_within_s=0.2, body_grace_s=0.2) as server:
        slow, waiting = await dial(server.port), await dial(server.port)
        waiting[1].write(GET.replace(b"/healthz", b"/large"))
        slow[1].write(b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        async with dribbling(slow[1], repeat(ord("x"))):
            assert await ended(slow) == b""
        assert (server.let_go("slow body"), server.read) == (1, [])
        assert (await waiting[0].readline()).startswith(b"HTTP/1.1 200")


async def test_a_later_header_has_to_end_as_soon_while_who_is_idle_may_stay(dial: Dial) -> None:
    async with serving(header_within_s=0.3) as server:
        idle, half = await dial(server.port), await dial(server.port)
        for streams in (idle, half):
            assert b"200 OK" in await asked(streams)
        half[1].write(GET[:30])
        assert await ended(half) == b""
        assert b"200 OK" in await asked(idle)


async def test_who_is_idle_for_long_is_let_go(dial: Dial) -> None:
    async with serving(idle_s=0.2) as server:
        idle = await dial(server.port)
        assert b"200 OK" in await asked(idle)
        assert await ended(idle) == b""


async def test_beyond_the_bound_those_go_first_that_never_asked_for_anything(dial: Dial) -> None:
    async with serving(at_most=8) as server:
        welcome = await dial(server.port)
        assert b"200 OK" in await asked(welcome)
        for _ in range(40):
            silent = await dial(server.port)
            await asyncio.sleep(0)
        assert b"200 OK" in await asked(silent)
        assert b"200 OK" in await asked(welcome)
        assert len(server.connections) <= 8
        assert server.let_go("too many") == 33


async def test_what_was_let_go_is_counted_from_naught() -> None:
    async with serving() as server:
        for reason in ("too many", "no header"):
            labels = {"reason": reason}
            registry = server.skeleton.metrics.registry
            assert registry.get_sample_value("onesheet_connections_let_go_total", labels) == 0


async def test_where_all_are_busy_the_newest_is_not_taken(dial: Dial) -> None:
    async with serving(at_most=2) as server:
        busy = [await dial(server.port) for _ in range(2)]
        for _, writer in busy:
            writer.write(b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
        await until(lambda: not any(one.is_idle for one in server.connections._open))
        assert await ended(await dial(server.port)) == b""
        for streams in busy:
            streams[1].write(b"body")
            assert b"200 OK" in await streams[0].readuntil(b"\r\n\r\n")


async def said_with(capsys: pytest.CaptureFixture[str], words: str) -> str:
    """What was logged up to a line with these words, which may come a moment after the connection has gone."""
    said = ""

    def is_there() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return words in said

    await until(is_there)
    return said


async def test_who_takes_nothing_of_an_answer_is_let_go_and_nobody_calls_it_an_error(
    dial: Dial, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(untaken_s=1) as server:
        lazy = await dial(server.port)
        lazy[1].write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(server.connections) == 1)
        await until(lambda: len(server.connections) == 0)
        said = await said_with(capsys, "status=499")
        assert not caplog.records
        assert "Traceback" not in said


async def test_who_leaves_in_the_middle_of_an_answer_is_499_and_no_error(
    dial: Dial, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        leaving = await dial(server.port)
        leaving[1].write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await leaving[0].readexactly(1000)
        leaving[1].transport.abort()
        await until(lambda: len(server.connections) == 0)
        await said_with(capsys, "status=499")
        assert not caplog.records


MALFORMED = [
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-token\x01\r\n\r\n",
    b"nothing that anybody could read\r\n\r\n",
    b"GET / HTTP/9.9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


@pytest.mark.parametrize("request_", MALFORMED)
async def test_a_malformed_request_is_our_400_and_tells_nothing_of_us_nor_of_what_was_sent(
    dial: Dial, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    async with serving() as server:
        streams = await dial(server.port)
        streams[1].write(request_)
        head, _, body = (await ended(streams)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"application/problem+json" in head
        for telling in (b"aiohttp", b"Python", b"the-token"):
            assert telling not in head + body
        problem = json.loads(body)
        assert problem["status"] == 400
        assert f"X-Trace-Id: {problem['trace_id']}".encode() in head
        assert server.count("onesheet_requests_total", service="server", route="malformed", status="400") == 1
        assert not caplog.records
        said = capsys.readouterr().out
        assert "malformed request" in said
        assert "the-token" not in said


async def test_a_hundred_malformed_requests_are_one_line(
    dial: Dial, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving() as server:
        for _ in range(100):
            streams = await dial(server.port)
            streams[1].write(MALFORMED[1])
            assert b" 400 " in await ended(streams)
        assert capsys.readouterr().out.count("malformed request") == 1


async def test_a_packed_body_is_not_unpacked_whoever_reads_it_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiohttp.http_parser.DeflateBuffer.__init__", _unpacks)
    packed = gzip.compress(bytes(100_000_000), 9)
    assert 90_000 < len(packed) < 110_000
    async with serving() as server, aiohttp.ClientSession() as client:
        address = f"http://127.0.0.1:{server.port}"
        for _ in range(10):
            headers = {"Content-Encoding": "gzip"}
            async with client.get(f"{address}/healthz", data=packed, headers=headers) as answer:
                assert answer.status == 200
        async with client.post(f"{address}/read", data=packed, headers=headers) as answer:
            assert answer.status == 200
        assert server.read == [packed]


def _unpacks(*_given: object) -> None:
    raise AssertionError("a body is unpacked")


@pytest.mark.parametrize(
    ("soft", "asked_for", "at_most"),
    [(1024, 4096, 384), (20_000, 4096, 4096), (20_000, 50, 50), (200, 4096, 1)],
)
def test_there_are_no_more_connections_than_descriptors_for_them_and_their_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, asked_for: int, at_most: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _which: (soft, soft))
    assert ConnectionLimits.within_descriptors(asked_for).at_most == at_most


async def test_beside_a_thousand_silent_connections_all_is_served_with_1024_descriptors(
    tmp_path: Path, dial: Dial
) -> None:
    settings = {"VOLUME_URL": f"file:{tmp_path}/volume", "RENDER_PROCESSES": "1"}
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            running_service("services", settings, cwd=tmp_path, descriptors=1024)
        )
        port = int(service.address.rpartition(":")[2])
        for number in range(1100):
            streams = await dial(port)
            if number % 2:
                streams[1].write(GET[:30])
        async with raw_connection(port) as connection, asyncio.timeout(60):
            assert (await connection.ask(b"/healthz")).status == 200
        assert sum(len(json.dumps(line)) for line in service.lines) < 100_000


def test_what_libraries_say_over_and_over_is_said_once_and_then_counted() -> None:
    now = [0.0]
    lines = LibraryLines(LineLimiter(every_s=60, now=lambda: now[0]))

    def says(message: str) -> str | None:
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, message, None, None)
        return record.getMessage() if lines.filter(record) else None

    assert says("no descriptors\nsocket: 1") == "no descriptors\nsocket: 1"
    assert [says("no descriptors\nsocket: 2") for _ in range(5)] == [None] * 5
    assert says("another matter") == "another matter"
    now[0] = 61
    assert says("no descriptors") == "no descriptors (and 5 more like it since the last)"
    now[0] = 200
    assert says("no descriptors") == "no descriptors"


def test_kinds_of_lines_are_bounded() -> None:
    limiter = LineLimiter(now=lambda: 0.0)
    for number in range(1000):
        assert limiter.turn(str(number)) == 0
    assert len(limiter._said) <= 200


async def test_the_installed_aiohttp_has_what_connections_use_of_its_insides(dial: Dial) -> None:
    assert version("aiohttp").startswith("3.14.")
    async with serving() as server:
        streams = await dial(server.port)
        await until(lambda: len(server.connections) == 1)
        (connection,) = server.connections._open
        assert isinstance(connection, Connection)
        await until(lambda: connection.is_idle)
        assert (connection._request_count, connection._owed_since_s < math.inf) == (0, True)
        await asked(streams)
        assert connection._request_count == 1
        await until(lambda: connection.is_idle)
        assert connection._at_a_start
        flags = (
            connection._paused,
            connection._upgraded,
            connection._buffer_paused,
            connection._reading_paused,
        )
        assert (flags, connection._close, connection._force_close) == ((False,) * 4, False, False)
        assert connection._current_request is None
        assert (len(connection._messages), connection._next_keepalive_close_time > 0) == (0, True)
        assert callable(web.RequestHandler._process_keepalive)
