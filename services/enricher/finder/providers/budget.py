"""The budget of one credential: how much may be asked, when, and who comes first."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from services.enricher.finder.providers.allowance import Allowance
from services.enricher.finder.providers.errors import NotAsked
from services.enricher.finder.providers.spending import Spending
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


@dataclass(slots=True, eq=False)
class Turn:
    """One request's place in the line. `until`: when its answer is not wanted any more."""

    urgency: Urgency
    until: datetime
    admitted: asyncio.Future[None] | None = None
    budget: "Budget | None" = None

    def hurry(self) -> None:
        """Somebody waits for what was background work until now."""
        if self.budget and self.urgency is Urgency.LATER:
            self.budget.move_up(self)
        self.urgency = Urgency.NOW


class Budget:
    """Admits requests within the window, at once while there is room: bursts are allowed.

    What the provider says takes precedence over our own count: fewer left than we thought, or nothing until
    a certain time. The window is counted by pyrate-limiter.
    """

    def __init__(self, provider: str, limit: Limit, *, now: Callable[[], datetime] = utc_now) -> None:
        self._provider = provider
        self._now = now
        self._lines: dict[Urgency, deque[Turn]] = {urgency: deque() for urgency in Urgency}
        self._period = limit.period
        self._requests = limit.requests
        self._window = InMemoryBucket([_rate(limit.requests, limit.period)])
        self._told: Allowance | None = None
        self._paused_at = self._paused_until = datetime.fromtimestamp(0, UTC)
        self._pauses = 0
        self._timer: asyncio.TimerHandle | None = None
        self._unkept = 0
        self.worth_keeping = asyncio.Event()
        """Set when what was spent since `spending` was last called is more than a crash may forget."""

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
        opens = self._opens(ahead + self._places(turn.urgency))
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
        if allowance.limit and allowance.period == self._period and allowance.limit != self._requests:
            self._requests = allowance.limit
            self._window.rates = [_rate(allowance.limit, self._period)]
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
        opens = self._opens(1)
        return opens if opens > self._now() else None

    @property
    def has_changed(self) -> bool:
        """Since `spending` was last called."""
        return self._unkept > 0

    def spending(self, *, closed: bool = False) -> Spending:
        """What has to outlive a restart; `closed`: nothing will be spent after this."""
        self._forget_the_past()
        self._unkept = 0
        self.worth_keeping.clear()
        return Spending(
            closed=closed,
            requests=self._requests,
            spent_at_ms=tuple(item.timestamp for item in self._window.items),
            paused_until=self._paused_until,
            pauses=self._pauses,
            left=self._told.left if self._told else None,
            left_until=self._told.until if self._told else None,
        )

    def resume(self, spending: Spending) -> None:
        """Go on from where a process before this one was. What a crash may have forgotten counts as spent."""
        now = self._now()
        self._requests = spending.requests
        self._window.rates = [_rate(spending.requests, self._period)]
        for spent_at in sorted(spending.spent_at_ms):
            self._window.put(RateItem("", min(spent_at, _ms(now))))
        if not spending.closed:
            for _ in range(self._forgettable):
                self._window.put(RateItem("", _ms(now)))
        self._paused_until = min(spending.paused_until, now + LONGEST_PAUSE)
        self._pauses = spending.pauses
        if spending.left is not None and spending.left_until:
            self._told = Allowance(spending.left, min(spending.left_until, now + LONGEST_PAUSE))

    def _admit(self) -> None:
        """Let in whoever is first for as long as there is room, and come back when there is again."""
        if self._timer:
            self._timer.cancel()
        while line := self._lines[Urgency.NOW] or self._lines[Urgency.LATER]:
            opens = self._opens(self._places(line[0].urgency))
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
        self._window.put(RateItem("", _ms(self._now())))
        if self._told:
            self._told = Allowance(max(0, self._told.left - 1), self._told.until)
        self._unkept += 1
        if self._unkept >= self._forgettable:
            self.worth_keeping.set()

    @property
    def _forgettable(self) -> int:
        return max(1, self._requests // 10)

    def _opens(self, places: int) -> datetime:
        """When there is room for so many requests, as far as is known; in the past or now: at once."""
        self._forget_the_past()
        opens = max(self._paused_until, self._window_opens(places))
        return max(opens, self._told.until) if self._told and self._told.left < places else opens

    def _window_opens(self, places: int) -> datetime:
        windows, rest = divmod(places - 1, self._requests)
        blocking = self._window.peek(self._requests - rest - 1)
        opens = _at(blocking.timestamp) + self._period + _TICK if blocking else self._now()
        return opens + windows * self._period

    def _places(self, urgency: Urgency) -> int:
        """How much room there must be for one request."""
        if urgency is Urgency.NOW:
            return 1
        return 1 + min(self._requests - 1, round(self._requests * RESERVED))

    def _forget_the_past(self) -> None:
        now = self._now()
        if self._told and self._told.until <= now:
            self._told = None
        newest = self._window.peek(0)
        if newest and newest.timestamp > _ms(now):
            self._window.flush()  # the clock was set back: what it counted cannot be placed any more
        self._window.leak(_ms(now))


def _not_behind(urgency: Urgency) -> tuple[Urgency, ...]:
    return (Urgency.NOW,) if urgency is Urgency.NOW else (Urgency.NOW, Urgency.LATER)


def _rate(requests: int, period: timedelta) -> Rate:
    return Rate(requests, int(period.total_seconds() * 1000))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
