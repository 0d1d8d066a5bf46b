"""How the picture host answers when it is told not to simply be good."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from pydantic import ConfigDict, TypeAdapter

_ERROR_PAGE = b"<!doctype html><html><title>Oops</title><body>Something went wrong.</body></html>"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What is different about an answer. Whatever is not named stays as a good host does it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    times: int | None = None
    """Only for so many requests; then comes the next behaviour, or goodness. None: for ever."""
    delay_s: float = 0
    """Silence before the first byte of the answer."""
    status: int | None = None
    """Answer this instead of the picture, with a line of text as its body unless `body` is given."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added, and replacing those of the same name."""
    content_type: str | None = None
    body: bytes | None = None
    """Sent instead of the picture."""
    drip_bytes_per_s: float | None = None
    """The body comes this slowly, in steps of 50 ms."""
    cut_after_bytes: int | None = None
    """The connection ends there although Content-Length promised all."""
    claimed_length: int | None = None
    """A wrong Content-Length; the body is sent whole all the same and the connection closed."""
    chunked: bool = False
    """No Content-Length."""
    no_answer: bool = False
    """The connection is closed without a byte."""
    reset: bool = False
    """The connection is reset (RST) without a byte."""

    raw: bytes | None = None
    """These bytes and nothing else, whatever they mean in HTTP; then the connection is closed."""
    endless: bytes | None = None
    """After `raw` these, over and over, until the client goes."""

    @classmethod
    def failing(cls, status: int, *, retry_after: int | str | None = None, times: int | None = None) -> Self:
        """An error; `retry_after` is seconds or an HTTP date."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls(status=status, headers=headers, times=times)

    @classmethod
    def redirecting(cls, to: str, *, status: int = 302, times: int | None = None) -> Self:
        """A redirect to a path of this host or to any URL."""
        return cls(status=status, headers={"Location": to}, times=times)

    @classmethod
    def error_page(cls, *, times: int | None = None) -> Self:
        """HTML that says 200, where a picture should be."""
        return cls(body=_ERROR_PAGE, content_type="text/html; charset=utf-8", times=times)

    @classmethod
    def empty(cls, *, times: int | None = None) -> Self:
        """200 and not a byte."""
        return cls(body=b"", times=times)


GOOD = Behaviour()
BEHAVIOURS: TypeAdapter[list[Behaviour]] = TypeAdapter(list[Behaviour])


class Script:
    """Behaviours in their order, each for its number of requests, and good after the last."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._coming = list(behaviours)
        self._used = 0

    def next(self) -> Behaviour:
        """How to answer the request that has just come."""
        while self._coming:
            current = self._coming[0]
            if current.times is None or self._used < current.times:
                self._used += 1
                return current
            self._coming.pop(0)
            self._used = 0
        return GOOD


class Gate:
    """Requests wait at it until the test opens it; then it stays open."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._change = asyncio.Condition()
        self.waiting = 0

    async def arrived(self, count: int = 1) -> None:
        """Wait until so many requests stand at the gate at once."""
        async with self._change:
            await self._change.wait_for(lambda: self.waiting >= count)

    async def left(self) -> None:
        """Wait until nobody stands at the gate: all let through, or gone."""
        async with self._change:
            await self._change.wait_for(lambda: self.waiting == 0)

    def open(self) -> None:
        self._open.set()

    async def pass_through(self) -> None:
        """What a request does."""
        if self._open.is_set():
            return
        await self._changed(+1)
        try:
            await self._open.wait()
        finally:
            await self._changed(-1)

    async def _changed(self, by: int) -> None:
        async with self._change:
            self.waiting += by
            self._change.notify_all()
