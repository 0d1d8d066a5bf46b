"""What the stand-ins for providers of metadata have in common: they listen, count, refuse, limit and misbehave."""

import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.providers.behaviour import GOOD, Behaviour, Gate, Script
from tests.providers.page import Page
from tests.providers.wire import answer

ANY = "*"
"""For every path that has no behaviour or gate of its own."""

_JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True)
class Said:
    """An answer, before anything misbehaves."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Window:
    """A limit as providers count it. `told`: whether what is over it hears when to come again."""

    requests: int
    period_s: float
    told: bool = True
    _asked: deque[float] = field(default_factory=deque)

    def take(self) -> tuple[int, float]:
        """How many are left after this one, below zero when it is over the limit, and seconds to the next."""
        now = time.monotonic()
        while self._asked and self._asked[0] <= now - self.period_s:
            self._asked.popleft()
        left = self.requests - len(self._asked) - 1
        if left >= 0:
            self._asked.append(now)
        reset = self._asked[0] + self.period_s - now if self._asked else self.period_s
        return left, reset


class MetadataHost:
    """Below it a provider says what it has at a path, and whom it refuses."""

    def __init__(self, limit: Window) -> None:
        self.root = ""
        self.limit = limit
        self.latency_s = 0.0
        self.counts: Counter[str] = Counter()
        """Requests by path, and by path and query."""
        self.over_limit = 0
        """Requests that came when they should not have."""
        self.asked_at: list[float] = []
        """When requests came, in monotonic seconds."""
        self._put: dict[str, Said] = {}
        self._scripts: dict[str, Script] = {}
        self._gates: dict[str, Gate] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls, **given: Any) -> AsyncIterator[Self]:
        host = cls(**given)
        app = web.Application()
        app.router.add_get("/{path:.*}", host._serve)
        app.router.add_post("/{path:.*}", host._serve)
        app.router.add_delete("/{path:.*}", host._serve)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
            host.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield host
        finally:
            for gate in host._gates.values():
                gate.open()
            await runner.cleanup()

    @property
    def total(self) -> int:
        return len(self.asked_at)

    def put(self, path: str, said: Said) -> None:
        """Say this at a path, with its query where it has one."""
        self._put[path] = said

    def behave(self, *behaviours: Behaviour, path: str = ANY) -> None:
        """Answer like this from now on: one behaviour after the other, then well."""
        self._scripts[path] = Script(*behaviours)

    def hold(self, path: str = ANY) -> Gate:
        """A gate at which requests wait from now on, after they are counted."""
        self._gates[path] = Gate()
        return self._gates[path]

    def has(self, request: web.Request) -> Said:
        raise NotImplementedError

    def posted(self, path: str, body: Any) -> Said:
        raise NotImplementedError

    def refusal(self, request: web.Request) -> Said | None:
        raise NotImplementedError

    def too_many(self, reset_s: float) -> Said:
        raise NotImplementedError

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked_at.append(time.monotonic())
        self.counts[request.path] += 1
        if request.query_string:
            self.counts[request.path_qs] += 1
        body = await _posted(request) if request.method == "POST" else None
        said = self._said(request, body)
        if gate := self._gates.get(request.path, self._gates.get(ANY)):
            await gate.pass_through()
        script = self._scripts.get(request.path, self._scripts.get(ANY))
        behaviour = script.next() if script else GOOD
        if behaviour is GOOD and self.latency_s:
            behaviour = Behaviour(delay_s=self.latency_s)
        hangs_up = behaviour.no_answer or behaviour.reset or behaviour.cut_after_bytes is not None
        if said.status != 200 and behaviour.status is None and behaviour.body is None and not hangs_up:
            return await answer(request, None, _as_said(said, behaviour.delay_s))
        headers = {**_JSON, **said.headers}
        return await answer(request, Page(json.dumps(said.body).encode(), headers), behaviour)

    def _said(self, request: web.Request, body: Any) -> Said:
        left, reset_s = self.limit.take()
        if left < 0:
            self.over_limit += 1
            return self.too_many(reset_s)
        return (
            self.refusal(request)
            or self._put.get(request.path_qs)
            or self._put.get(request.path)
            or (self.posted(request.path, body) if request.method == "POST" else self.has(request))
        )


async def _posted(request: web.Request) -> Any:
    if request.content_type == "application/x-www-form-urlencoded":
        return dict(await request.post())
    return await request.json() if request.can_read_body else None


def _as_said(said: Said, delay_s: float) -> Behaviour:
    return Behaviour(
        delay_s=delay_s,
        status=said.status,
        headers={**_JSON, **said.headers},
        body=json.dumps(said.body).encode(),
    )
