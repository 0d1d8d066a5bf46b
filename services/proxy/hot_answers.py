"""Hot answers: what a request was answered last time, whole, as long as the disk still says the same.

A page's pictures are asked for over and over, in the very same words. Then nothing has to be parsed,
decided or put together again: one look at the disk, and the bytes are on their way. A purge or another
revision shows in that look.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion11, hdrs, web

from services.proxy.negotiation import welcome_formats
from services.proxy.wanted import Changeable
from shared.http import WrittenResponse
from shared.pictures import Format, Name, PictureId
from shared.volume import LocalFile, Names

HOT_BYTES = 256 * 1024
"""Larger files are sent by the kernel."""

OVERHEAD_BYTES = 2048
PASSED_LASTS_S = 1.0
"""How long a preferred file (AVIF made meanwhile, a pinned copy) may be there without being noticed, and a name show
another picture."""

Key = tuple[str, tuple[Format, ...]]


@dataclass(slots=True)
class HotAnswer:
    """What was answered with a local file, of which one system call tells whether it is still what it was."""

    picture: PictureId
    file_name: str
    name: Name | None
    """By which it was asked for, and which showed this picture."""
    may_change: Changeable | None
    """What is to be looked after for staleness, where the source can change."""
    local: LocalFile
    bytes: int
    response: "ReadyResponse"
    passed_until_s: float = 0.0

    async def still_holds(self, now_s: float, names: Names) -> bool:
        """Whether the file is what it was; and, now and then, whether it is still the one that is preferred."""
        if now_s >= self.passed_until_s:
            if self.name and await names.picture(self.name) != self.picture:
                return False
            if not self.local.is_preferred():
                return False
            self.passed_until_s = now_s + PASSED_LASTS_S
        return self.local.is_there()


class HotAnswers:
    """Bounded by the bytes of the bodies, least recently used out first."""

    def __init__(self, max_bytes: int, names: Names, usual: Format) -> None:
        """`usual`: what a client gets that says nothing of formats."""
        self._names = names
        self._usual = usual
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._answers: OrderedDict[Key, HotAnswer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    async def find(self, request: web.Request) -> HotAnswer | None:
        key = self._key(request)
        answer = self._answers.get(key) if key else None
        if key is None or answer is None:
            return None
        if not await answer.still_holds(time.monotonic(), self._names):
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def keep(self, request: web.Request, answer: HotAnswer) -> None:
        key = self._key(request)
        if key is None or answer.bytes > self._max_bytes:
            return
        self._drop(key)
        self._answers[key] = answer
        self._held_bytes += answer.bytes + _cost(key)
        while self._held_bytes > self._max_bytes:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Key) -> None:
        dropped = self._answers.pop(key, None)
        if dropped:
            self._held_bytes -= dropped.bytes + _cost(key)

    def _key(self, request: web.Request) -> Key | None:
        """None for a request that is about more than the file: it takes the long way."""
        headers = request.headers
        if (
            request.method != "GET"
            or request.version != HttpVersion11
            or hdrs.RANGE in headers
            or hdrs.IF_NONE_MATCH in headers
            or hdrs.IF_MODIFIED_SINCE in headers
            or hdrs.IF_MATCH in headers
            or hdrs.IF_UNMODIFIED_SINCE in headers
            or hdrs.CONNECTION in headers
        ):
            return None
        return request.raw_path, welcome_formats(headers, self._usual)


class ReadyResponse(WrittenResponse):
    """It has no state of its own but the date, which it puts in once a second: so one of them answers every
    request, and nothing is copied for most of them.
    """

    def __init__(self, head: bytes, body: bytes) -> None:
        super().__init__()
        self._head = head
        self._body_length = len(body)
        self._second = 0
        self._bytes = body

    def whole(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            body = memoryview(self._bytes)[-self._body_length :]
            self._bytes = b"".join((self._head, _date_line(second), body))
            self._second = second
        return self._bytes


def _cost(key: Key) -> int:
    """What an answer takes besides its body, roughly: anybody may ask for a small picture in many words."""
    return len(key[0]) + OVERHEAD_BYTES


def head_of(headers: dict[str, str], length: int) -> bytes:
    """The status line and the headers that do not depend on the moment."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 200 OK\r\n{''.join(lines)}Content-Length: {length}\r\n".encode()


@lru_cache(2)
def _date_line(second: int) -> bytes:
    """The last header, and the end of the headers."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n\r\n".encode()
