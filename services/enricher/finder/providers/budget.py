"""The budget of one credential: how much may be asked, when, and who comes first."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.enricher.finder.providers.errors import Allowance, NotAsked
from services.enricher.finder.providers.spending import BudgetSnapshot, Limit, Spending, Urgency
from shared.telemetry import utc_now

CLAIMED_AT_ONCE = 100
News = Callable[[Spending, datetime], bool]
"""What a provider said, as it changes what was spent; whether it does."""


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
    """Admits requests within every limit, at once while there is room: bursts are allowed. Where several processes share the
    limits, a `Ledger` admits them, of what all have spent.

    What the provider says takes precedence over our own count: fewer left than we thought, or nothing until
    a certain time.
    """

    def __init__(self, provider: str, *limits: Limit, now: Callable[[], datetime] = utc_now) -> None:
        self._provider = provider
        self._now = now
        self._lines: dict[Urgency, deque[Turn]] = {urgency: deque() for urgency in Urgency}
        self.limits = limits
        self._spending = Spending(*limits)
        self._is_shared = False
        self._ahead = timedelta()
        self._news: list[News] = []
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
        """What an answer said is left."""
        self._hear(lambda spending, now: spending.told(allowance, now))

    def pause(self, wait: timedelta | None, *, asked_at: datetime) -> None:
        """The provider asked us to wait; `wait` None or nothing: it did not say how long."""
        if self._hear(lambda spending, now: spending.pause(wait, asked_at + self._ahead, now)):
            self.worth_keeping.set()

    def answered(self) -> None:
        """The provider gave an answer that was no request to wait."""
        self._hear(lambda spending, now: spending.answered(now))

    def _hear(self, news: News) -> bool:
        is_news = news(self._spending, self._clock())
        if is_news:
            self._unkept += 1
            if self._is_shared:
                self._news.append(news)
        return is_news

    @property
    def busy_until(self) -> datetime | None:
        """When somebody who waits could be admitted; None: at once."""
        opens = self._opens(Urgency.NOW)
        return opens if opens > self._now() else None

    @property
    def left(self) -> int:
        """How many may be asked for at once, by whoever somebody waits for."""
        return self._spending.left(self._clock())

    @property
    def has_changed(self) -> bool:
        """Since `snapshot` was last called."""
        return self._unkept > 0

    def snapshot(self, *, closed: bool = False) -> BudgetSnapshot:
        """What has to outlive a restart; `closed`: nothing will be spent after this."""
        self._unkept = 0
        self.worth_keeping.clear()
        return self._spending.snapshot(self._clock(), closed=closed)

    def resume(self, kept: BudgetSnapshot) -> None:
        """Go on from where a process before this one was. What a crash may have forgotten counts as spent."""
        forgotten = 0 if kept.closed else Spending.of(kept, *self.limits, now=self._now()).forgettable
        self._spending = Spending.of(kept, *self.limits, now=self._now(), forgotten=forgotten)

    def share(self) -> None:
        """From now on nothing is spent but what `granted` says: `worth_keeping` is set where there is something to `claim`."""
        self._is_shared = True

    def claim(self) -> tuple[Sequence[Urgency], Sequence[News]]:
        """For whom there may be room, in their order, and what the provider said since it was last granted something."""
        self._unkept = 0
        urgencies: list[Urgency] = []
        for urgency in Urgency:
            room = CLAIMED_AT_ONCE - len(urgencies)
            if self._spending.opens(urgency, self._clock()) <= self._clock():
                urgencies += [urgency] * min(room, len(self._lines[urgency]))
        return urgencies, tuple(self._news)

    def granted(self, spending: Spending, admitted: int, told: int, now: datetime) -> None:
        """What all have spent by `now`, in which the first `admitted` of those that were claimed for are counted, and so much news."""
        del self._news[:told]
        self._spending, self._ahead = spending, now - self._now()
        for news in self._news:
            news(spending, now)
        for line in (self._lines[urgency] for urgency in Urgency):
            while line and admitted:
                admitted -= 1
                _let_in(line.popleft())
        self._admit()

    def _clock(self) -> datetime:
        """By which what is spent is counted: everybody's, where it is shared."""
        return self._now() + self._ahead

    def _admit(self) -> None:
        """Let in whoever is first for as long as there is room, and come back when there is again."""
        if self._timer:
            self._timer.cancel()
        while line := self._lines[Urgency.NOW] or self._lines[Urgency.LATER]:
            opens = self._spending.opens(line[0].urgency, self._clock())
            wait_s = (opens - self._clock()).total_seconds()
            if wait_s > 0:
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._admit)
                return
            if self._is_shared:
                self.worth_keeping.set()
                return
            turn = line.popleft()
            if _let_in(turn):
                self._spend()

    def _spend(self) -> None:
        self._spending.spend(self._clock())
        self._unkept += 1
        if self._unkept >= self._spending.forgettable:
            self.worth_keeping.set()

    def _opens(self, urgency: Urgency, ahead: int = 0) -> datetime:
        return self._spending.opens(urgency, self._clock(), ahead) - self._ahead


def _let_in(turn: Turn) -> bool:
    """Whether it still wants to."""
    if turn.admitted is None or turn.admitted.done():
        return False
    turn.admitted.set_result(None)
    return True


def _not_behind(urgency: Urgency) -> tuple[Urgency, ...]:
    return (Urgency.NOW,) if urgency is Urgency.NOW else (Urgency.NOW, Urgency.LATER)
