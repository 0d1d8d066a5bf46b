"""Which failure a provider's status is. Trakt's table (API documentation, "Status Codes") with TMDB's inside it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from services.enricher.finder.providers.errors import (
    Broken,
    Busy,
    Misconfigured,
    NothingThere,
    ProviderError,
    Refused,
)
from shared.http.answers import parse_retry_after

OVERLOADED_FOR = timedelta(seconds=30)
"""After 502, 503 and 504, where nothing else is said: Trakt's "try again in 30s"."""

_OVERLOADED = frozenset({502, 503, 504})
_REASONS: Mapping[int, tuple[type[ProviderError], str]] = {
    204: (NothingThere, "has nothing there"),
    401: (Misconfigured, "does not accept our key"),
    403: (Misconfigured, "does not accept our key"),
    404: (NothingThere, "knows no such thing"),
    407: (Broken, "is behind a proxy that does not let us through"),
    408: (Broken, "lost patience with our request"),
    409: (Refused, "says that this was done already"),
    410: (NothingThere, "knows no such thing any more"),
    412: (Misconfigured, "misses a header that it requires"),
    420: (Refused, "says that the account has reached its limit"),
    422: (Refused, "cannot make sense of what was asked"),
    423: (Misconfigured, "has locked the account"),
    426: (Refused, "gives this only to VIP accounts"),
    429: (Busy, "asks us to wait"),
}


def error_for(provider: str, status: int, headers: Mapping[str, str], now: datetime) -> ProviderError | None:
    """The failure that an answer is; None for 200."""
    if status == HTTPStatus.OK:
        return None
    retry_after = parse_retry_after(headers.get("Retry-After"), now)
    if status in _OVERLOADED:
        kind = Busy if retry_after else Broken
        return kind(
            f"{provider} is overloaded ({status}).", status=status, retry_after=retry_after or OVERLOADED_FOR
        )
    if status == HTTPStatus.FORBIDDEN and _is_a_challenge(headers):
        return Broken(f"{provider} is kept from us by a challenge to browsers ({status}).", status=status)
    if status in _REASONS:
        named, said = _REASONS[status]
        told = retry_after if named is Busy else None  # how long else to wait is not the provider's to say
        return named(f"{provider} {said} ({status}).", status=status, retry_after=told)
    if 400 <= status < 500:  # noqa: PLR2004 - client errors: asking again the same way will not help
        return Refused(f"{provider} refused ({status}).", status=status)
    return Broken(f"{provider} answered {status}.", status=status)


def _is_a_challenge(headers: Mapping[str, str]) -> bool:
    """Of Cloudflare's, which says nothing about our key."""
    return "cf-mitigated" in headers or headers.get("Content-Type", "").startswith("text/html")
