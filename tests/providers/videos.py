"""Videos drawn by the tests: the boxes of an MP4 around bytes that say where they are, and a host that hands them out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


TYPE = box(b"ftyp", b"isom" + bytes(4) + b"isomiso2mp41")


def an_mp4(size: int = 20_000) -> bytes:
    """So many bytes in all."""
    head = TYPE + box(b"moov", bytes(32))
    pattern = b"".join(b"%07d " % number for number in range((size - len(head)) // 8 + 1))
    return head + box(b"mdat", pattern[: size - len(head) - 8])


def write_mp4(file: Path, size: int) -> None:
    """The same without holding it: of zeros."""
    head = TYPE + box(b"moov", bytes(32))
    with file.open("wb") as out:
        out.write(head + (size - len(head)).to_bytes(4, "big") + b"mdat")
        out.truncate(size)


class VideoHost:
    """Hands out `bodies` by path; `answers` says of a path what else is done."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {"/a.mp4": an_mp4()}
        self.answers: dict[str, Callable[[web.Request], web.StreamResponse]] = {}
        self.asked: list[str] = []
        self.held = asyncio.Event()
        self.address = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path in self.answers:
            return self.answers[request.path](request)
        if request.path == "/held":
            response = web.StreamResponse(headers={"Content-Length": "20000"})
            await response.prepare(request)
            await response.write(an_mp4()[:1000])
            await self.held.wait()
            return response
        if request.path not in self.bodies:
            raise web.HTTPNotFound
        return web.Response(body=self.bodies[request.path], content_type="application/octet-stream")


@asynccontextmanager
async def running_video_host() -> AsyncIterator[VideoHost]:
    host = VideoHost()
    app = web.Application()
    app.router.add_get("/{path:.*}", host.answer)
    async with TestServer(app) as server:
        host.address = str(server.make_url("")).rstrip("/")
        try:
            yield host
        finally:
            host.held.set()
