"""What a source's answer means, or its absence: which failure it is, and how long a picture stays fresh."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import aiohttp

from services.fetcher.errors import PictureError
from shared.http.answers import parse_retry_after
from shared.http.outbound import ProxyFailed
from shared.pictures import FailureClass, SourceUrl, Validators, picture_host

FRESH_AT_LEAST = timedelta(hours=1)
FRESH_BY_DEFAULT = timedelta(days=1)
FRESH_AT_MOST = timedelta(days=30)
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,500}")
"""What is sent back to the source one day, from a file that everybody reads."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,10})(?:$|[\s,])")

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
    """The failure that an answer without a picture is; None for 200."""
    if status == HTTPStatus.OK:
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


def freshness(source: SourceUrl, headers: Mapping[str, str], now: datetime) -> Freshness:
    """By the host's policy, else by the answer's `max-age`, held between an hour and thirty days."""
    validators = Validators(
        etag=_validator(headers.get("ETag")), last_modified=_validator(headers.get("Last-Modified"))
    )
    host = picture_host(source.host)
    if host and host.immutable:
        return Freshness(None, validators)
    stated = _MAX_AGE.search(headers.get("Cache-Control", "").lower())
    lasts = timedelta(seconds=int(stated[1])) if stated else FRESH_BY_DEFAULT
    return Freshness(now + min(max(lasts, FRESH_AT_LEAST), FRESH_AT_MOST), validators)


def _validator(value: str | None) -> str | None:
    return value if value and _VALIDATOR.fullmatch(value) else None
