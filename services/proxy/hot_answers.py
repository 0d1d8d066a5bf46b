"""Hot answers: what a request was answered last time, whole, as long as the disk still says the same.

A page's pictures are asked for over and over, in the very same words. Then nothing has to be parsed,
decided or put together again: one look at the disk, and the bytes are on their way, or word that the client has
them already. A purge or another revision shows in that look.
"""

import time
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from services.proxy.negotiation import welcome_formats
from services.proxy.wanted import Changeable
from shared.http.app import Facts
from shared.http.early import Head
from shared.pictures import Format, Name, PictureId
from shared.volume import LocalFile, Names

HOT_BYTES = 256 * 1024
"""Larger files are sent by the kernel: of their answers the head is kept."""

OVERHEAD_BYTES = 2048
PASSED_LASTS_S = 1.0
"""How long a preferred file (AVIF made meanwhile, a pinned copy) may be there without being noticed, and a name show
another picture."""

ROUTE = web.RequestKey("route", str)
"""As the request is counted."""
VALID_UNTIL_S = web.RequestKey("valid until", float)
"""Since the epoch: the end of what it was signed for, where that ends."""

Key = tuple[str, tuple[Format, ...]]


class ReadyBytes:
    """An answer of one file as it goes out: what was found, or that it is unchanged.

    It changes with the date alone, once a second: nothing is copied for most requests.
    """

    def __init__(self, headers: dict[str, str], length: int, body: bytes) -> None:
        """`body` is empty where the kernel sends it."""
        of_a_body = ("Content-Type", "Accept-Ranges")
        self._found = _lines({**headers, "Content-Length": str(length)})
        self._unchanged = _lines({name: headers[name] for name in headers if name not in of_a_body})
        self._body_length = len(body)
        self._second = self._unchanged_second = 0
        self._bytes, self._unchanged_bytes = body, b""

    def found(self, head: Head) -> bytes:
        """200, with the body."""
        second = int(time.time())
        if head.is_1_1 and head.stays:
            if second != self._second:
                self._bytes = _joined(head, b" 200 OK\r\n", self._found, second, self._body)
                self._second = second
            return self._bytes
        return _joined(head, b" 200 OK\r\n", self._found, second, self._body)

    def unchanged(self, head: Head) -> bytes:
        """304."""
        second = int(time.time())
        if not (head.is_1_1 and head.stays):
            return _joined(head, b" 304 Not Modified\r\n", self._unchanged, second, b"")
        if second != self._unchanged_second:
            self._unchanged_bytes = _joined(head, b" 304 Not Modified\r\n", self._unchanged, second, b"")
            self._unchanged_second = second
        return self._unchanged_bytes

    @property
    def _body(self) -> bytes | memoryview:
        return memoryview(self._bytes)[-self._body_length :] if self._body_length else b""


def _joined(head: Head, status: bytes, lines: bytes, second: int, body: bytes | memoryview) -> bytes:
    version = b"HTTP/1.1" if head.is_1_1 else b"HTTP/1.0"
    connection = b""
    if head.is_1_1 != head.stays:  # what the version does not say by itself
        connection = b"Connection: keep-alive\r\n" if head.stays else b"Connection: close\r\n"
    return b"".join((version, status, lines, connection, _date_line(second), body))


def _lines(headers: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


@lru_cache(2)
def _date_line(second: int) -> bytes:
    """The last header, and the end of the headers."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n\r\n".encode()


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
    etag: str
    modified_s: int
    ready: ReadyBytes
    route: str
    valid_until_s: float
    """As of the request: `ROUTE`, `VALID_UNTIL_S`."""
    passed_until_s: float = 0.0
    is_small: bool = field(init=False)
    said: Facts = field(init=False)
    """What its line says of it."""

    def __post_init__(self) -> None:
        self.is_small = self.bytes <= HOT_BYTES
        self.said = (("picture", self.picture), ("rendition", self.file_name), ("outcome", "hit"))
        if self.name:
            self.said += (("name", str(self.name)),)

    def still_holds(self, now_s: float, names: Names) -> bool:
        """Whether the file is what it was; and, now and then, whether it is still the one that is preferred."""
        if now_s >= self.passed_until_s:
            if self.name and _at_once(names.picture(self.name)) != self.picture:
                return False
            if not self.local.is_preferred():
                return False
            self.passed_until_s = now_s + PASSED_LASTS_S
        return self.local.is_there()


def _at_once(coroutine: Coroutine[Any, Any, PictureId | None]) -> PictureId | None:
    """What it returns without waiting for anything; None where it would have to wait."""
    try:
        coroutine.send(None)
    except StopIteration as returned:
        answer: PictureId | None = returned.value
        return answer
    coroutine.close()
    return None


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

    def find(self, head: Head) -> HotAnswer | None:
        key = self._key(head.target, head.headers)
        answer = self._answers.get(key)
        if answer is None or time.time() >= answer.valid_until_s:
            return None
        if not answer.still_holds(time.monotonic(), self._names):
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def keep(self, request: web.Request, answer: HotAnswer) -> None:
        """The answer to this request, which asked for the whole file."""
        held = _held(answer)
        if request.method != "GET" or held > self._max_bytes:
            return
        key = self._key(request.raw_path, request.headers)
        self._drop(key)
        self._answers[key] = answer
        self._held_bytes += held + _cost(key)
        while self._held_bytes > self._max_bytes:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Key) -> None:
        dropped = self._answers.pop(key, None)
        if dropped:
            self._held_bytes -= _held(dropped) + _cost(key)

    def _key(self, target: str, headers: MultiMapping[str]) -> Key:
        return target, welcome_formats(headers, self._usual)


def _held(answer: HotAnswer) -> int:
    return answer.bytes if answer.is_small else 0


def _cost(key: Key) -> int:
    """What an answer takes besides its body, roughly: anybody may ask for a small picture in many words."""
    return len(key[0]) + OVERHEAD_BYTES
