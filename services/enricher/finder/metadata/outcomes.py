"""What became of asking for a thing, as callers see it and as a cache keeps it, in memory and on its second level."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, Self, TypeVar

from pydantic import BaseModel

from services.enricher.finder import providers
from shared.pictures import FailureClass

Value = TypeVar("Value", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """`stale`: it has expired, and its provider failed or did not answer in time."""

    value: Value
    stale: bool = False


@dataclass(frozen=True, slots=True)
class NotFound:
    """The providers that could be asked know no such thing."""


@dataclass(frozen=True, slots=True)
class Pending:
    """It was asked for and did not come in time; it will be there later."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """It cannot be had now. `reason` is a sentence for users; before `retry_at` nobody is asked again.

    `misconfigured`: the provider does not accept our key, which says nothing about the thing.
    """

    failure_class: FailureClass
    reason: str
    retry_at: datetime | None = None
    misconfigured: bool = False


Outcome = Found[Value] | NotFound | Pending | Unavailable


NOT_FOUND_KEPT = timedelta(hours=1)

ERROR_KEPT = {
    providers.Broken: timedelta(seconds=15),
    providers.Busy: timedelta(seconds=5),
    providers.Misconfigured: timedelta(minutes=1),
    providers.Refused: timedelta(minutes=5),
    providers.Unreadable: timedelta(minutes=1),
}
"""An error is never kept as long as "nothing there": it says nothing about the thing."""

DEFAULT_ERROR_KEPT = timedelta(seconds=5)
LONGEST_ERROR_KEPT = timedelta(minutes=15)

_EMPTY_BYTES = 500


@dataclass(frozen=True, slots=True)
class CacheEntry(Generic[Value]):
    """Found (`value`), nothing there (neither), or failed (`error`, with the `value` from before, if any)."""

    value: Value | None
    fetched_at: datetime
    fresh_until: datetime
    error: providers.ProviderError | None = None
    bytes: int = _EMPTY_BYTES

    @classmethod
    def found(cls, value: Value, *, now: datetime, kept: timedelta, bytes_: int) -> Self:
        return cls(value, now, now + kept, bytes=_EMPTY_BYTES + bytes_)

    @classmethod
    def nothing(cls, *, now: datetime) -> Self:
        return cls(None, now, now + NOT_FOUND_KEPT)

    @classmethod
    def failed(cls, error: providers.ProviderError, before: Self | None, *, now: datetime) -> Self:
        """What was known before stays beside the error."""
        fresh_until = now + min(_kept(error), LONGEST_ERROR_KEPT)
        if before and before.value is not None:
            return replace(before, fresh_until=fresh_until, error=error)
        return cls(None, now, fresh_until, error)

    @property
    def outcome(self) -> Outcome[Value]:
        """While it is fresh."""
        if self.error is None:
            return NotFound() if self.value is None else Found(self.value)
        return self.stale or Unavailable(
            self.error.failure_class,
            self.error.reason,
            self.fresh_until,
            misconfigured=isinstance(self.error, providers.Misconfigured),
        )

    @property
    def stale(self) -> Found[Value] | None:
        return None if self.value is None else Found(self.value, stale=True)

    def counts(self, now: datetime, until: datetime) -> bool:
        """Whether nobody needs to be asked, by somebody who waits until `until`."""
        if isinstance(self.error, providers.Busy) and self.fresh_until <= until:
            return False
        return now < self.fresh_until


def _kept(error: providers.ProviderError) -> timedelta:
    if isinstance(error, providers.NotAsked):
        return error.retry_after or timedelta(0)  # nobody was asked: it may be somebody else's turn at once
    return error.retry_after or next(
        (kept for kind, kept in ERROR_KEPT.items() if isinstance(error, kind)), DEFAULT_ERROR_KEPT
    )


@dataclass(frozen=True, slots=True)
class Row:
    """`value` is JSON; None: the provider has nothing there."""

    value: str | None
    expires_at: datetime
    fetched_at: datetime


class Shelf(Protocol):
    async def load(self, key: str) -> Row | None:
        """None also where the shelf cannot be reached."""

    def put(self, key: str, value: str | None, *, expires_at: datetime, fetched_at: datetime) -> None:
        """Soon, together with others."""
