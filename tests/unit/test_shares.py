"""What one host may take of a fetcher: seats at the host, slots, and places among those that wait in hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.fetcher.admission import Claim, Seat
from services.fetcher.errors import HostIsBusy
from services.fetcher.shares import (
    AHEAD,
    LENT_AT_MOST,
    Admitted,
    Crowded,
    NobodyWaits,
    RendererShares,
    Seats,
    Slots,
)


def at(host: str) -> Claim:
    return Claim(host, seated=True)


class Crowd:
    """Jobs that take a slot, and hold it until they are told to end."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.working: list[str] = []
        self._leaving = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(
        self, *names: str, host: str | None = None, urgent: bool = True, patience_s: float | None = None
    ) -> None:
        """One job for each name; those who get a slot at once have it when this returns."""
        for name in names:
            work = self._work(name, Claim(host, seated=host is not None), urgent, patience_s)
            self._tasks[name] = asyncio.create_task(work)
        await settled()

    async def _work(self, name: str, claim: Claim, urgent: bool, patience_s: float | None) -> None:
        async with self.slots.admitted(claim, urgent=urgent, ticket=name, patience_s=patience_s) as turn:
            self.working.append(name)
            async with turn.at_host():
                await self._leaving.wait()

    def waiting(self, prefix: str) -> int:
        return sum(
            name.startswith(prefix) and not task.done() and name not in self.working
            for name, task in self._tasks.items()
        )

    async def end_of(self, name: str) -> BaseException | None:
        await asyncio.wait({self._tasks[name]}, timeout=60)
        return self._tasks[name].exception()

    async def leave(self) -> None:
        self._leaving.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def crowding(total: int, *, each: int = 8) -> AsyncIterator[Crowd]:
    crowd = Crowd(Slots(total, Seats(each)))
    try:
        yield crowd
    finally:
        await crowd.leave()


@pytest.fixture
def slow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fetcher.shares.SLOW_AFTER_S", 0.0)


