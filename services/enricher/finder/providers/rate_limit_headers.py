"""What an answer's headers say about how much may still be asked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import http_sf

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
