"""What a provider's reply means where it is no answer: the error that its status is, what its headers say about limits, and how the provider is."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.http.answers import parse_retry_after
from shared.pictures import FailureClass


class Condition(StrEnum):
    """off: it has no key. misconfigured: it does not accept ours. busy: it must not be asked for a while."""

    READY = "ready"
    OFF = "off"
    MISCONFIGURED = "misconfigured"
    BUSY = "busy"
    FAILING = "failing"


class ProviderStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    condition: Condition
    detail: str
    busy_until: AwareDatetime | None = None

    @classmethod
    def off(cls, setting: str) -> "ProviderStatus":
        return cls(condition=Condition.OFF, detail=f"{setting} is not set.")


_EPOCH_NOT_SECONDS = 10**9
"""A reset above it is a point in time (Twitch), below it seconds from now (the IETF's drafts)."""

_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Allowance:
    """`left` more requests until `until`. `limit` and `period` are of the whole window, where they are told."""

    left: int
    until: datetime
    limit: int | None = None
    period: timedelta | None = None


def allowance_in(headers: Mapping[str, str], now: datetime) -> Allowance | None:
    """The tightest of what the headers say; None where they say nothing that can be read, or lay in a cache: then they
    are about somebody else.

    `X-Ratelimit` as JSON (Trakt); `RateLimit` in the forms of the IETF's drafts
    draft-ietf-httpapi-ratelimit-headers 6 and before, and 7 and after; `Ratelimit-Remaining` and `-Reset`,
    with or without `X-` before them (Twitch).
    """
    if headers.get("CF-Cache-Status", "").upper() == "HIT" or headers.get("Age", "0").strip() not in (
        "",
        "0",
    ):
        return None
    readings = (
        _read(_json, headers.get("X-Ratelimit"), now),
        _read(_structured, headers.get("RateLimit"), now),
        _read(_fields, headers, now),
    )
    return min((found for found in readings if found), key=lambda found: found.left, default=None)


def _read(
    reading: Callable[[Any, datetime], Allowance | None], source: object, now: datetime
) -> Allowance | None:
    try:
        return reading(source, now) if source else None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return None


def _json(text: str, _now: datetime) -> Allowance:
    told = json.loads(text)
    until = datetime.fromisoformat(told["until"])
    return Allowance(
        left=_count(told["remaining"]),
        until=until.astimezone(UTC),
        limit=_count(told["limit"]) or None,
        period=timedelta(seconds=_count(told["period"])),
    )


def _structured(text: str, now: datetime) -> Allowance | None:
    import http_sf  # noqa: PLC0415 - long to load, for what few providers say

    value = text.encode()
    if "=" in text.partition(",")[0].partition(";")[0]:
        fields: Any = http_sf.parse(value, tltype="dictionary")
        told = {name: field[0] for name, field in fields.items()}
        return Allowance(left=_count(told["remaining"]), until=_reset(told["reset"], now))
    items: Any = http_sf.parse(value, tltype="list")
    policies = [parameters for _, parameters in items if "t" in parameters]
    return min(
        (Allowance(left=_count(told["r"]), until=_reset(told["t"], now)) for told in policies),
        key=lambda found: found.left,
        default=None,
    )


def _fields(headers: Mapping[str, str], now: datetime) -> Allowance | None:
    for prefix in ("Ratelimit-", "X-Ratelimit-"):
        left, reset = headers.get(f"{prefix}Remaining"), headers.get(f"{prefix}Reset")
        if left is not None and reset is not None:
            return Allowance(left=_count(left), until=_reset(reset, now))
    return None


def _reset(value: object, now: datetime) -> datetime:
    seconds = _count(value)
    if seconds > _EPOCH_NOT_SECONDS:
        return datetime.fromtimestamp(seconds, UTC)
    return now + timedelta(seconds=seconds)


def _count(value: Any) -> int:
    count = int(value)
    if not 0 <= count <= 10 * _MOST:
        raise ValueError("no count")
    return count


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