async def lent(condition: Callable[[], bool]) -> None:
    """Wait until those who wait for a slow host have lent their slots."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody tells when a slot is lent
            await asyncio.sleep(0.001)


async def test_a_slot_is_had_only_with_a_seat_and_others_go_past_who_has_none() -> None:
    async with crowding(32, each=2) as crowd:
        await crowd.come("a1", "a2", "a3", "a4", host="a.example")
        await crowd.come("b1", host="b.example")
        await crowd.come("purge")
        assert crowd.working == ["a1", "a2", "b1", "purge"]


async def test_a_seat_that_gets_free_is_had_by_the_next_in_line() -> None:
    slots = Slots(8, Seats(1))
    order: list[str] = []

    async def work(name: str) -> None:
        async with slots.admitted(at("a.example"), urgent=True, ticket=name) as turn, turn.at_host():
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await asyncio.gather(*map(work, ["1", "2", "3", "4"]))
    assert order == ["1", "2", "3", "4"]


async def test_the_seat_is_free_for_the_next_as_soon_as_the_host_is_done() -> None:
    slots = Slots(8, Seats(1))
    async with slots.admitted(at("a.example"), urgent=True, ticket="1") as first:
        async with first.at_host() as seat:
            assert seat
        async with asyncio.timeout(60), slots.admitted(at("a.example"), urgent=True, ticket="2"):
            pass


async def test_one_host_has_at_most_half_of_the_slots_and_a_quarter_before_it_was_quick() -> None:
    async with crowding(8, each=100) as crowd:
        await crowd.come(*(f"a{number}" for number in range(8)), host="a.example")
        assert crowd.working == ["a0", "a1"]
        crowd.slots.was_quick(at("a.example"))
        await crowd.come(*(f"b{number}" for number in range(8)), host="b.example")
        assert crowd.working == ["a0", "a1", "a2", "a3", "b0", "b1"]


@pytest.mark.parametrize(("fresh_for_s", "had"), [(600.0, 6), (0.0, 8)])
async def test_hosts_that_may_be_slow_leave_a_quarter_to_quick_ones_while_these_are_asked(
    monkeypatch: pytest.MonkeyPatch, fresh_for_s: float, had: int
) -> None:
    monkeypatch.setattr("services.fetcher.shares.FRESH_FOR_S", fresh_for_s)
    async with crowding(8) as crowd:
        crowd.slots.was_quick(at("quick.example"))
        await enter(crowd.slots, at("quick.example"))
        for number in range(10):
            await crowd.come(f"{number}", host=f"{number}.example")
        assert len(crowd.working) == had
        await crowd.come("q1", "q2", host="quick.example")
        assert ("q2" in crowd.working) == (had == 6)


async def test_a_host_that_answers_is_quick_until_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Slots(4, Seats(8))
    for slow_after_s, had in ((10, 2), (0.0, 1)):
        monkeypatch.setattr("services.fetcher.shares.SLOW_AFTER_S", slow_after_s)
        async with slots.admitted(at("a.example"), urgent=True, ticket="first") as turn, turn.at_host():
            await asyncio.sleep(0.001)
        crowd = Crowd(slots)
        monkeypatch.setattr("services.fetcher.shares.SLOW_AFTER_S", 10)
        await crowd.come("1", "2", "3", host="a.example")
        assert len(crowd.working) == had
        await crowd.leave()


async def test_hosts_take_turns() -> None:
    slots, order = Slots(2, Seats(8)), list[str]()

    async def work(name: str, host: str) -> None:
        async with slots.admitted(at(host), urgent=True, ticket=name):
            order.append(name)
            await asyncio.sleep(0)

    async with AsyncExitStack() as all_taken:
        for number in range(2):
            await all_taken.enter_async_context(slots.take(urgent=True, host=f"{number}.example"))
        many = [asyncio.create_task(work(f"a{number}", "a.example")) for number in range(20)]
        await settled()
        few = [asyncio.create_task(work(f"{host}1", f"{host}.example")) for host in "bc"]
        await settled()
    await asyncio.gather(*many, *few)
    assert {"b1", "c1"} <= set(order[:4])


@pytest.mark.usefixtures("slow_at_once")
async def test_who_waits_for_a_slow_host_lends_the_slot_and_has_one_again() -> None:
    slots = Slots(1, Seats(8))
    async with slots.admitted(at("slow.example"), urgent=True, ticket="slow") as slow:
        async with slow.at_host():
            await asyncio.wait_for(enter(slots, at("fast.example")), 60)
        other = asyncio.create_task(enter(slots, at("fast.example")))
        await settled()
        assert not other.done()
    await asyncio.wait_for(other, 60)


async def enter(slots: Slots, claim: Claim) -> None:
    async with slots.admitted(claim, urgent=True, ticket=str(claim)):
        pass


@pytest.mark.usefixtures("slow_at_once")
@pytest.mark.parametrize("total", [1, 4])
async def test_slow_hosts_leave_all_slots_to_others_however_many_they_are(total: int) -> None:
    async with crowding(total) as crowd:
        for number in range(10 * 12):
            await crowd.come(f"slow{number}", host=f"{number % 10}.example")
            await asyncio.sleep(0.001)
        assert len(crowd.working) == LENT_AT_MOST * 8 // 2
        crowd.slots.was_quick(at("fast.example"))
        fast = [f"fast{number}" for number in range(max(1, total // 2))]
        await crowd.come(*fast, host="fast.example")
        assert crowd.working[-len(fast) :] == fast


@pytest.mark.usefixtures("slow_at_once")
async def test_who_fails_or_is_cancelled_without_its_slot_takes_none_away() -> None:
    slots = Slots(1, Seats(8))
    held = asyncio.Event()

    async def work(end: BaseException | None) -> None:
        async with slots.admitted(at("slow.example"), urgent=True, ticket=str(end)) as turn, turn.at_host():
            if end:
                await asyncio.sleep(0.01)
                raise end
            await held.wait()

    with pytest.raises(ZeroDivisionError):
        await work(ZeroDivisionError())
    cancelled = asyncio.create_task(work(None))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        await stack.enter_async_context(slots.take(urgent=True))
        second = asyncio.create_task(enter(slots, Claim()))
        await settled()
        assert not second.done()
    await asyncio.wait_for(second, 60)


@pytest.mark.usefixtures("slow_at_once")
async def test_of_what_waits_in_hand_a_slow_host_has_no_more_than_it_leaves_free() -> None:
    async with crowding(2, each=1) as crowd:
        names = [f"slow{number}" for number in range(AHEAD * 2 + 1)]
        await crowd.come(*names, host="slow.example")
        await lent(lambda: crowd.waiting("slow") <= AHEAD)
        assert isinstance(await crowd.end_of(names[-1]), Crowded)
        assert crowd.waiting("slow") == AHEAD
        await crowd.come("one more", host="slow.example")
        assert isinstance(await crowd.end_of("one more"), Crowded)
        await crowd.come("fast", host="fast.example")
        assert crowd.working == ["slow0", "fast"]


async def test_where_others_fill_what_is_in_hand_a_slow_host_has_none_wait_and_lends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.fetcher.shares.SLOW_AFTER_S", 0.2)
    async with crowding(1, each=8) as crowd:
        await crowd.come("slow", "behind", host="slow.example")
        await crowd.come(*(f"fast{number}" for number in range(3 * AHEAD)), host="fast.example")
        assert isinstance(await crowd.end_of("behind"), Crowded)
        await lent(lambda: "fast0" in crowd.working)
        assert crowd.waiting("slow") == 0


async def test_a_host_that_is_not_slow_may_fill_what_is_in_hand() -> None:
    async with crowding(2, each=1) as crowd:
        names = [f"a{number}" for number in range(AHEAD * 2 + 1)]
        await crowd.come(*names, host="a.example")
        assert crowd.waiting("a") == len(names) - 1


async def test_whom_nobody_waits_for_goes_from_the_line() -> None:
    slots = Slots(1, Seats(1))
    async with slots.take(urgent=True):
        crowd = Crowd(slots)
        await crowd.come("gone", "there", host="a.example")
        slots.dismiss("gone")
        slots.dismiss("never heard of")
        assert isinstance(await crowd.end_of("gone"), NobodyWaits)
    await settled()
    assert crowd.working == ["there"]
    await crowd.leave()


async def test_the_impatient_get_what_can_be_had_at_once_and_no_more() -> None:
    async with crowding(1) as crowd:
        await crowd.come("old", host="a.example", patience_s=-1)
        await crowd.come("as old", host="b.example", patience_s=-1)
        assert crowd.working == ["old"]
        assert isinstance(await crowd.end_of("as old"), NobodyWaits)


async def test_at_the_end_nobody_waits_and_who_works_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fetcher.shares.SLOW_AFTER_S", 600.0)
    slots = Slots(1, Seats(1))
    crowd = Crowd(slots)
    await crowd.come("working", "waiting", host="a.example")
    slots.close()
    await crowd.come("late", host="b.example")
    assert isinstance(await crowd.end_of("waiting"), Crowded)
    assert isinstance(await crowd.end_of("late"), Crowded)
    assert crowd.waiting("w") == 0
    await crowd.leave()
    assert await crowd.end_of("working") is None


async def test_a_seat_elsewhere_is_waited_for_and_not_for_ever() -> None:
    seats = Seats(1)
    held = seats.take("a.example")
    async with seats.sitting("a.example", held=held, within_s=0):
        with pytest.raises(HostIsBusy):
            async with seats.sitting("a.example", held=None, within_s=0.01):
                pass
    waiting = asyncio.create_task(sit(seats, None))
    await settled()
    assert not waiting.done()
    held.release()
    held.release()
    await asyncio.wait_for(waiting, 60)
    assert seats.has_room("a.example")
    async with seats.sitting("a.example", held=held, within_s=0):  # it is held no longer
        assert not seats.has_room("a.example")


async def sit(seats: Seats, held: Seat | None) -> None:
    async with seats.sitting("a.example", held=held, within_s=5):
        pass


async def test_a_seat_given_to_who_is_cancelled_is_passed_on() -> None:
    seats = Seats(1)
    held = seats.take("a.example")
    waiting = asyncio.create_task(sit(seats, None))
    await settled()
    held.release()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert seats.has_room("a.example")


def test_a_turn_that_never_asked_gives_back_both() -> None:
    seats = Seats(1)
    slots = Slots(1, seats)
    seat = slots._take(at("a.example"))
    Admitted(slots, at("a.example"), seat, urgent=True).end()
    assert seats.has_room("a.example")
    assert slots._free == 1


async def renders(
    shares: RendererShares, stack: AsyncExitStack, *hosts: str, urgent: bool = True, late: bool = False
) -> list[str]:
    """Whose pictures are being rendered of those that are asked for; the others wait until the stack is closed."""
    rendering: list[str] = []
    over = asyncio.Event()

    async def render(host: str) -> None:
        async with shares.take(urgent=urgent, host=host, late=late):
            rendering.append(host)
            await over.wait()

    tasks = [asyncio.create_task(render(host)) for host in hosts]
    await settled()

    async def end() -> None:
        over.set()
        await asyncio.gather(*tasks)

    stack.push_async_callback(end)
    return rendering


async def test_a_host_whose_pictures_take_long_leaves_half_of_the_renderers_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.fetcher.shares.LONG_RENDER_S", 0.0)
    shares = RendererShares(4)
    async with AsyncExitStack() as stack:
        assert len(await renders(shares, stack, *["slow.example"] * 5)) == 4  # nobody else asks
        await asyncio.sleep(0.001)
    async with AsyncExitStack() as stack:
        rendering = await renders(shares, stack, *["fast.example"], *["slow.example"] * 5)
        assert sorted(rendering) == ["fast.example", "slow.example", "slow.example"]
        assert await renders(shares, stack, "another.example") == ["another.example"]


async def test_a_host_whose_pictures_are_quickly_rendered_may_have_all_renderers() -> None:
    shares = RendererShares(4)
    async with AsyncExitStack() as stack:
        rendering = await renders(shares, stack, "other.example", *["fast.example"] * 5)
        assert rendering == ["other.example", *["fast.example"] * 3]


@pytest.mark.parametrize("can_wait", [{"late": True}, {"urgent": False}])
async def test_what_can_wait_leaves_renderers_to_what_can_be_had_in_a_moment(
    monkeypatch: pytest.MonkeyPatch, can_wait: dict[str, bool]
) -> None:
    monkeypatch.setattr("services.fetcher.shares.FRESH_FOR_S", 60.0)
    shares, slow = RendererShares(2), [f"slow{number}.example" for number in range(5)]
    async with AsyncExitStack() as stack:
        assert len(await renders(shares, stack, *slow, **can_wait)) == 2  # nothing else is asked for
    async with AsyncExitStack() as stack:
        assert await renders(shares, stack, "fast.example") == ["fast.example"]
    async with AsyncExitStack() as stack:
        assert await renders(shares, stack, *slow, **can_wait) == slow[:1]
        assert await renders(shares, stack, "fast.example") == ["fast.example"]


async def test_what_can_wait_has_all_renderers_again_when_nothing_else_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.fetcher.shares.FRESH_FOR_S", 0.0)
    shares = RendererShares(2)
    async with AsyncExitStack() as stack:
        await renders(shares, stack, "fast.example")
    async with AsyncExitStack() as stack:
        assert len(await renders(shares, stack, *["slow.example"] * 3, late=True)) == 2


@pytest.mark.usefixtures("slow_at_once")
async def test_a_job_whose_host_was_slow_is_late_from_then_on() -> None:
    slots = Slots(2, Seats(8))
    async with slots.admitted(at("slow.example"), urgent=True, ticket="slow") as job:
        assert not job.is_late
        async with job.at_host():
            await settled()
        assert job.is_late


@pytest.mark.usefixtures("slow_at_once")
@pytest.mark.parametrize(("fresh_for_s", "back"), [(600.0, 2), (0.0, 5)])
async def test_what_comes_back_from_slow_hosts_has_a_quarter_of_the_slots_while_quick_ones_are_asked(
    monkeypatch: pytest.MonkeyPatch, fresh_for_s: float, back: int
) -> None:
    monkeypatch.setattr("services.fetcher.shares.FRESH_FOR_S", fresh_for_s)
    slots, answered, over = Slots(8, Seats(8)), asyncio.Event(), asyncio.Event()
    working: list[int] = []

    async def work(number: int) -> None:
        claim = at(f"slow{number}.example")
        async with slots.admitted(claim, urgent=True, ticket=str(number)) as turn:
            async with turn.at_host():
                await answered.wait()
            working.append(number)
            await over.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await lent(lambda: slots._lent.total() == 5)
    slots.was_quick(at("fast.example"))
    await enter(slots, at("fast.example"))
    answered.set()
    await settled()
    assert len(working) == back
    over.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    assert len(working) == 5


def test_a_fetcher_of_one_job_at_a_time_takes_none_ahead() -> None:
    assert Slots(1, Seats(8)).in_hand == 1
    assert Slots(2, Seats(8)).in_hand > 2 * (1 + AHEAD)
