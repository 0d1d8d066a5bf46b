"""What can go wrong with asking a provider, and which failure an answer's status is.

How long each is remembered is the cache's to say.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from shared.http.answers import parse_retry_after
from shared.pictures import FailureClass


class ProviderError(Exception):
    """A provider did not give what it was asked for. `reason` is a sentence for users, without secrets.

    ProviderError
    ├── NothingThere    gone: the provider knows no such thing
    ├── Misconfigured   refused: it does not accept our key, headers or account; says nothing about the thing
    ├── Refused         refused: it will not do what was asked
    ├── Busy            busy: it asks us to wait
    │   └── NotAsked    our own budget would not let us ask in time
    ├── Broken          upstream: it broke, or could not be reached
    └── Unreadable      unsound: its answer is not what it documents, or too large
    """

    failure_class = FailureClass.OURS

    def __init__(
        self, reason: str, *, status: int | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class NothingThere(ProviderError):
    failure_class = FailureClass.GONE


class Misconfigured(ProviderError):
    failure_class = FailureClass.REFUSED


class Refused(ProviderError):
    failure_class = FailureClass.REFUSED


class Busy(ProviderError):
    failure_class = FailureClass.BUSY


class NotAsked(Busy):
    """`busy_until`: when it would be our turn."""

    def __init__(self, provider: str, *, busy_until: datetime, now: datetime) -> None:
        wait = max(timedelta(0), busy_until - now)
        super().__init__(f"{provider} must not be asked again before {busy_until:%X}.", retry_after=wait)
        self.busy_until = busy_until


class Broken(ProviderError):
    failure_class = FailureClass.UPSTREAM


class Unreadable(ProviderError):
    failure_class = FailureClass.UNSOUND


OVERLOADED_FOR = timedelta(seconds=30)
"""After 502, 503 and 504, where nothing else is said: Trakt's "try again in 30s"."""

_ANSWERS = frozenset({HTTPStatus.OK})
_DONE = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
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


def error_for(
    provider: str, status: int, headers: Mapping[str, str], now: datetime, *, method: str = "GET"
) -> ProviderError | None:
    """The failure that an answer is, by Trakt's table (API documentation, "Status Codes") with TMDB's inside it.

    None for 200, and to what is no GET for 201 (made), 202 (taken) and 204 (done) too.
    """
    if status in (_ANSWERS if method == "GET" else _DONE):
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
