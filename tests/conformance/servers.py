"""The servers that answer alike: one process, nginx before a proxy, a bare proxy."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from tests.conformance.answers import Answer

IMAGE = {"Sec-Fetch-Dest": "image"}
"""What an `<img>` of a page sends."""

PLAIN_HTTP_IMAGE = {"User-Agent": "Mozilla/5.0 (X11)", "Accept": "image/avif,image/webp,*/*"}
"""What it sends where the page came by plain HTTP."""

Target = str | Callable[["Server"], str]
"""Path and query, the same for every server or each its own."""


@dataclass(frozen=True)
class Server:
    """`address` is where clients ask; `own_address` where Python answers health and metrics itself."""

    name: str
    address: str
    own_address: str
    _client: aiohttp.ClientSession

    async def get(
        self, target: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> Answer:
        """Exactly this target, and no header that is not given."""
        url = URL(self.address + target, encoded=True)
        async with self._client.request(method, url, headers=headers, allow_redirects=False) as response:
            body = await response.read()
            return Answer(response.status, response.reason or "", response.raw_headers, body)

    async def count(self, sample: str, **labels: str) -> float:
        """A sample of its metrics, summed over the labels that are not given."""
        async with self._client.get(self.own_address + "/metrics") as response:
            text = await response.text()
        values = (
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if re.match(rf"{sample}(\{{|\s)", line)
            and all(f'{name}="{value}"' in line for name, value in labels.items())
        )
        return sum(values)

    async def is_ready(self) -> bool:
        async with self._client.get(self.own_address + "/readyz") as response:
            return response.status == 200

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Servers:
    """All of them, with the same settings, on the same volume."""

    each: tuple[Server, ...]

    def __iter__(self) -> Iterator[Server]:
        return iter(self.each)

    async def ask(
        self,
        target: Target,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        varying: tuple[str, ...] = (),
    ) -> Answer:
        """What all of them answer: the same, but for the `varying` headers."""
        answers = await asyncio.gather(
            *(server.get(target_for(target, server), headers, method=method) for server in self.each)
        )
        first, *others = zip(self.each, answers, strict=True)
        for other in others:
            assert_same(first, other, varying)
        return first[1]


def target_for(target: Target, server: Server) -> str:
    return target if isinstance(target, str) else target(server)


def assert_same(one: tuple[Server, Answer], other: tuple[Server, Answer], varying: tuple[str, ...]) -> None:
    (one_server, one_answer), (other_server, other_answer) = one, other
    status, headers, body = one_answer.without(varying)
    other_status, other_headers, other_body = other_answer.without(varying)
    assert status == other_status, _said(one, other)
    only, other_only = set(headers) - set(other_headers), set(other_headers) - set(headers)
    assert headers == other_headers, f"\n{one_server} only: {only}\n{other_server} only: {other_only}"
    assert body == other_body, _said(one, other)


def _said(*answers: tuple[Server, Answer]) -> str:
    """Made only for who reads it: a body in words takes longer than a request."""
    return "".join(f"\n{server}: {answer}"[:1500] for server, answer in answers)
