"""Heads of answers, before they are parsed: a length that is said twice and is the same both times is said once.

RFC 9110, section 8.6, lets a recipient do so; the parser refuses it, and there is no other way to it than the
protocol that is between the two.
"""

import asyncio
import re
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:([^\r\n]*)(?=\r\n)", re.IGNORECASE)
_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.\d (\d\d\d)")
_LONGEST = 128 * 1024
"""What is longer is left to the parser as it is."""


def say_lengths_once(session: aiohttp.ClientSession) -> None:
    """Of all answers that come over connections that this session will make."""
    connector = session.connector
    assert connector
    kind: type[ResponseHandler] = _Repairing
    connector._factory = partial(kind, loop=asyncio.get_running_loop())  # noqa: SLF001 - see above


class _Repairing(ResponseHandler):
    """Holds a head back until it is all there, interim ones before it as well."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._held: bytes | None = None

    def set_response_params(self, **options: Any) -> None:
        self._held = b""
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        if self._held is None or not data:
            super().data_received(data)
            return
        self._held += data
        passed = b""
        while (end := self._held.find(_END)) >= 0:
            head, self._held = self._held[: end + len(_END)], self._held[end + len(_END) :]
            passed += _said_once(head)
            if not _is_interim(head):
                passed, self._held = passed + self._held, None
                break
        if self._held is not None and not _may_become_a_head(self._held):
            passed, self._held = passed + self._held, None
        if passed:
            super().data_received(passed)
        else:
            self._reschedule_timeout()

    def connection_lost(self, exc: BaseException | None) -> None:
        held, self._held = self._held, None
        if held:
            super().data_received(held)
        super().connection_lost(exc)


def _may_become_a_head(data: bytes) -> bool:
    return len(data) < _LONGEST and (data.startswith(b"HTTP/") or b"HTTP/".startswith(data))


def _is_interim(head: bytes) -> bool:
    found = _STATUS.match(head)
    return found is not None and found[1].startswith(b"1") and found[1] != b"101"


def _said_once(head: bytes) -> bytes:
    lengths = [each.strip() for line in _LENGTH.findall(head) for each in line.split(b",")]
    if len(lengths) < 2 or len(set(lengths)) > 1 or not lengths[0].isdigit():  # noqa: PLR2004 - twice
        return head
    without: bytes = _LENGTH.sub(b"", head)[: -len(_END)]
    return b"".join((without, b"\r\nContent-Length: ", lengths[0], _END))
