"""The budget of one credential: how much may be asked, when, and who comes first."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.finder.providers.errors import Allowance, NotAsked
from shared.telemetry import utc_now

RESERVED = 0.4
"""The share of a window that background work leaves to those who wait."""

FIRST_PAUSE = timedelta(seconds=5)
"""After a 429 that does not say how long; it doubles while that goes on."""

LONGEST_PAUSE = timedelta(minutes=15)
"""However it was told: a provider that means days would otherwise be lost by one odd header."""

_TICK = timedelta(milliseconds=1)


class Urgency(StrEnum):
    """now: somebody is waiting. later: background work, which never comes before them."""

    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Limit:
    requests: int
    period: timedelta


class BudgetSnapshot(BaseModel):
    """What has gone out of a budget, as it is kept over restarts.

    `spent_at_ms`: when each request of the current windows was made, in milliseconds since 1970.
    """

    model_config = ConfigDict(frozen=True)

    requests: int = Field(ge=1)
    """That the first window has room for: the provider may have told another number than ours."""
    spent_at_ms: tuple[int, ...] = ()
    paused_until: AwareDatetime
    pauses: int = Field(0, ge=0)
    left: int | None = None
    """What the provider said, and until when that holds."""
    left_until: AwareDatetime | None = None
    closed: bool = False
    """Kept in good order: nothing was spent after it."""


@dataclass(slots=True, eq=False)
class Turn:
    """One request's place in the line. `until`: when its answer is not wanted any more."""

    urgency: Urgency
    until: datetime
    admitted: asyncio.Future[None] | None = None
    budget: "RateBudget | None" = None

    def hurry(self) -> None:
        """Somebody waits for what was background work until now."""
        if self.budget and self.urgency is Urgency.LATER:
            self.budget.move_up(self)
        self.urgency = Urgency.NOW


