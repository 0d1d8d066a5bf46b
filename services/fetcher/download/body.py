"""The body: streamed to a file, within the limits of size and pace, and seen to be no web page."""

import asyncio
import hashlib
import zlib
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from aiohttp import hdrs

from services.fetcher.errors import PictureError
from shared.pictures import FailureClass, RevisionId, revision_id

UNPACKED = frozenset({"gzip", "deflate"})
"""Content codings that are taken, one at a time, although none is asked for: some hosts pack everything."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_CHUNK_BYTES = 256 * 1024
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")
_LOOKED_AT_BYTES = 512


@dataclass(frozen=True, slots=True)
class Limits:
    max_body_mb: int
    lowest_bytes_per_s: float
    window_s: float
    """Over which the pace is measured."""


class BodyPace:
    """How fast a body comes, measured window by window: a source that drips holds a seat and a slot."""

    def __init__(self, limits: Limits, time: Callable[[], float]) -> None:
        self._lowest = limits.lowest_bytes_per_s
        self._window_s = limits.window_s
        self._time = time
        self._began = time()
        self._bytes = 0

    def came(self, size: int) -> None:
        """Raise PictureError when the window that ends here has brought too little."""
        self._bytes += size
        lasted = self._time() - self._began
        if lasted < self._window_s:
            return
        if self._bytes < self._lowest * lasted:
            raise PictureError(FailureClass.UPSTREAM, "The source sent the picture too slowly.")
        self._began, self._bytes = self._time(), 0


async def take_body(response: aiohttp.ClientResponse, into: Path, limits: Limits) -> tuple[int, RevisionId]:
    """Bytes and revision of what was written. Raise PictureError. What was unpacked counts, not what was sent."""
    limit = limits.max_body_mb * 1024 * 1024
    if (response.content_length or 0) > limit:
        raise _too_large(limits)
    size, digest = 0, hashlib.sha256()
    pace = BodyPace(limits, asyncio.get_running_loop().time)
    with into.open("wb") as file:
        async for chunk in _unpacked(response):
            if not size:
                _refuse_text(chunk)
            size += len(chunk)
            if size > limit:
                raise _too_large(limits)
            file.write(chunk)
            digest.update(chunk)
            pace.came(len(chunk))
    if not size:
        raise PictureError(FailureClass.UPSTREAM, "The source sent an empty body.")
    return size, revision_id(digest.hexdigest())


async def _unpacked(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """In pieces of bounded size, whatever they are packed as: not by the client, whose codings depend on what
    else is installed, and who takes an early end for the end.
    """
    coding = ",".join(response.headers.getall(hdrs.CONTENT_ENCODING, [])).strip().lower()
    if coding not in {"", "identity", *UNPACKED}:
        reason = f"The source packed the picture in a way that is not unpacked here: {coding[:50]!a}."
        raise PictureError(FailureClass.UNSOUND, reason)
    inflating = zlib.decompressobj(_GZIP_OR_ZLIB) if coding in UNPACKED else None
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        packed = chunk
        while inflating and packed:
            yield inflating.decompress(packed, _CHUNK_BYTES)
            packed = inflating.unconsumed_tail
            if inflating.unused_data:  # unpacking thousands of tiny members costs more than sending them
                raise zlib.error("something comes after the end")
        if not inflating:
            yield chunk
    if inflating:
        yield inflating.flush()
        if not inflating.eof:
            raise zlib.error("the end is missing")


def _refuse_text(beginning: bytes) -> None:
    """Bytes decide what a picture is, whatever their label says; these are none, and the reader may know why."""
    start = beginning[:_LOOKED_AT_BYTES].removeprefix(BOM_UTF8).lstrip().lower()
    is_page = start.startswith(_PAGES) or (start.startswith(b"<!--") and _PAGES[0] in start)
    what = "a web page" if is_page else "JSON" if start.startswith((b"{", b"[")) else None
    if what:
        raise PictureError(FailureClass.UNSOUND, f"The source sent {what} instead of a picture.")


def _too_large(limits: Limits) -> PictureError:
    text = f"The picture is larger than {limits.max_body_mb} MB."
    return PictureError(FailureClass.UNSOUND, text, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
