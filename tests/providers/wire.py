"""From a page and a behaviour to bytes on the wire, as wrong as the behaviour asks for."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict

from tests.providers.behaviour import GOOD, Behaviour
from tests.providers.page import Page

_DRIP_STEP_S = 0.05
_BUFFERED_BYTES = 2**20
_NOT_FOUND = Page(b"404 Not Found\n", {"Content-Type": "text/plain; charset=utf-8"})


async def answer(request: web.Request, page: Page | None, behaviour: Behaviour) -> web.StreamResponse:
    """Send what a host that behaves like this sends for the page (None: it has nothing there)."""
    if behaviour.delay_s:
        await asyncio.sleep(behaviour.delay_s)
    if behaviour.raw is not None:
        return await _send_raw(request, behaviour.raw, behaviour.endless)
    if behaviour.no_answer or behaviour.reset:
        return _hang_up(request, reset=behaviour.reset)
    if behaviour.status is None and behaviour.body is None and page and page.is_known_to(request):
        return web.Response(status=304, headers=_without_type(page.headers))
    status, headers, body = _content(page, behaviour)
    if behaviour.cut_after_bytes is not None or behaviour.claimed_length is not None:
        return await _send_false_length(request, status, headers, body, behaviour)
    if behaviour.drip_bytes_per_s is not None or behaviour.chunked:
        return await _stream(request, status, headers, body, behaviour)
    return web.Response(status=status, headers=headers, body=body)


def _content(page: Page | None, behaviour: Behaviour) -> tuple[int, Mapping[str, str], bytes]:
    if page is None and behaviour.status is None and behaviour.body is None:
        return 404, _NOT_FOUND.headers, _NOT_FOUND.body
    if page and behaviour is GOOD:
        return 200, page.headers, page.body
    status = behaviour.status or 200
    if behaviour.body is not None:
        body, headers = behaviour.body, CIMultiDict(page.headers if page else {})
    elif behaviour.status is None and page:
        body, headers = page.body, CIMultiDict(page.headers)
    else:
        body, headers = f"{status} {_reason(status)}\n".encode(), CIMultiDict(_NOT_FOUND.headers)
    if behaviour.body is not None:
        for validator in ("ETag", "Last-Modified"):  # they belong to the picture
            headers.pop(validator, None)
    if behaviour.content_type is not None:
        headers["Content-Type"] = behaviour.content_type
    for name, value in behaviour.headers.items():
        headers[name] = value
    return status, headers, body


async def _stream(
    request: web.Request, status: int, headers: Mapping[str, str], body: bytes, behaviour: Behaviour
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    if behaviour.chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(body)
    await response.prepare(request)
    if request.method != "HEAD":
        async for piece in _pieces(body, behaviour.drip_bytes_per_s):
            await response.write(piece)
    await response.write_eof()
    return response


async def _send_false_length(
    request: web.Request, status: int, headers: Mapping[str, str], body: bytes, behaviour: Behaviour
) -> web.StreamResponse:
    """By hand, because aiohttp keeps to the length that it announced."""
    length = len(body) if behaviour.claimed_length is None else behaviour.claimed_length
    lines = [f"HTTP/1.1 {status} {_reason(status)}", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {length}", "Connection: close", "", ""]
    _write(request, "\r\n".join(lines).encode())
    if request.method != "HEAD":
        async for piece in _pieces(body[: behaviour.cut_after_bytes], behaviour.drip_bytes_per_s):
            _write(request, piece)
    return _hang_up(request, reset=False)


async def _send_raw(request: web.Request, raw: bytes, endless: bytes | None) -> web.StreamResponse:
    _write(request, raw)
    while endless and request.transport and not request.transport.is_closing():
        if request.transport.get_write_buffer_size() < _BUFFERED_BYTES:
            request.transport.write(endless)
        await asyncio.sleep(0)
    return _hang_up(request, reset=False)


async def _pieces(body: bytes, bytes_per_s: float | None) -> AsyncIterator[bytes]:
    if bytes_per_s is None:
        yield body
        return
    step = max(1, int(bytes_per_s * _DRIP_STEP_S))
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        yield piece
        await asyncio.sleep(len(piece) / bytes_per_s)


def _write(request: web.Request, data: bytes) -> None:
    if request.transport is None:
        raise ConnectionResetError("the client has gone")
    request.transport.write(data)


def _hang_up(request: web.Request, *, reset: bool) -> web.StreamResponse:
    """End the connection after what is written; the response that aiohttp wants finds nobody to go to."""
    if request.transport is not None and reset:
        connection: socket.socket = request.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    elif request.transport is not None:
        request.transport.close()
    return web.Response()


def _without_type(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "Content-Type"}


def _reason(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
