"""What was spent of one credential's limits, and what the provider says of it: values, which one process keeps or several share."""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.finder.providers.errors import Allowance

RESERVED = 0.4
"""The share of a window that background work leaves to those who wait."""

FIRST_PAUSE = timedelta(seconds=5)
"""After a 429 that does not say how long; it doubles while that goes on."""

LONGEST_PAUSE = timedelta(minutes=15)
"""However it was told: a provider that means days would otherwise be lost by one odd header."""

_TICK = timedelta(milliseconds=1)
_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Urgency(StrEnum):
    """now: somebody is waiting. later: background work, which never comes before them."""

    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Limit:
    requests: int
    period: timedelta


class BudgetSnapshot(BaseModel):
    """What has gone out of a budget, as it is kept over restarts and shared by processes.

    `spent_at_ms`: when each request of the current windows was made, in milliseconds since 1970.
    """

    model_config = ConfigDict(frozen=True)

    requests: int = Field(ge=1)
    """That the first window has room for: the provider may have told another number than ours."""
    spent_at_ms: tuple[int, ...] = ()
    paused_at: AwareDatetime | None = None
    paused_until: AwareDatetime
    pauses: int = Field(0, ge=0)
    left: int | None = None
    """What the provider said, and until when that holds."""
    left_until: AwareDatetime | None = None
    closed: bool = False
    """Kept in good order: nothing was spent after it."""


class Spending:
    """All moments are of one clock, which each method is told."""

    def __init__(self, *limits: Limit) -> None:
        self._limits = limits
        self._windows = [_Window(limit) for limit in limits]
        self._told: Allowance | None = None
        self._paused_at = self._paused_until = _LONG_AGO
        self._pauses = 0

    @classmethod
    def of(cls, kept: BudgetSnapshot | None, *limits: Limit, now: datetime, forgotten: int = 0) -> Self:
        """As it was kept. `forgotten`: so many more may have been spent since."""
        spending = cls(*limits)
        if kept is None:
            return spending
        spending._windows[0].requests = kept.requests
        for window in spending._windows:
            window.spent_at_ms.extend(sorted(min(spent_at, _ms(now)) for spent_at in kept.spent_at_ms))
            window.spent_at_ms.extend([_ms(now)] * forgotten)
        spending._paused_at = kept.paused_at or _LONG_AGO
        spending._paused_until = min(kept.paused_until, now + LONGEST_PAUSE)
        spending._pauses = kept.pauses
        if kept.left is not None and kept.left_until:
            spending._told = Allowance(kept.left, min(kept.left_until, now + LONGEST_PAUSE))
        return spending

    def snapshot(self, now: datetime, *, closed: bool = False) -> BudgetSnapshot:
        self.forget_the_past(now)
        return BudgetSnapshot(
            closed=closed,
            requests=self._windows[0].requests,
            spent_at_ms=tuple(max(self._windows, key=lambda window: window.period).spent_at_ms),
            paused_at=self._paused_at,
            paused_until=self._paused_until,
            pauses=self._pauses,
            left=self._told.left if self._told else None,
            left_until=self._told.until if self._told else None,
        )

    @property
    def forgettable(self) -> int:
        """So much of it a crash may forget, where it is kept now and then."""
        return max(1, self._windows[0].requests // 10)

    def opens(self, urgency: Urgency, now: datetime, ahead: int = 0) -> datetime:
        """When there is room for one more request than those ahead, as far as is known; in the past or now:
        at once.
        """
        self.forget_the_past(now)
        places = [ahead + window.places(urgency) for window in self._windows]
        opens = max(
            self._paused_until,
            *(window.opens(room, now) for window, room in zip(self._windows, places, strict=True)),
        )
        return max(opens, self._told.until) if self._told and self._told.left < places[0] else opens

    def left(self, now: datetime) -> int:
        """How many may be asked for at once, by whoever somebody waits for."""
        self.forget_the_past(now)
        if self._paused_until > now:
            return 0
        rooms = [window.requests - len(window.spent_at_ms) for window in self._windows]
        return max(0, min([*rooms, self._told.left] if self._told else rooms))

    def spend(self, now: datetime) -> None:
        self.forget_the_past(now)
        for window in self._windows:
            window.spent_at_ms.append(_ms(now))
        if self._told:
            self._told = Allowance(max(0, self._told.left - 1), self._told.until)

    def told(self, allowance: Allowance, now: datetime) -> bool:
        """What an answer said is left; whether that is news. Answers overtake one another: in one window only less is news."""
        for window in self._windows:
            if allowance.limit and allowance.period == window.period:
                window.requests = allowance.limit
        known = self._told
        if known and known.until >= allowance.until - _TICK and allowance.left >= known.left:
            return False
        self._told = Allowance(allowance.left, min(allowance.until, now + LONGEST_PAUSE))
        return True

    def pause(self, wait: timedelta | None, asked_at: datetime, now: datetime) -> bool:
        """The provider asked us to wait; `wait` None or nothing: it did not say how long. Whether that is news.

        What was asked before the pause began says nothing new: many requests of one burst may be refused.
        """
        if not wait:
            if asked_at < self._paused_at:
                return False
            wait = FIRST_PAUSE * 2 ** min(self._pauses, 10)
            self._pauses += 1
        self._paused_at = now
        self._paused_until = max(self._paused_until, now + min(wait, LONGEST_PAUSE))
        return True

    def answered(self, now: datetime) -> bool:
        """The provider gave an answer that was no request to wait. Whether that is news."""
        if now < self._paused_until or not self._pauses:
            return False
        self._pauses = 0
        return True

    def forget_the_past(self, now: datetime) -> None:
        if self._told and self._told.until <= now:
            self._told = None
        for window in self._windows:
            window.forget_before(_ms(now))


class _Window:
    """One limit's sliding window. It is stricter than a provider's fixed one, wherever that begins."""

    def __init__(self, limit: Limit) -> None:
        self.requests = limit.requests
        self.period = limit.period
        self.spent_at_ms: deque[int] = deque()
        """The oldest first."""

    def places(self, urgency: Urgency) -> int:
        """How much room there must be for one request."""
        if urgency is Urgency.NOW:
            return 1
        return 1 + min(self.requests - 1, round(self.requests * RESERVED))

    def opens(self, places: int, now: datetime) -> datetime:
        """When there is room for so many requests."""
        windows, rest = divmod(places - 1, self.requests)
        newer = self.requests - rest
        full = len(self.spent_at_ms) >= newer
        opens = _at(self.spent_at_ms[-newer]) + self.period + _TICK if full else now
        return opens + windows * self.period

    def forget_before(self, now_ms: int) -> None:
        """Forget what has left the window; all of it where the clock was set back, for it cannot be placed."""
        if self.spent_at_ms and self.spent_at_ms[-1] > now_ms:
            self.spent_at_ms.clear()
        oldest_ms = now_ms - int(self.period.total_seconds() * 1000)
        while self.spent_at_ms and self.spent_at_ms[0] < oldest_ms:
            self.spent_at_ms.popleft()


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
