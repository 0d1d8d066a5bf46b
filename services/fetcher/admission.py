"""Who may work when: a semaphore that gives way to the urgent, a gate that opens while nobody is, and a door beside it for
when requests take the whole process.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

LATER_SHARE = 10
"""Of this many slots given while both wait, one goes to who can wait: `later` never starves."""


LATE_SHARE = 4
"""Of this many given in a lane while both wait, one goes to who has waited for long anyway."""


@dataclass(frozen=True, slots=True)
class Claim:
    """For whom a slot is wanted: who claims alike stands in one line, and lines take turns."""

    host: str | None = None
    seated: bool = False
    """With the slot, a seat at the host is wanted."""
    returning: bool = False
    """The slot was lent, and is wanted back."""
    late: bool = False
    """Whoever asked has waited for long already: others, who may have it in a moment, go first."""


class Seat:
    """One of those at a host, until it is released."""

    def __init__(self, host: str, release: Callable[[str], None]) -> None:
        self.host = host
        self._release: Callable[[str], None] | None = release

    @property
    def taken(self) -> bool:
        return self._release is not None

    def release(self) -> None:
        """Once; the second time does nothing."""
        if self._release:
            release, self._release = self._release, None
            release(self.host)


Given = asyncio.Future[Seat | None]
Lines = OrderedDict[Claim, deque[Given]]


class PrioritySemaphore:
    """At most `total` at once. Who is urgent goes first, but for each tenth; without a rival, all are had. Of equals,
    hosts take turns.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._now: Lines = OrderedDict()
        self._later: Lines = OrderedDict()
        self._given = 0
        self._held: Counter[str | None] = Counter()

    @asynccontextmanager
    async def take(self, *, urgent: bool, host: str | None = None, late: bool = False) -> AsyncIterator[None]:
        claim = Claim(host, late=late)
        await self._acquire(claim, urgent=urgent)
        try:
            yield
        finally:
            self._give_back(claim)

    def _may(self, claim: Claim) -> bool:  # noqa: ARG002 - for those with a rule of their own
        """Whether the claim may be met as soon as a slot is free."""
        return True

    def _take(self, claim: Claim) -> Seat | None:
        self._free -= 1
        self._held[claim.host] += 1
        return None

    def _give_back(self, claim: Claim) -> None:
        self._free += 1
        less(self._held, claim.host)
        self._give()

    def _lines(self, *, urgent: bool) -> Lines:
        return self._now if urgent else self._later

    async def _acquire(self, claim: Claim, *, urgent: bool) -> Seat | None:
        return await self._await_turn(self._line_up(claim, urgent=urgent), claim, urgent=urgent)

    def _line_up(self, claim: Claim, *, urgent: bool) -> Given:
        turn: Given = asyncio.get_running_loop().create_future()
        self._lines(urgent=urgent).setdefault(claim, deque()).append(turn)
        self._give()
        return turn

    async def _await_turn(self, turn: Given, claim: Claim, *, urgent: bool) -> Seat | None:
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(turn, claim, urgent=urgent)
            elif not turn.exception():  # given and cancelled in the same moment
                if seat := turn.result():
                    seat.release()
                self._give_back(claim)
            raise
        except Exception:  # told to go
            self._leave(turn, claim, urgent=urgent)
            raise

    def _leave(self, turn: Given, claim: Claim, *, urgent: bool) -> None:
        lines = self._lines(urgent=urgent)
        if line := lines.get(claim):
            with suppress(ValueError):  # passed over already
                line.remove(turn)
            if not line:
                del lines[claim]

    def _give(self) -> None:
        while self._free and (found := self._next_line()):
            lines, claim = found
            turn = lines[claim].popleft()
            lines.move_to_end(claim)
            if not lines[claim]:
                del lines[claim]
            if not turn.done():
                self._given += 1
                turn.set_result(self._take(claim))

    def _next_line(self) -> tuple[Lines, Claim] | None:
        now, later = self._next_claim(self._now), self._next_claim(self._later)
        turn_of_later = self._given % LATER_SHARE == LATER_SHARE - 1
        if later and (now is None or turn_of_later):
            return self._later, later
        return (self._now, now) if now else None

    def _next_claim(self, lines: Lines) -> Claim | None:
        allowed = (claim for claim in lines if self._may(claim))
        first = next(allowed, None)
        if first is None or not first.late or self._given % LATE_SHARE == LATE_SHARE - 1:
            return first
        return next((claim for claim in allowed if not claim.late), first)


def less(counts: Counter[Any], key: object) -> None:
    """Count one less; a count of none takes no room."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


LULL_S = 0.25
"""So long nobody must have been urgent: time enough for a browser to ask for the next one, and a provider to find it."""

PATIENCE_S = 3.0
"""Nothing steps aside for longer: where pictures are asked for without end, what can wait gets on as well."""


class IdleGate:
    def __init__(self, *, lull_s: float = LULL_S) -> None:
        self._lull_s = lull_s
        self._urgent = 0
        self._clear = asyncio.Event()
        self._clear.set()
        self._lull: asyncio.TimerHandle | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Somebody waits for what is done in the block."""
        self._urgent += 1
        self._clear.clear()
        if self._lull:
            self._lull.cancel()
            self._lull = None
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._lull = asyncio.get_running_loop().call_later(self._lull_s, self._clear.set)

    def is_taken(self, *, besides: int) -> bool:
        """By more than so many at this moment."""
        return self._urgent > besides

    async def step_aside(self, patience_s: float = PATIENCE_S) -> bool:
        """Until nobody has been urgent for a while. False: that took too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._clear.wait()
        return self._clear.is_set()


ROUNDS = 8
"""Of the event loop. Where requests come in half of them, it has no moment without one: a round that has nothing to do is over
before the next request.
"""

HELD_S = 0.25
"""What can wait lets requests go first for so long; then one goes on, so that in a rush without end four a second do."""


class RushDoor:
    """Lets in what can wait: one after the other at once, but one each HELD_S while requests take the whole event loop."""

    def __init__(
        self, heard: Callable[[], int], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`heard`: how often something was heard of clients until now."""
        self._heard = heard
        self._sleep = sleep
        self._line = asyncio.Lock()

    async def enter(self) -> None:
        async with self._line:
            if await self._is_rush():
                await self._sleep(HELD_S)

    async def _is_rush(self) -> bool:
        quiet = 0
        for _ in range(ROUNDS):
            before = self._heard()
            await asyncio.sleep(0)
            quiet += self._heard() == before
            if quiet > ROUNDS // 2:
                return False
        return True
