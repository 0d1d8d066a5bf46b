"""A client that sends exactly the bytes it is given: no other lets a test choose the spelling of a request."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

ANSWER_WITHIN_S = 60


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    """Names in lower case; values of repeated ones joined by commas."""
    body: bytes


class RawConnection:
    """One connection, opened again where the server closes it after an answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, target: bytes, headers: Iterable[tuple[str, str]] = (), *, method: str = "GET"
    ) -> RawAnswer:
        lines = [f"{method} ".encode() + target + b" HTTP/1.1", b"Host: onesheet.example"]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
        request = b"\r\n".join(lines) + b"\r\n\r\n"
        async with asyncio.timeout(ANSWER_WITHIN_S):
            try:
                return await self._exchange(request, with_body=method != "HEAD")
            except (
                asyncio.IncompleteReadError,
                ConnectionError,
            ):  # an idle connection that the server closed
                return await self._exchange(request, with_body=method != "HEAD")

    async def _exchange(self, request: bytes, *, with_body: bool) -> RawAnswer:
        reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
        self._streams = None
        kept = False
        try:
            writer.write(request)
            answer = await _answer(reader, with_body=with_body)
            kept = answer.headers.get("connection", "").lower() != "close"
        finally:
            if not kept:
                writer.close()
        self._streams = (reader, writer) if kept else None
        return answer

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


@asynccontextmanager
async def raw_connection(port: int) -> AsyncIterator[RawConnection]:
    connection = RawConnection(port)
    try:
        yield connection
    finally:
        connection.close()


async def _answer(reader: asyncio.StreamReader, *, with_body: bool) -> RawAnswer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    status = int(head[0].split(" ")[1])
    length = int(headers.get("content-length", "0")) if with_body and status not in (204, 304) else 0
    return RawAnswer(status, headers, await reader.readexactly(length))


async def ask_all(
    port: int, requests: Sequence[tuple[bytes, Sequence[tuple[str, str]]]], *, connections: int = 8
) -> list[RawAnswer]:
    """Every answer, in the order of the requests, asked over a few connections at once."""
    answers: dict[int, RawAnswer] = {}
    pending = iter(enumerate(requests))

    async def ask_some() -> None:
        async with raw_connection(port) as connection:
            for number, (target, headers) in pending:
                answers[number] = await connection.ask(target, headers)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(ask_some())
    return [answers[number] for number in range(len(requests))]
