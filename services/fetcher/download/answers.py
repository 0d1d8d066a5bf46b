"""What a host answered: status and headers, and a body within its limits of size, coding and pace."""

import asyncio
import hashlib
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp
from aiohttp import hdrs
from multidict import MultiMapping

from services.fetcher.errors import PictureError
from shared.http.answers import parse_retry_after
from shared.http.outbound import ProxyFailed
from shared.pictures import FailureClass, RevisionId, SourceUrl, Validators, picture_host, revision_id

_GZIP = frozenset({"gzip", "x-gzip"})
_UNPACKED = _GZIP | {"deflate"}
"""Content codings that are taken, although none is asked for: some hosts pack everything."""

_OTHER_CODINGS = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
"""That there are, and that are not unpacked here. What else a host says there is no coding, and says nothing:
stores keep words of an upload, as of one that came in signed pieces."""

MAX_LAYERS = 3
MAX_MEMBERS = 1000
"""Of a gzip: unpacking thousands of tiny ones costs more than sending them."""

_AUTOMATIC, _RAW = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_BEGINNING_BYTES = 12
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0", b"<")
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
    """In pieces of bounded size, whatever they are packed as (RFC 9110, section 8.4): not by the client, whose
    codings depend on what else is installed, and who takes an early end for the end.
    """
    said = ",".join(response.headers.getall(hdrs.CONTENT_ENCODING, [])).lower().split(",")
    codings = [coding for coding in map(str.strip, said) if coding in _UNPACKED or coding in _OTHER_CODINGS]
    layers: list[_Layer] | None = None
    began = b""
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        data = began + chunk
        if layers is None and len(data) < _BEGINNING_BYTES:
            began = data
            continue
        if layers is None:
            layers, began = _layers(codings, data), b""
        for piece in _through(layers, data):
            yield piece
    if layers is None and began:
        layers = _layers(codings, began)
        for piece in _through(layers, began):
            yield piece
    for layer in layers or ():
        layer.check_end()


def _layers(codings: list[str], beginning: bytes) -> "list[_Layer]":
    """What was packed last is unpacked first; nothing is, where the bytes are a picture as they are: they decide."""
    if _looks_like_a_picture(beginning):
        return []
    unknown = [coding for coding in codings if coding not in _UNPACKED]
    if unknown or len(codings) > MAX_LAYERS:
        said = ", ".join(codings)
        reason = f"The source packed the picture in a way that is not unpacked here: {said[:50]!a}."
        raise PictureError(FailureClass.UNSOUND, reason)
    return [_Layer(coding) for coding in reversed(codings)]


def _looks_like_a_picture(beginning: bytes) -> bool:
    return beginning.startswith(_BEGINNINGS) or beginning[4:8] == b"ftyp"


def _through(layers: "list[_Layer]", data: bytes) -> Iterator[bytes]:
    if not layers:
        yield data
        return
    for piece in layers[0].unpacked(data):
        yield from _through(layers[1:], piece)


class _Layer:
    """One coding: a gzip may have several members (RFC 1952, section 2.2) and anything else behind them, and what is
    called deflate may lack its wrapping.
    """

    def __init__(self, coding: str) -> None:
        self._is_gzip = coding in _GZIP
        self._inflating: zlib._Decompress | None = None
        self._members = 0
        self._waiting = b""
        self._is_done = False

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        """Raise zlib.error for what is not packed so."""
        while data and not self._is_done:
            if self._inflating is None or self._inflating.eof:
                data = self._next_member(self._waiting + data)
                continue
            piece = self._inflating.decompress(data, _CHUNK_BYTES)
            data = self._inflating.unconsumed_tail or self._inflating.unused_data
            if piece:
                yield piece

    def check_end(self) -> None:
        if self._inflating is None or not self._inflating.eof:
            raise zlib.error("the end is missing")

    def _next_member(self, data: bytes) -> bytes:
        """What is left of the data where the next begins; nothing where more of it must come, or all is done."""
        if self._inflating:
            data = data.lstrip(b"\0")
        if len(data) < len(_GZIP_MAGIC):
            self._waiting = data
            return b""
        self._waiting = b""
        if self._inflating and not (self._is_gzip and data.startswith(_GZIP_MAGIC)):
            self._is_done = True
            return b""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise zlib.error("too many members")
        self._inflating = zlib.decompressobj(_AUTOMATIC if self._is_gzip or _is_wrapped(data) else _RAW)
        return data


def _is_wrapped(data: bytes) -> bool:
    """Whether it begins as RFC 1950 has it."""
    return len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0


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


FRESH_AT_LEAST = timedelta(hours=1)
FRESH_BY_DEFAULT = timedelta(days=1)
FRESH_AT_MOST = timedelta(days=30)
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,500}")
"""What is sent back to the source one day, from a file that everybody reads."""

