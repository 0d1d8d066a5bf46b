"""Shares: what one host may take of a fetcher, so that its bad day is nobody else's."""

import asyncio
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from services.fetcher.admission import Claim, Given, PrioritySemaphore, Seat, less
from services.fetcher.errors import HostIsBusy


class Seats:
    """At most `each` at once at each host. One that nobody asks takes no room."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[Seat]]] = defaultdict(deque)
        self.on_free: Callable[[], None] | None = None

    def has_room(self, host: str) -> bool:
        return self._taken[host] < self._each and host not in self._waiting

    def take(self, host: str) -> Seat:
        """Where there is room."""
        self._taken[host] += 1
        return Seat(host, self._free)

    @asynccontextmanager
    async def sitting(self, host: str, *, held: Seat | None, within_s: float) -> AsyncIterator[None]:
        """With the seat that is held where it is one at this host, else with another. Raise HostIsBusy where none gets
        free in time.
        """
        if held and held.taken and held.host == host:
            yield
            return
        seat = await self._wait(host, within_s)
        try:
            yield
        finally:
            seat.release()

    async def _wait(self, host: str, within_s: float) -> Seat:
        if self.has_room(host):
            return self.take(host)
        turn: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        self._waiting[host].append(turn)
        try:
            async with asyncio.timeout(within_s):
                return await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if not turn.cancelled():  # given in the same moment
                turn.result().release()
            if isinstance(error, TimeoutError):
                raise HostIsBusy(host) from None
            raise
        finally:
            self._leave(host, turn)

    def _leave(self, host: str, turn: asyncio.Future[Seat]) -> None:
        with suppress(ValueError):
            self._waiting[host].remove(turn)
        if not self._waiting[host]:
            del self._waiting[host]

    def _free(self, host: str) -> None:
        less(self._taken, host)
        for turn in self._waiting.get(host, ()):
            if not turn.done():
                turn.set_result(self.take(host))
                return
        if self.on_free:
            self.on_free()


SLOW_AFTER_S = 0.25
"""Whoever has waited for a host for so long lends its slot to others until the host is done."""

SLOW_FOR_S = 10.0
"""For so long after that the host counts as slow."""

FRESH_FOR_S = 1.0
"""For so long after somebody could have had a picture in a moment, slots and renderers are kept for the next."""

LENT_AT_MOST = 4
"""Times the slots, and no less than for 8: so many may be lent, to hosts that are known as slow no more than half of it."""

AHEAD = 4
"""Times the slots: so many jobs of each lane may wait for one, for the next may be of a host that has a seat."""

HOSTS_AT_MOST = 1000
"""That are remembered."""


class Crowded(Exception):
    """Too many wait for the host already."""


class NobodyWaits(Exception):
    """Whoever asked has gone, or has waited for as long as anybody does."""


class Slots(PrioritySemaphore):
    """The slots of a fetcher, each had together with the seat that its job needs; at most half of them by one host, and
    a quarter before it has shown to be quick.

    A host that is slow holds no slot that others need: its jobs lend theirs while they wait for it, and while quick hosts
    are asked, those that have one again have a quarter. All hosts that have not shown to be quick leave a quarter to those who
    have, while these are asked. And of the jobs that wait in hand for a slot, it has no more than it
    leaves free for others.
    """

    def __init__(self, total: int, seats: Seats) -> None:
        super().__init__(total)
        self._total = total
        self._each = max(1, total // 2)
        self._each_unknown = max(1, total // 4)
        self._lendable = LENT_AT_MOST * max(8, total)
        self._ahead = AHEAD * total
        self._seats = seats
        self._lent: Counter[str] = Counter()
        self._slow: OrderedDict[str, float] = OrderedDict()
        self._quick: OrderedDict[str, float] = OrderedDict()
        self._tickets: dict[str, Given] = {}
        self._closed = False
        self._returned = 0
        self._fresh_until_s = 0.0
        seats.on_free = self._give

    @property
    def in_hand(self) -> int:
        """So many jobs of a lane can be in hand, with a slot, without, and waiting for one. A fetcher of one job at a time
        takes none ahead.
        """
        if self._total == 1:
            return 1
        return self._total + self._lendable + self._ahead

    @asynccontextmanager
    async def admitted(
        self, claim: Claim, *, urgent: bool, ticket: str, patience_s: float | None = None
    ) -> AsyncIterator["Admitted"]:
        """With a slot, and with the seat where one is claimed. Raise Crowded; NobodyWaits where that is said of the
        ticket, and where it takes longer than `patience_s`: what can be had at once, even the impatient get.
        """
        turn = self._line_up(claim, urgent=urgent)
        if not turn.done():
            self._check_room(turn, claim, urgent=urgent)
            self._tickets[ticket] = turn
        try:
            async with asyncio.timeout(None if turn.done() else patience_s):
                seat = await self._await_turn(turn, claim, urgent=urgent)
        except TimeoutError:
            raise NobodyWaits from None
        finally:
            self._tickets.pop(ticket, None)
        admitted = Admitted(self, claim, seat, urgent=urgent)
        try:
            yield admitted
        finally:
            admitted.end()

    def dismiss(self, ticket: str) -> None:
        """Nobody waits any more for the job with this ticket."""
        turn = self._tickets.get(ticket)
        if turn and not turn.done():
            turn.set_exception(NobodyWaits())

    def close(self) -> None:
        """Whoever waits for a slot goes, and so does whoever comes to wait."""
        self._closed = True
        for lines in (self._now, self._later):
            for claim in [claim for claim in lines if not claim.returning]:
                _send_away(lines.pop(claim))

    def lend(self, claim: Claim) -> bool:
        """Give a slot that is held to others for now. False: too many are lent already."""
        host = claim.host or ""
        if self._lent.total() >= self._lendable:
            return False
        self._lent[host] += 1
        _note(self._slow, host)
        self._quick.pop(host, None)
        self._shed(claim)
        self._give_back(claim)
        return True

    def was_quick(self, claim: Claim) -> None:
        """The host has answered before it was slow."""
        if claim.host:
            _note(self._quick, claim.host)
        self._give()

    async def regain(self, claim: Claim, *, urgent: bool) -> Claim:
        """Have a slot again in place of the one that was lent, whatever the host's share is; what to give it back by."""
        returning = Claim(claim.host, returning=True, late=True)
        await self._acquire(returning, urgent=urgent)
        less(self._lent, claim.host or "")
        return returning

    def forgo(self, claim: Claim) -> None:
        """What was lent is not wanted back."""
        less(self._lent, claim.host or "")
        self._give()

    def end(self, claim: Claim) -> None:
        self._give_back(claim)

    def _check_room(self, turn: Given, claim: Claim, *, urgent: bool) -> None:
        if self._closed or (self._is_slow(claim) and self._too_many(claim, urgent=urgent)):
            self._leave(turn, claim, urgent=urgent)
            raise Crowded

    def _shed(self, claim: Claim) -> None:
        """Of those who came before the host showed to be slow, the last go."""
        for urgent in (True, False):
            lines = self._lines(urgent=urgent)
            if excess := self._too_many(claim, urgent=urgent):
                _send_away(lines[claim].pop() for _ in range(excess))
                if not lines[claim]:
                    del lines[claim]

    def _too_many(self, claim: Claim, *, urgent: bool) -> int:
        """How many of the host wait more than it leaves free."""
        lines = self._lines(urgent=urgent)
        own, left = len(lines.get(claim, ())), self._ahead - sum(map(len, lines.values()))
        return min(own, max(0, (own - left + 1) // 2))

    def _is_slow(self, claim: Claim) -> bool:
        host = claim.host or ""
        return claim.seated and (host in self._lent or _is_recent(self._slow, host, SLOW_FOR_S))

    def _may(self, claim: Claim) -> bool:
        host = claim.host
        if claim.returning:
            return self._returned < self._each_unknown or not self._is_fresh_work()
        if host is None:
            return True
        if not claim.seated:
            return self._held[host] < self._each
        if host not in self._quick and self._leave_none_to_the_quick():
            return False
        if self._held[host] >= (self._each if host in self._quick else self._each_unknown):
            return False
        enough = self._is_slow(claim) and self._with_slow_hosts() >= self._lendable // 2
        return self._seats.has_room(host) and not enough

    def _leave_none_to_the_quick(self) -> bool:
        """Whether those that are not known as quick have all but a quarter, while others are asked that are."""
        if not self._is_fresh_work():
            return False
        held = sum(
            count for host, count in self._held.items() if host is not None and host not in self._quick
        )
        return held >= self._total - self._total // 4

    def _with_slow_hosts(self) -> int:
        return sum(count + self._held[host] for host, count in self._lent.items())

    def _is_fresh_work(self) -> bool:
        return asyncio.get_running_loop().time() < self._fresh_until_s

    def _take(self, claim: Claim) -> Seat | None:
        super()._take(claim)
        self._returned += claim.returning
        if claim.seated and claim.host in self._quick:
            self._fresh_until_s = asyncio.get_running_loop().time() + FRESH_FOR_S
        return self._seats.take(claim.host) if claim.seated and claim.host else None

    def _give_back(self, claim: Claim) -> None:
        self._returned -= claim.returning
        super()._give_back(claim)


def _send_away(turns: Iterable[Given]) -> None:
    for turn in turns:
        if not turn.done():
            turn.set_exception(Crowded())


class Admitted:
    """A job's slot, and its seat at a host, while it is done."""

    def __init__(self, slots: Slots, claim: Claim, seat: Seat | None, *, urgent: bool) -> None:
        self._slots = slots
        self._claim = claim
        self._seat = seat
        self._urgent = urgent
        self._is_lent = False
        self.is_late = False
        """Its host answered so late that a moment more does not matter."""

    @asynccontextmanager
    async def at_host(self) -> AsyncIterator[Seat | None]:
        """Ask hosts within, with the seat that was claimed. Who has to wait long does so without a slot, and has one again
        afterwards; not where the block fails, for then there is little left to do.
        """
        timer = asyncio.get_running_loop().call_later(SLOW_AFTER_S, self._lend)
        try:
            yield self._seat
        finally:
            timer.cancel()
            if self._seat:
                self._seat.release()
        if self._is_lent:
            self._claim = await self._slots.regain(self._claim, urgent=self._urgent)
            self._is_lent = False
        else:
            self._slots.was_quick(self._claim)

    def end(self) -> None:
        """Give back what is still held."""
        if self._seat:
            self._seat.release()
        if self._is_lent:
            self._slots.forgo(self._claim)
        else:
            self._slots.end(self._claim)

    def _lend(self) -> None:
        self.is_late = True
        self._is_lent = self._slots.lend(self._claim)

    @property
    def host(self) -> str | None:
        """Whose picture it is about."""
        return self._claim.host


LONG_RENDER_S = 2.0
"""Whatever takes a renderer for longer is not to take them all."""

REMEMBERED_S = 60.0
"""For so long it counts that a host's pictures took long, and that another host's were asked for."""


class RendererShares(PrioritySemaphore):
    """Renderers, of which a host whose pictures take long has at most half while those of others are asked for; and no
    more has what can wait a moment, while there is what could be had in one.
    """

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._share = max(1, total // 2)
        self._took_long: OrderedDict[str, float] = OrderedDict()
        self._asked: OrderedDict[str, float] = OrderedDict()
        self._held_late = 0
        self._fresh_until_s = 0.0

    @asynccontextmanager
    async def take(self, *, urgent: bool, host: str | None = None, late: bool = False) -> AsyncIterator[None]:
        """`late`: who asked has waited for long anyway."""
        loop = asyncio.get_running_loop()
        can_wait = late or not urgent
        if host:
            _note(self._asked, host)
        if not can_wait:
            self._fresh_until_s = loop.time() + FRESH_FOR_S
        async with super().take(urgent=urgent, host=host, late=can_wait):
            timer = loop.call_later(LONG_RENDER_S, _note, self._took_long, host or "")
            try:
                yield
            finally:
                timer.cancel()

    def _may(self, claim: Claim) -> bool:
        host = claim.host
        if claim.late and self._held_late >= self._share and self._is_fresh_work():
            return False
        if host is None or self._held[host] < self._share:
            return True
        return not (_is_recent(self._took_long, host, REMEMBERED_S) and self._others_ask(host))

    def _is_fresh_work(self) -> bool:
        return asyncio.get_running_loop().time() < self._fresh_until_s

    def _take(self, claim: Claim) -> Seat | None:
        self._held_late += claim.late
        return super()._take(claim)

    def _give_back(self, claim: Claim) -> None:
        self._held_late -= claim.late
        super()._give_back(claim)

    def _others_ask(self, host: str) -> bool:
        """The last that asked, but for the host."""
        other = next((other for other in reversed(self._asked) if other != host), None)
        return other is not None and _is_recent(self._asked, other, REMEMBERED_S)


def _note(times: OrderedDict[str, float], host: str) -> None:
    times[host] = asyncio.get_running_loop().time()
    times.move_to_end(host)
    if len(times) > HOSTS_AT_MOST:
        times.popitem(last=False)


def _is_recent(times: Mapping[str, float], host: str, within_s: float) -> bool:
    noted = times.get(host)
    return noted is not None and asyncio.get_running_loop().time() - noted < within_s
