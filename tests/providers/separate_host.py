"""The picture host as a process of its own, and the words to steer it from here."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.providers.behaviour import BEHAVIOURS, Behaviour
from tests.servers.warm import Start, WarmProcess

_PROJECT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 60


class SeparateHost:
    """A running picture host that any process may ask; see `PictureHost` for what the words mean."""

    def __init__(self, root: str, session: aiohttp.ClientSession, process: WarmProcess) -> None:
        self.root = root
        self._session = session
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(cls, *, port: int = 0) -> AsyncIterator[Self]:
        """Start the process, and end it with the block (SIGTERM, and SIGKILL when that is not heard)."""
        start = Start(str(_PROJECT), dict(os.environ), arguments=("--port", str(port)))
        process = await WarmProcess.started("tests.providers.picture_host", start)
        try:
            assert process.stdout is not None
            async with asyncio.timeout(_PATIENCE_S):
                root = (await process.stdout.readline()).decode().strip()
            if not root:
                raise RuntimeError("The picture host ended before it said its address.")
            async with aiohttp.ClientSession(root) as session:
                yield cls(root, session, process)
        finally:
            await _end(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> int:
        """Wait for its end; the exit status."""
        return await self._process.wait()

    def url(self, path: str) -> str:
        return self.root + path

    async def put(
        self, path: str, body: bytes, *, content_type: str | None = None, cache_control: str | None = None
    ) -> None:
        query = {"path": path} | ({"cache_control": cache_control} if cache_control else {})
        headers = {"Content-Type": content_type or "application/octet-stream"}
        await self._ask("PUT", "page", query, data=body, headers=headers)

    async def behave(self, path: str, *behaviours: Behaviour) -> None:
        body = BEHAVIOURS.dump_json(list(behaviours), exclude_defaults=True)
        await self._ask("PUT", "behaviour", {"path": path}, data=body)

    async def hold(self, path: str) -> None:
        await self._ask("PUT", "gate", {"path": path})

    async def arrived(self, path: str, count: int = 1) -> None:
        """Wait until so many requests stand at the gate of a path."""
        await self._ask("GET", "gate", {"path": path, "arrived": str(count)})

    async def release(self, path: str) -> None:
        await self._ask("DELETE", "gate", {"path": path})

    async def counts(self) -> dict[str, int]:
        found: dict[str, int] = (await self._ask("GET", "counts"))["counts"]
        return found

    async def count(self, path: str) -> int:
        return (await self.counts()).get(path, 0)

    async def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._ask("GET", "requests")
        return found

    async def forget(self) -> None:
        await self._ask("POST", "forget")

    async def _ask(self, method: str, what: str, query: dict[str, str] | None = None, **more: Any) -> Any:
        async with self._session.request(method, f"/_control/{what}", params=query, **more) as response:
            response.raise_for_status()
            return None if response.status == 204 else await response.json()


async def _end(process: WarmProcess) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert process.stdout
    await process.stdout.read()