_DIRECTIVE = re.compile(r"""([\w-]+)(?:\s{0,9}=\s{0,9}("(?:[^"\\]|\\.){0,99}"|[^\s,"]{0,99}))?""")
_SECONDS = re.compile(r"\d+", re.ASCII)
_LIFETIMES = ("s-maxage", "max-age")
"""What counts for caches that many share, first (RFC 9111, section 4.2.1)."""

_LONG_S = 10**9
_PICTURES = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NON_AUTHORITATIVE_INFORMATION})
"""Of an avatar service that has drawn it just now, or of a proxy on the way that has changed it, as well."""

_CLASSES = {
    404: FailureClass.GONE,
    407: FailureClass.UPSTREAM,  # a proxy's, on the way
    408: FailureClass.UPSTREAM,
    410: FailureClass.GONE,
    429: FailureClass.BUSY,
}


@dataclass(frozen=True, slots=True)
class Freshness:
    """How to ask again, and when. `fresh_until` is None where the picture never changes under its URL."""

    fresh_until: datetime | None
    validators: Validators


def error_for(status: int, headers: Mapping[str, str], now: datetime) -> PictureError | None:
    """The failure that an answer without a picture is; None for one with a picture."""
    if status in _PICTURES:
        return None
    retry_after = parse_retry_after(headers.get("Retry-After"), now)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and retry_after:
        failure_class = FailureClass.BUSY
    elif 400 <= status < 500:  # noqa: PLR2004 - client errors: asking again the same way will not help
        failure_class = _CLASSES.get(status, FailureClass.REFUSED)
    else:
        failure_class = FailureClass.UPSTREAM
    if failure_class is not FailureClass.BUSY:
        retry_after = None  # how long an error is remembered is not the source's to say
    return PictureError(
        failure_class, f"The source answered {status}.", status=status, retry_after=retry_after
    )


def error_of(broken: Exception) -> PictureError:
    """The failure that an answer is which did not come, or broke off. OSError: writing it failed."""
    match broken:
        case aiohttp.ClientConnectorDNSError():
            reason = "The host's name could not be resolved."
        case TimeoutError():
            reason = "The source did not answer in time."
        case ProxyFailed():
            reason = "The proxy on the way to the source did not let us through."
        case aiohttp.ClientSSLError():
            reason = "No safe connection to the source could be made."
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError() | zlib.error():
            reason = "The source's answer is broken."
        case OSError() if not isinstance(broken, aiohttp.ClientError):
            return PictureError(FailureClass.OURS, f"The picture could not be written: {broken.strerror}.")
        case _:
            reason = "The connection to the source broke."
    return PictureError(FailureClass.UPSTREAM, reason)


def freshness(source: SourceUrl, headers: MultiMapping[str], now: datetime) -> Freshness:
    """By the host's policy, else by what the answer says, held between an hour and thirty days."""
    validators = Validators(
        etag=_validator(headers.get("ETag")), last_modified=_validator(headers.get("Last-Modified"))
    )
    host = picture_host(source.host)
    if host and host.immutable:
        return Freshness(None, validators)
    lasts = _lifetime(headers, now)
    left = FRESH_BY_DEFAULT if lasts is None else lasts - _age(headers, now)
    return Freshness(now + min(max(left, FRESH_AT_LEAST), FRESH_AT_MOST), validators)


def _lifetime(headers: MultiMapping[str], now: datetime) -> timedelta | None:
    """From when the answer was made (RFC 9111, section 4.2.1); none at all where it says no sound number."""
    said: dict[str, str] = {}
    for name, value in _DIRECTIVE.findall(",".join(headers.getall("Cache-Control", ()))):
        said.setdefault(name.lower(), value.strip('"'))
    for name in _LIFETIMES:
        if name in said:
            return _seconds(said[name]) or timedelta(0)
    if "Expires" not in headers:
        return None
    expires = _date(headers.get("Expires"))
    return expires - (_date(headers.get("Date")) or now) if expires else timedelta(0)


def _age(headers: MultiMapping[str], now: datetime) -> timedelta:
    """How old the answer was when it came (section 4.2.3): as caches on the way say, or its date."""
    made = _date(headers.get("Date"))
    apparent = max(now - made, timedelta(0)) if made else timedelta(0)
    return max(apparent, _seconds(headers.get("Age", "").partition(",")[0].strip()) or timedelta(0))


def _seconds(text: str) -> timedelta | None:
    return timedelta(seconds=min(int(text[:20]), _LONG_S)) if _SECONDS.fullmatch(text) else None


def _date(text: str | None) -> datetime | None:
    """None for no date: a zone that is missing is Greenwich's."""
    try:
        parsed = parsedate_to_datetime(text or "")
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _validator(value: str | None) -> str | None:
    return value if value and _VALIDATOR.fullmatch(value) else None
