"""A way to a store that delays, cuts, answers in the store's place, and loses answers after the store has done what it was asked."""

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

HELD_S = 0.01
CLOSED_WITHIN_S = 0.1
"""Connections are told of their end after the server's: over TLS in more than one step, which nothing waits for."""

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-encoding"}
Loses = Callable[[str, str, int], bool]
"""Told the method, the path, and the how-many-eth such request it is: whether its answer is lost."""

Says = Callable[[str, str], tuple[int, Mapping[str, str]] | None]
"""Told the method and the path: the status and the headers of an answer without the store, or None."""

SLOW_DOWN = 503, {"x-code": "SlowDown"}
"""As a store answers that is asked too much: for `says`. The header becomes the word in the body."""


class StoreRelay:
    """Passes requests on as they are, signature and all. `asked` has each, `GET /bucket/key`."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._seen: Counter[tuple[str, str]] = Counter()
        self._under_way = 0
        self.endpoint = ""
        self.asked: list[str] = []
        self.is_cut = False
        self.is_held = False
        """While it is, nothing is answered."""
        self.loses: Loses = lambda _method, _path, _count: False
        self.says: Says = lambda _method, _path: None
        self.ignores = ""
        """A header that does nothing: a condition that is not met is taken for met, and a range is not told."""
        self.answers_with: Mapping[str, str] = {}
        """Headers in place of the store's own, by their names in lower case; `{}` in them is another number each time."""
        self.in_sequence = 0
        """Round trips one after the other: what is asked while another question is under way counts as one with it. Without
        removals (POST), which nobody waits for.
        """

    @classmethod
    @contextmanager
    def before(cls, endpoint: str = "", *, certificate: ssl.SSLContext | None = None) -> Iterator[Self]:
        """In a thread of its own: those who go through here may hold up theirs. `certificate`: by HTTPS, with this certificate."""
        relay = cls(endpoint)
        loop = asyncio.new_event_loop()
        ended, listens = asyncio.Event(), threading.Event()

        def run() -> None:
            loop.run_until_complete(relay._serve(listens, ended, certificate))
            loop.close()

        thread = threading.Thread(target=run, name="relay")
        thread.start()
        assert listens.wait(60)
        try:
            yield relay
        finally:
            relay.is_held = False
            loop.call_soon_threadsafe(ended.set)
            thread.join()

    async def _serve(
        self, listens: threading.Event, ended: asyncio.Event, certificate: ssl.SSLContext | None
    ) -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            app = web.Application(client_max_size=2**30)

            async def pass_on(request: web.Request) -> web.StreamResponse:
                return await self._pass_on(request, client)

            app.router.add_route("*", "/{path:.*}", pass_on)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate).start()
            self.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
            server = runner.server
            assert server
            listens.set()
            await ended.wait()
            await runner.cleanup()
        await asyncio.sleep(CLOSED_WITHIN_S)
        # Who came just as nobody listened any more: else the collector meets the connection in another test.
        await server.shutdown(CLOSED_WITHIN_S)
        await asyncio.sleep(0)

    async def _pass_on(self, request: web.Request, client: aiohttp.ClientSession) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        self.asked.append(f"{request.method} {path}")
        self._seen[request.method, path] += 1
        count = self._seen[request.method, path]
        if self.is_cut:
            return _cut(request)
        if said_instead := self.says(request.method, path):
            return await _said(request, *said_instead)
        waited_for = request.method != "POST"
        self.in_sequence += waited_for and not self._under_way
        self._under_way += waited_for
        try:
            body = await request.read()
            url = URL(self._behind + request.raw_path, encoded=True)
            async with client.request(
                request.method, url, headers=self._told(request), data=body or None
            ) as answer:
                said = await answer.read()
                headers = {
                    name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP
                }
                status = answer.status
                for name in headers:
                    if name.lower() in self.answers_with:
                        headers[name] = self.answers_with[name.lower()].format(len(self.asked))
                if status == HTTPStatus.PRECONDITION_FAILED and self.ignores in request.headers:
                    status, said, headers = HTTPStatus.OK, b"", {"ETag": '"written"'}
            while self.is_held:  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(HELD_S)
        finally:
            self._under_way -= waited_for
        if self.is_cut or self.loses(request.method, path, count):
            return _cut(request)
        if request.method == "HEAD":
            headed = web.StreamResponse(status=status, headers=headers)
            await headed.prepare(request)
            return headed
        headers.pop("Content-Length", None)
        return web.Response(status=status, headers=headers, body=said)

    def _told(self, request: web.Request) -> Mapping[str, str]:
        """Only a range is not signed."""
        return {
            name: said for name, said in request.headers.items() if name != "Range" or self.ignores != name
        }


async def _said(request: web.Request, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
    await request.read()
    code = headers.get("x-code", "")
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>' if code else ""
    return web.Response(status=status, headers=headers, text=body, content_type="application/xml")


def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()
