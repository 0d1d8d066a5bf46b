"""A picture server that tests steer and count; where else pictures come from stays outside the tests.

`python -m tests.providers.picture_host --port 0` starts it as a process of its own: its address is the
first line on stdout, and `/_control/` steers it.
"""

import argparse
import asyncio
import signal
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from aiohttp import web

from tests.providers.behaviour import GOOD, Behaviour, Gate, Script
from tests.providers.gallery import picture_at
from tests.providers.host_control import control_routes
from tests.providers.page import Labels, Page, content_type_of, page_of
from tests.providers.wire import answer

_REMEMBERED_REQUESTS = 20_000
_LOCALHOST = "127.0.0.1"
_DRAWN_AT = datetime(2024, 1, 1, tzinfo=UTC)  # drawings never change


@dataclass(frozen=True)
class Asked:
    """A request that came. `path` is decoded and without its query; `at` is monotonic seconds."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    at: float


class PictureHost:
    """Serves drawn pictures, pictures that tests put, and the corpus (paths: `gallery`), well or badly."""

    def __init__(self) -> None:
        self.root = ""
        self.in_flight = 0
        self.most_in_flight = 0
        self._pages: dict[str, Page] = {}
        self._drawing: dict[str, asyncio.Task[Page | None]] = {}
        self._scripts: dict[str, Script] = {}
        self._gates: dict[str, Gate] = {}
        self._counts: Counter[str] = Counter()
        self._asked: deque[Asked] = deque(maxlen=_REMEMBERED_REQUESTS)

    @classmethod
    @asynccontextmanager
    async def running(cls, *, address: str = _LOCALHOST, port: int = 0) -> AsyncIterator[Self]:
        """A host that listens, until the block ends; whatever waits at a gate is then let go."""
        host = cls()
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(control_routes(host))
        app.router.add_route("*", "/{path:.*}", host._serve)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, address, port, backlog=1024)
            await site.start()
            host.root = f"http://{address}:{runner.addresses[0][1]}"
            yield host
        finally:
            host.forget()
            await runner.cleanup()

    def url(self, path: str) -> str:
        return self.root + path

    def put(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str | None = None,
        cache_control: str | None = None,
        changed_at: datetime | None = None,
        validators: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Have these bytes at a path, in place of what was there; the type follows from the extension."""
        labels = Labels(
            content_type=content_type or content_type_of(path),
            cache_control=cache_control,
            changed_at=changed_at,
            validators=validators,
            headers=dict(headers or {}),
        )
        self._pages[path] = page_of(body, labels)

    def behave(self, path: str, *behaviours: Behaviour) -> None:
        """Answer at a path like this from now on: one behaviour after the other, then well."""
        self._scripts[path] = Script(*behaviours)

    def hold(self, path: str) -> Gate:
        """A gate at which requests for this path wait from now on, after they are counted."""
        self.release(path)
        self._gates[path] = Gate()
        return self._gates[path]

    def gate(self, path: str) -> Gate | None:
        """The gate of a path that is held."""
        return self._gates.get(path)

    def release(self, path: str) -> None:
        """Open the gate of a path, if it has one."""
        if gate := self._gates.pop(path, None):
            gate.open()

    def count(self, path: str) -> int:
        """How many requests came for a path; with its `?query` when `path` has one."""
        return self._counts[path]

    @property
    def counts(self) -> Mapping[str, int]:
        """All paths that were asked for, without queries."""
        return {path: count for path, count in self._counts.items() if "?" not in path}

    @property
    def requests(self) -> list[Asked]:
        """The last 20,000 requests, oldest first."""
        return list(self._asked)

    def forget(self) -> None:
        """Counts, behaviours and gates; what was put stays."""
        for path in list(self._gates):
            self.release(path)
        self._scripts.clear()
        self._counts.clear()
        self._asked.clear()
        self.most_in_flight = self.in_flight

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if gate := self._gates.get(request.path):
                await gate.pass_through()
            script = self._scripts.get(request.path)
            return await answer(request, await self._page(request.path), script.next() if script else GOOD)
        finally:
            self.in_flight -= 1

    def _note(self, request: web.Request) -> None:
        path, query = request.path, request.query_string
        self._counts[path] += 1
        if query:
            self._counts[f"{path}?{query}"] += 1
        self._asked.append(Asked(request.method, path, query, request.headers, time.monotonic()))

    async def _page(self, path: str) -> Page | None:
        """What was put, or else what the gallery has; the first to ask draws it for all."""
        if page := self._pages.get(path):
            return page
        if path not in self._drawing:
            self._drawing[path] = asyncio.create_task(self._draw(path))
        try:
            return await asyncio.shield(self._drawing[path])
        finally:
            if path in self._drawing and self._drawing[path].done():
                del self._drawing[path]

    async def _draw(self, path: str) -> Page | None:
        body = await asyncio.to_thread(picture_at, path)
        if body is None:
            return None
        page = page_of(body, Labels(content_type=content_type_of(path), changed_at=_DRAWN_AT))
        if not path.startswith("/many/"):
            page = self._pages.setdefault(path, page)
        return page


async def _serve_until_told(address: str, port: int) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with PictureHost.running(address=address, port=port) as host:
        print(host.root, flush=True)
        await told.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A picture server that tests and benchmarks steer.")
    parser.add_argument("--address", default=_LOCALHOST)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    arguments = parser.parse_args()
    asyncio.run(_serve_until_told(arguments.address, arguments.port))


if __name__ == "__main__":
    main()