class RateBudget:
    """Admits requests within every limit, at once while there is room: bursts are allowed.

    What the provider says takes precedence over our own count: fewer left than we thought, or nothing until
    a certain time.
    """

    def __init__(self, provider: str, *limits: Limit, now: Callable[[], datetime] = utc_now) -> None:
        self._provider = provider
        self._now = now
        self._lines: dict[Urgency, deque[Turn]] = {urgency: deque() for urgency in Urgency}
        self._windows = [_Window(limit) for limit in limits]
        self._told: Allowance | None = None
        self._paused_at = self._paused_until = datetime.fromtimestamp(0, UTC)
        self._pauses = 0
        self._timer: asyncio.TimerHandle | None = None
        self._unkept = 0
        self.worth_keeping = asyncio.Event()
        """Set when what was spent since `snapshot` was last called is more than a crash may forget."""

    async def take(self, turn: Turn) -> None:
        """Return when it is the turn's turn. Raise NotAsked, at once, where that would be too late for it."""
        opens = self.expect(turn)
        turn.budget, turn.admitted = self, asyncio.get_running_loop().create_future()
        self._lines[turn.urgency].append(turn)
        try:
            self._admit()
            async with asyncio.timeout((turn.until - self._now()).total_seconds()):
                await turn.admitted
        except TimeoutError:
            raise NotAsked(self._provider, busy_until=opens, now=self._now()) from None
        finally:
            for line in self._lines.values():
                if turn in line:
                    line.remove(turn)

    def expect(self, turn: Turn) -> datetime:
        """When it would be the turn's turn, as far as is known. Raise NotAsked where that is too late for it."""
        ahead = sum(len(self._lines[urgency]) for urgency in _not_behind(turn.urgency))
        opens = self._opens(turn.urgency, ahead)
        if opens > turn.until:
            raise NotAsked(self._provider, busy_until=opens, now=self._now())
        return opens

    def move_up(self, turn: Turn) -> None:
        """From the background to those who wait, behind them."""
        if turn in self._lines[Urgency.LATER]:
            self._lines[Urgency.LATER].remove(turn)
            self._lines[Urgency.NOW].append(turn)
            self._admit()

    def told(self, allowance: Allowance) -> None:
        """What an answer said is left. Answers overtake one another: in one window only less is news."""
        for window in self._windows:
            if allowance.limit and allowance.period == window.period:
                window.requests = allowance.limit
        known = self._told
        if not known or known.until < allowance.until - _TICK or allowance.left < known.left:
            until = min(allowance.until, self._now() + LONGEST_PAUSE)
            self._told = Allowance(allowance.left, until)
            self._unkept += 1

    def pause(self, wait: timedelta | None, *, asked_at: datetime) -> None:
        """The provider asked us to wait; `wait` None or nothing: it did not say how long.

        What was asked before the pause began says nothing new: many requests of one burst may be refused.
        """
        if not wait:
            if asked_at < self._paused_at:
                return
            wait = FIRST_PAUSE * 2 ** min(self._pauses, 10)
            self._pauses += 1
        self._paused_at = self._now()
        self._paused_until = max(self._paused_until, self._paused_at + min(wait, LONGEST_PAUSE))
        self._unkept += 1
        self.worth_keeping.set()

    def answered(self) -> None:
        """The provider gave an answer that was no request to wait."""
        if self._now() >= self._paused_until:
            self._pauses = 0

    @property
    def busy_until(self) -> datetime | None:
        """When somebody who waits could be admitted; None: at once."""
        opens = self._opens(Urgency.NOW)
        return opens if opens > self._now() else None

    @property
    def left(self) -> int:
        """How many may be asked for at once, by whoever somebody waits for."""
        self._forget_the_past()
        if self._paused_until > self._now():
            return 0
        rooms = [window.requests - len(window.spent_at_ms) for window in self._windows]
        return max(0, min([*rooms, self._told.left] if self._told else rooms))

    @property
    def has_changed(self) -> bool:
        """Since `snapshot` was last called."""
        return self._unkept > 0

    def snapshot(self, *, closed: bool = False) -> BudgetSnapshot:
        """What has to outlive a restart; `closed`: nothing will be spent after this."""
        self._forget_the_past()
        self._unkept = 0
        self.worth_keeping.clear()
        return BudgetSnapshot(
            closed=closed,
            requests=self._windows[0].requests,
            spent_at_ms=tuple(max(self._windows, key=lambda window: window.period).spent_at_ms),
            paused_until=self._paused_until,
            pauses=self._pauses,
            left=self._told.left if self._told else None,
            left_until=self._told.until if self._told else None,
        )

    def resume(self, kept: BudgetSnapshot) -> None:
        """Go on from where a process before this one was. What a crash may have forgotten counts as spent."""
        now = self._now()
        self._windows[0].requests = kept.requests
        forgotten = 0 if kept.closed else self._forgettable
        for window in self._windows:
            window.spent_at_ms.extend(sorted(min(spent_at, _ms(now)) for spent_at in kept.spent_at_ms))
            window.spent_at_ms.extend([_ms(now)] * forgotten)
        self._paused_until = min(kept.paused_until, now + LONGEST_PAUSE)
        self._pauses = kept.pauses
        if kept.left is not None and kept.left_until:
            self._told = Allowance(kept.left, min(kept.left_until, now + LONGEST_PAUSE))

    def _admit(self) -> None:
        """Let in whoever is first for as long as there is room, and come back when there is again."""
        if self._timer:
            self._timer.cancel()
        while line := self._lines[Urgency.NOW] or self._lines[Urgency.LATER]:
            opens = self._opens(line[0].urgency)
            wait_s = (opens - self._now()).total_seconds()
            if wait_s > 0:
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._admit)
                return
            turn = line.popleft()
            if turn.admitted and not turn.admitted.done():
                self._spend()
                turn.admitted.set_result(None)

    def _spend(self) -> None:
        self._forget_the_past()
        for window in self._windows:
            window.spent_at_ms.append(_ms(self._now()))
        if self._told:
            self._told = Allowance(max(0, self._told.left - 1), self._told.until)
        self._unkept += 1
        if self._unkept >= self._forgettable:
            self.worth_keeping.set()

    @property
    def _forgettable(self) -> int:
        return max(1, self._windows[0].requests // 10)

    def _opens(self, urgency: Urgency, ahead: int = 0) -> datetime:
        """When there is room for one more request than those ahead, as far as is known; in the past or now:
        at once.
        """
        self._forget_the_past()
        now = self._now()
        places = [ahead + window.places(urgency) for window in self._windows]
        opens = max(
            self._paused_until,
            *(window.opens(room, now) for window, room in zip(self._windows, places, strict=True)),
        )
        return max(opens, self._told.until) if self._told and self._told.left < places[0] else opens

    def _forget_the_past(self) -> None:
        now = self._now()
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


def _not_behind(urgency: Urgency) -> tuple[Urgency, ...]:
    return (Urgency.NOW,) if urgency is Urgency.NOW else (Urgency.NOW, Urgency.LATER)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
