"""Early answers: to a whole, plain GET that is known already, before aiohttp parses it.

What is read here is less than HTTP, and never more: a head that says anything about a body, about another protocol,
or the same thing twice is left to aiohttp, and so is whatever nobody here knows an answer to.
"""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

END_OF_HEAD = b"\r\n\r\n"
LONGEST_HEAD = 8 * 1024
READ_AT_MOST = 1024
"""Blocks of headers that are remembered as read: a page's pictures are asked for with the same ones."""
LONGEST_REMEMBERED = 2 * 1024

_BLOCK = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")
_HEADER = re.compile(r"([^:\r\n]+):([^\r\n]*)\r\n")
_ENDINGS = {b" HTTP/1.1": True, b" HTTP/1.0": False}
_LEFT_TO_AIOHTTP = frozenset(
    {"content-length", "transfer-encoding", "expect", "upgrade", "range", "te", "trailer", "http2-settings"}
)


class Head(NamedTuple):
    """Of a GET without a body. A tuple, as what answers it: a frozen dataclass takes three times as long to make."""

    target: str
    is_1_1: bool
    """Else HTTP/1.0."""
    stays: bool
    """Whether the client wants to keep its connection."""
    headers: CIMultiDictProxy[str]
    is_conditional: bool = True
    """Whether a header makes a condition; as far as is known."""


def read_head(data: bytes) -> Head | None:
    """None for anything but one whole head of a plain GET."""
    line_ends = data.find(b"\r\n")
    is_1_1 = _ENDINGS.get(data[line_ends - 9 : line_ends])
    if is_1_1 is None or not data.startswith(b"GET ") or len(data) > LONGEST_HEAD:
        return None
    target, block = data[4 : line_ends - 9], data[line_ends + 2 :]
    read = _remembered(block) if len(block) <= LONGEST_REMEMBERED else _read(block)
    if read is None or not target.isascii():
        return None
    headers, connection, is_conditional = read
    if connection not in ("", "keep-alive", "close"):
        return None
    stays = connection != "close" if is_1_1 else connection == "keep-alive"
    return Head(target.decode(), is_1_1, stays, headers, is_conditional)


def _read(block: bytes) -> tuple[CIMultiDictProxy[str], str, bool] | None:
    """The headers, what they say of the connection, and whether they make a condition."""
    if not _BLOCK.fullmatch(block):
        return None
    lines = _HEADER.findall(block.decode("utf-8", "surrogateescape"))
    names = {name.lower() for name, _ in lines}
    if len(names) < len(lines) or not names.isdisjoint(_LEFT_TO_AIOHTTP):
        return None
    headers = CIMultiDictProxy(CIMultiDict((name, value.strip(" \t")) for name, value in lines))
    return headers, headers.get("Connection", "").lower(), any(name.startswith("if-") for name in names)


_remembered = lru_cache(READ_AT_MOST)(_read)


@dataclass(frozen=True, slots=True)
class FileToSend:
    """What comes behind the head: by the kernel, and then somebody is told whether all of it went out."""

    opened: BinaryIO
    """Closed by whoever sends it."""
    bytes: int
    sent: Callable[[bool], None]


class EarlyAnswer(NamedTuple):
    """Bytes as they go out, and perhaps a file."""

    bytes: bytes
    file: FileToSend | None = None


@dataclass(frozen=True, slots=True)
class Early:
    """What is asked first, for each GET that `read_head` reads."""

    answer: Callable[[Head], EarlyAnswer | None]
    """It may not take long, and not wait."""


EARLY = web.AppKey("early", Early)

_MORE_COMES = getattr(socket, "MSG_MORE", 0)  # of Linux
AT_ONCE = 1024 * 1024
"""Bytes that the kernel is given before others have their turn."""


class KernelSending:
    """One answer with a file on its way, on a descriptor of its own: the transport's is nobody else's to wait for.

    Nothing else may be written to the connection meanwhile. `ended` is called once, with whether all was sent; by
    `start`, where the kernel took all of it at once.
    """

    def __init__(
        self, transport: asyncio.Transport, head: bytes, file: FileToSend, ended: Callable[[bool], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket = transport.get_extra_info("socket").dup()
        self._head = head
        self._file = file
        self._sent_bytes = 0
        self._ended = ended
        self._waits = self._is_over = False

    def start(self) -> None:
        try:
            all_sent = self._send()
        except (BlockingIOError, InterruptedError):
            all_sent = False
        except OSError:
            self._end(all_sent=False)
            return
        if all_sent:
            self._end(all_sent=True)
        elif not self._waits:
            self._waits = True
            self._loop.add_writer(self._socket, self.start)

    def stop(self) -> None:
        """The connection is gone, or shall be."""
        self._end(all_sent=False)

    def _send(self) -> bool:
        """Whether that was the last of it. Raise OSError."""
        while self._head:
            self._head = self._head[self._socket.send(self._head, _MORE_COMES) :]
        turn_ends = min(self._file.bytes, self._sent_bytes + AT_ONCE)
        while self._sent_bytes < turn_ends:
            left = self._file.bytes - self._sent_bytes
            sent = os.sendfile(self._socket.fileno(), self._file.opened.fileno(), self._sent_bytes, left)
            if not sent:
                raise ConnectionResetError("The file ended before its time.")
            self._sent_bytes += sent
        return self._sent_bytes == self._file.bytes

    def _end(self, *, all_sent: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._waits:
            self._loop.remove_writer(self._socket)
        self._socket.close()
        self._file.opened.close()
        self._file.sent(all_sent)
        self._ended(all_sent)
