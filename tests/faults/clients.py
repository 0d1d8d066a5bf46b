"""Clients of a proxy, and what their answers may be."""

import asyncio
import io
import json
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from PIL import Image


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    took_s: float
    retry_after: str | None

    @property
    def is_picture(self) -> bool:
        """200, and every byte of it decodes."""
        if self.status != 200:
            return False
        with Image.open(io.BytesIO(self.body)) as image:
            image.load()
        return True

    @property
    def is_clear_503(self) -> bool:
        """An answer that says what is wrong, and when to ask again."""
        problem = self.content_type == "application/problem+json"
        return self.status == 503 and problem and self.retry_after is not None

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


async def ask(session: aiohttp.ClientSession, proxy: str, url: str, size: str = "w342") -> Answer:
    """Ask a proxy for a WebP of the picture at `url`."""
    query = {"url": url, "size": size, "format": "webp"}
    started = time.monotonic()
    async with session.get(f"{proxy}/api/images/proxy", params=query) as response:
        body = await response.read()
    took_s = time.monotonic() - started
    return Answer(response.status, response.content_type, body, took_s, response.headers.get("Retry-After"))


async def ask_all(
    session: aiohttp.ClientSession, proxies: list[str], url: str, *, clients: int
) -> list[Answer]:
    """So many at once, spread over the proxies."""
    return await asyncio.gather(
        *(ask(session, proxies[number % len(proxies)], url) for number in range(clients))
    )
