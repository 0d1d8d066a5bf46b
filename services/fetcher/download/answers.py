"""What a source's answer means, or its absence: which failure it is, and how long a picture stays fresh."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from multidict import MultiMapping

from services.fetcher.errors import PictureError
from shared.http.answers import parse_retry_after
from shared.http.outbound import ProxyFailed
from shared.pictures import FailureClass, SourceUrl, Validators, picture_host

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
