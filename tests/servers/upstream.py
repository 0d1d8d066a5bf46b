"""What may stand behind a web server: answers as a test tells it, and remembers who asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
BY_UPSTREAM = "X-By-Upstream"


async def _found(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="from upstream", headers={BY_UPSTREAM: "yes"})


@dataclass
class Upstream:
    address: str = ""
    answer: Answering = _found
    requests: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.answer(request)

    def forget(self) -> None:
        self.answer = _found
        self.requests.clear()

    @property
    def targets(self) -> list[str]:
        return [request.raw_path for request in self.requests]


@asynccontextmanager
async def running_upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", upstream.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream.address = f"127.0.0.1:{runner.addresses[0][1]}"
        yield upstream
    finally:
        await runner.cleanup()
