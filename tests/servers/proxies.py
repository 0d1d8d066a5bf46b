"""Outbound proxies to go through: HTTP with CONNECT, and SOCKS5. They resolve every name to this machine."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOCALHOST = "127.0.0.1"


@dataclass
class Proxy:
    """What came through it, as `host:port`; `credentials` are what it was shown, `user:password`."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    refusing: bool = False

    async def serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        for line in head.decode().split("\r\n"):
            if line.lower().startswith("proxy-authorization: basic "):
                self.credentials.append(base64.b64decode(line.split(" ")[2]).decode())
        if self.refusing:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if method == "CONNECT":
            self.asked.append(target)
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await _relay(reader, writer, int(target.rpartition(":")[2]), b"")
            return
        authority, _, path = target.removeprefix("http://").partition("/")
        self.asked.append(authority)
        port = int(authority.rpartition(":")[2]) if ":" in authority else 80
        asked = head.replace(target.encode(), b"/" + path.encode(), 1)
        await _relay(reader, writer, port, asked)

    async def serve_socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """RFC 1928, and RFC 1929 where a method of it is offered."""
        _, methods = await reader.readexactly(2)
        with_password = 2 in await reader.readexactly(methods)
        writer.write(bytes([5, 2 if with_password else 0]))
        if with_password:
            _, length = await reader.readexactly(2)
            user = (await reader.readexactly(length)).decode()
            password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
            self.credentials.append(f"{user}:{password}")
            writer.write(b"\x01\x00")
        _, _, _, kind = await reader.readexactly(4)
        length = (await reader.readexactly(1))[0] if kind == 3 else 4
        host = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2))
        self.asked.append(f"{host.decode() if kind == 3 else '.'.join(map(str, host))}:{port}")
        writer.write(bytes([5, 2 if self.refusing else 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not self.refusing:
            await _relay(reader, writer, port, b"")


@asynccontextmanager
async def running_proxy(*, socks: bool = False) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    serve: Serve = proxy.serve_socks if socks else proxy.serve_http
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, LOCALHOST, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await server.wait_closed()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, first: bytes) -> None:
    to_reader, to_writer = await asyncio.open_connection(LOCALHOST, port)
    to_writer.write(first)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, to_writer))
            both.create_task(_copy(to_reader, writer))
    finally:
        to_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
