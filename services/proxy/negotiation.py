"""What a client accepts and on which condition (RFC 9110): `Accept`, `If-None-Match`, `Range` and their kin."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from functools import lru_cache

from multidict import MultiMapping

from shared.pictures import Format

_TAG = re.compile(r"(?:W/)?\"[^\"]*\"|[^\s,]+")
_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)


class Precondition(Enum):
    SEND = auto()
    NOT_MODIFIED = auto()
    PRECONDITION_FAILED = auto()


class Unsatisfiable(Exception):
    """The range lies outside of the file: 416."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def evaluate(
    headers: MultiMapping[str], etag: str, modified_s: int, *, may_go_back: bool = False
) -> Precondition:
    """In the order of section 13.2.2. `may_go_back`: to a file that is older than one that was shown, so that a date
    says nothing but whether it is this file's.
    """
    if (match := _list(headers, "If-Match")) is not None:
        if not _names(match, etag, weakly=False):
            return Precondition.PRECONDITION_FAILED
    elif (since := _date(headers.get("If-Unmodified-Since"))) is not None and modified_s > since:
        return Precondition.PRECONDITION_FAILED
    if (none_match := _list(headers, "If-None-Match")) is not None:
        return Precondition.NOT_MODIFIED if _names(none_match, etag, weakly=True) else Precondition.SEND
    since = _date(headers.get("If-Modified-Since"))
    if since is not None and (modified_s == since or (modified_s < since and not may_go_back)):
        return Precondition.NOT_MODIFIED
    return Precondition.SEND


def _list(headers: MultiMapping[str], name: str) -> str | None:
    """Several lines are one list (section 5.3)."""
    lines = headers.getall(name, ())
    return ",".join(lines) if lines else None


def asked_span(headers: Mapping[str, str], etag: str, modified_s: int, size: int) -> Span | None:
    """The part that is asked for; None: all of it. Raise Unsatisfiable.

    Several ranges in one request are answered with the whole, which section 14.2 allows.
    """
    text = headers.get("Range")
    if text is None or not _still_valid(headers.get("If-Range"), etag, modified_s):
        return None
    found = _RANGE.fullmatch(text)
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2][:18]), size)
        if not length:
            raise Unsatisfiable
        return Span(size - length, size - 1)
    first = int(found[1][:18])
    last = min(int(found[2][:18]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2][:18]) < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Span(first, last)


RANGES_AT_MOST = 16
"""In one request; more are answered with the whole, as nginx is set to do."""

_SPEC = re.compile(r" *(?:(\d+) *- *(\d*)|-(\d+)) *", re.ASCII)


def asked_spans(headers: Mapping[str, str], etag: str, modified_s: int, size: int) -> tuple[Span, ...]:
    """The parts of a video that are asked for, in the order of the request; none: all of it. Raise Unsatisfiable.

    Byte for byte as nginx reads them, which serves the same files (`ngx_http_range_parse`): what is no list of ranges is
    unsatisfiable (RFC 9110, section 14.2, lets a server reject it); those outside of the file are passed over; and what is more
    than the whole, or in more parts than are sensible, is the whole.
    """
    text = headers.get("Range", "")
    if len(text) < len("bytes=0") or text[:6].lower() != "bytes=":
        return ()
    if not _still_valid(headers.get("If-Range"), etag, modified_s):
        return ()
    spans = []
    for spec in text[6:].split(","):
        found = _SPEC.fullmatch(spec)
        if not found:
            raise Unsatisfiable
        span = _span_of(found, size)
        if span.length > 0:
            spans.append(span)
    if not spans:
        raise Unsatisfiable
    if len(spans) > RANGES_AT_MOST or sum(span.length for span in spans) > size:
        return ()
    return tuple(spans)


def _span_of(found: re.Match[str], size: int) -> Span:
    """Of no length where it has nothing of the file."""
    if found[3]:
        return Span(max(0, size - int(found[3][:18])), size - 1)
    first, last = int(found[1][:18]), int(found[2][:18]) if found[2] else size
    return Span(first, max(first - 1, min(last, size - 1)))


def _still_valid(if_range: str | None, etag: str, modified_s: int) -> bool:
    """Strong comparison of a tag, or the exact date."""
    if if_range is None:
        return True
    if if_range.startswith('"'):
        return if_range.strip() == etag
    return _date(if_range) == modified_s


def _names(header: str, etag: str, *, weakly: bool) -> bool:
    if header == etag or header.strip() == "*":
        return True
    tags = [tag.strip() for tag in _TAG.findall(header)]
    return any((tag.removeprefix("W/") if weakly else tag) == etag for tag in tags)


def _date(text: str | None) -> int | None:
    """Seconds since the epoch; None for no date, which counts as no header."""
    if text is None:
        return None
    try:
        parsed: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


LONGEST_ACCEPT = 1000
"""Characters; far longer than any client's. A longer one is not read."""


def welcome_formats(headers: MultiMapping[str], usual: Format) -> tuple[Format, ...]:
    """What would do for the client, the better first, the last to be made: AVIF only where it is there already, for
    it is slow to make. `usual`: for who says nothing of formats. Several lines are one list (RFC 9110, section 5.3).
    """
    lines = headers.getall("Accept", ())
    accept = lines[0] if len(lines) == 1 else ",".join(lines)
    return _welcome(accept, usual) if len(accept) <= LONGEST_ACCEPT else (Format.JPG,)


@lru_cache(256)
def _welcome(accept: str, usual: Format) -> tuple[Format, ...]:
    if not accept or (
        accept.partition(";")[0].strip() == "*/*" and accepts(accept, "*/*") and "," not in accept
    ):
        return (usual,)
    made = Format.WEBP if accepts(accept, "image/webp") else Format.JPG
    return (Format.AVIF, made) if accepts(accept, "image/avif") else (made,)


def accepts(accept: str, media_type: str) -> bool:
    """Whether the header names this very type: a wildcard is sent by clients that cannot show WebP, too."""
    for part in accept.split(","):
        named, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if named == media_type:
            return not any(p.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters)
    return False


def is_browser_image(headers: Mapping[str, str]) -> bool:
    """Whether an `<img>` asks. Browsers leave Sec-Fetch-Dest out for plain-HTTP origins; then by the rest."""
    destination = headers.get("Sec-Fetch-Dest")
    if destination is not None:
        return destination == "image"
    accept = headers.get("Accept", "")
    modern = accepts(accept, "image/webp") or accepts(accept, "image/avif")
    return modern and "Mozilla/" in headers.get("User-Agent", "")
