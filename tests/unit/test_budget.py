"""A budget: bursts within the window, who comes first, what the provider says, what a restart remembers."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.enricher.finder.providers import Limit, NotAsked, RateBudget, Turn, Urgency
from services.enricher.finder.providers.errors import Allowance
from services.enricher.finder.providers.spending import FIRST_PAUSE, LONGEST_PAUSE, BudgetSnapshot

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_budget(clock: Clock, requests: int = 10, period: timedelta = MINUTE) -> RateBudget:
    return RateBudget("Trakt", Limit(requests, period), now=clock)


def turn(clock: Clock, *, waits: timedelta = timedelta(0), urgency: Urgency = Urgency.NOW) -> Turn:
    return Turn(urgency, clock.now + waits)


async def take(budget: RateBudget, clock: Clock, times: int = 1, urgency: Urgency = Urgency.NOW) -> None:
    for _ in range(times):
        await budget.take(turn(clock, urgency=urgency))


async def test_a_burst_may_use_the_whole_window_at_once_and_not_one_request_more(clock: Clock) -> None:
    budget = a_budget(clock)
    await take(budget, clock, 10)
    with pytest.raises(NotAsked) as refused:
        await take(budget, clock)
    assert MINUTE <= refused.value.busy_until - NOON < MINUTE + SECOND


async def test_what_is_left_is_told_by_the_window_and_by_what_the_provider_says(clock: Clock) -> None:
    budget = a_budget(clock)
    assert budget.left == 10
    await take(budget, clock, 4)
    assert budget.left == 6
    budget.told(Allowance(2, clock.now + SECOND))
    assert budget.left == 2
    budget.pause(10 * SECOND, asked_at=clock.now)
    assert budget.left == 0
    clock.go_on(11 * SECOND)
    assert budget.left == 6


async def test_what_left_the_window_makes_room(clock: Clock) -> None:
    budget = a_budget(clock)
    await take(budget, clock, 5)
    clock.go_on(timedelta(seconds=40))
    await take(budget, clock, 5)
    clock.go_on(timedelta(seconds=21))
    await take(budget, clock, 5)
    with pytest.raises(NotAsked):
        await take(budget, clock)


async def test_whoever_can_wait_is_admitted_when_there_is_room() -> None:
    budget = RateBudget("TMDB", Limit(2, timedelta(milliseconds=200)))
    started = asyncio.get_running_loop().time()
    until = datetime.now(UTC) + MINUTE
    await asyncio.gather(*(budget.take(Turn(Urgency.NOW, until)) for _ in range(5)))
    assert asyncio.get_running_loop().time() - started >= 0.4


async def test_who_is_too_far_back_in_the_line_hears_so_at_once(clock: Clock) -> None:
    budget = a_budget(clock, requests=2)
    await take(budget, clock, 2)
    waiting = [asyncio.create_task(budget.take(turn(clock, waits=MINUTE + SECOND))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(NotAsked) as refused:
        await budget.take(turn(clock, waits=MINUTE + SECOND))
    assert refused.value.busy_until >= NOON + 2 * MINUTE
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_background_work_leaves_a_share_to_those_who_wait(clock: Clock) -> None:
    budget = a_budget(clock)
    await take(budget, clock, 6, Urgency.LATER)
    with pytest.raises(NotAsked):
        await take(budget, clock, urgency=Urgency.LATER)
    await take(budget, clock, 4)


async def test_nobody_who_waits_stands_behind_background_work() -> None:
    budget = RateBudget("Trakt", Limit(1, timedelta(milliseconds=100)))
    until = datetime.now(UTC) + MINUTE
    await budget.take(Turn(Urgency.NOW, until))
    admitted: list[str] = []

    async def wait(name: str, urgency: Urgency) -> None:
        await budget.take(Turn(urgency, until))
        admitted.append(name)

    await asyncio.gather(
        wait("background 1", Urgency.LATER), wait("background 2", Urgency.LATER), wait("user", Urgency.NOW)
    )
    assert admitted == ["user", "background 1", "background 2"]


async def test_background_work_that_waits_makes_nobody_too_late(clock: Clock) -> None:
    budget = a_budget(clock, requests=1)
    await take(budget, clock)
    background = asyncio.create_task(budget.take(turn(clock, waits=5 * MINUTE, urgency=Urgency.LATER)))
    await asyncio.sleep(0)
    assert budget.expect(turn(clock, waits=MINUTE + SECOND)) < NOON + MINUTE + SECOND
    with pytest.raises(NotAsked):
        budget.expect(turn(clock, waits=MINUTE + SECOND, urgency=Urgency.LATER))
    background.cancel()
    await asyncio.gather(background, return_exceptions=True)


async def test_background_work_that_somebody_joins_is_moved_up() -> None:
    budget = RateBudget("Trakt", Limit(1, timedelta(milliseconds=100)))
    until = datetime.now(UTC) + MINUTE
    await budget.take(Turn(Urgency.NOW, until))
    turns = [Turn(Urgency.LATER, until) for _ in range(3)]
    admitted: list[int] = []

    async def wait(number: int) -> None:
        await budget.take(turns[number])
        admitted.append(number)

    tasks = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    turns[2].hurry()
    await asyncio.gather(*tasks)
    assert admitted == [2, 0, 1]


async def test_who_gives_up_leaves_the_line_and_costs_nothing() -> None:
    budget = RateBudget("Trakt", Limit(1, SECOND))
    until = datetime.now(UTC) + MINUTE
    await budget.take(Turn(Urgency.NOW, until))
    leaver = asyncio.create_task(budget.take(Turn(Urgency.NOW, until)))
    stayer = asyncio.create_task(budget.take(Turn(Urgency.NOW, until)))
    await asyncio.sleep(0)
    leaver.cancel()
    started = asyncio.get_running_loop().time()
    await stayer
    assert asyncio.get_running_loop().time() - started < 1.9, "a second for each who stayed"


async def test_fewer_left_than_we_thought_is_believed(clock: Clock) -> None:
    budget = a_budget(clock)
    await take(budget, clock)
    budget.told(Allowance(left=2, until=NOON + timedelta(seconds=30)))
    await take(budget, clock, 2)
    with pytest.raises(NotAsked) as refused:
        await take(budget, clock)
    assert refused.value.busy_until == NOON + timedelta(seconds=30)
    clock.go_on(timedelta(seconds=30))
    await take(budget, clock)


async def test_an_answer_that_was_overtaken_gives_nothing_back(clock: Clock) -> None:
    budget = a_budget(clock)
    budget.told(Allowance(left=1, until=NOON + MINUTE))
    budget.told(Allowance(left=5, until=NOON + MINUTE))
    await take(budget, clock)
    with pytest.raises(NotAsked):
        await take(budget, clock)


async def test_a_smaller_limit_than_ours_is_kept_to(clock: Clock) -> None:
    budget = a_budget(clock)
    budget.told(Allowance(left=9, until=NOON + MINUTE, limit=3, period=MINUTE))
    await take(budget, clock, 3)
    with pytest.raises(NotAsked):
        await take(budget, clock)


async def test_a_pause_is_kept_by_everybody(clock: Clock) -> None:
    budget = a_budget(clock)
    budget.pause(timedelta(seconds=20), asked_at=clock.now)
    assert budget.busy_until == NOON + timedelta(seconds=20)
    for urgency in Urgency:
        with pytest.raises(NotAsked) as refused:
            await take(budget, clock, urgency=urgency)
        assert refused.value.busy_until == NOON + timedelta(seconds=20)
    clock.go_on(timedelta(seconds=20))
    assert budget.busy_until is None
    await take(budget, clock)


async def test_a_pause_that_begins_holds_back_who_waits_already() -> None:
    budget = RateBudget("Trakt", Limit(1, timedelta(milliseconds=50)))
    until = datetime.now(UTC) + MINUTE
    await budget.take(Turn(Urgency.NOW, until))
    waiting = asyncio.create_task(budget.take(Turn(Urgency.NOW, until)))
    await asyncio.sleep(0)
    started = asyncio.get_running_loop().time()
    budget.pause(timedelta(milliseconds=300), asked_at=datetime.now(UTC))
    await waiting
    assert asyncio.get_running_loop().time() - started >= 0.29


async def test_pauses_of_unknown_length_grow_until_an_answer_comes(clock: Clock) -> None:
    budget = a_budget(clock, requests=1000)

    def paused() -> timedelta:
        asked_at = clock.now
        budget.pause(None, asked_at=asked_at)
        wait = (budget.busy_until or clock.now) - clock.now
        clock.go_on(wait)
        return wait

    assert [paused() for _ in range(3)] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert max(paused() for _ in range(20)) == LONGEST_PAUSE
    budget.answered()
    assert paused() == FIRST_PAUSE


async def test_a_burst_that_is_refused_as_a_whole_makes_one_pause(clock: Clock) -> None:
    budget = a_budget(clock)
    asked_at = clock.now
    clock.go_on(SECOND)
    for _ in range(10):
        budget.pause(None, asked_at=asked_at)
    assert budget.busy_until == clock.now + FIRST_PAUSE


async def test_a_restart_does_not_begin_a_full_window(clock: Clock) -> None:
    before = a_budget(clock)
    await take(before, clock, 10)
    clock.go_on(SECOND)
    after = a_budget(clock)
    after.resume(before.snapshot(closed=True))
    assert after.busy_until == before.busy_until
    with pytest.raises(NotAsked):
        await take(after, clock)


async def test_a_restart_goes_on_with_pauses_and_with_what_the_provider_said(clock: Clock) -> None:
    before = a_budget(clock)
    before.told(Allowance(left=1, until=NOON + MINUTE))
    before.pause(timedelta(seconds=20), asked_at=clock.now)
    after = a_budget(clock)
    after.resume(before.snapshot(closed=True))
    assert after.busy_until == NOON + timedelta(seconds=20)
    clock.go_on(timedelta(seconds=20))
    await take(after, clock)
    with pytest.raises(NotAsked):
        await take(after, clock)


async def test_what_a_crash_forgot_counts_as_spent(clock: Clock) -> None:
    before = a_budget(clock, requests=100)
    await take(before, clock, 50)
    spending = before.snapshot()
    while not before.worth_keeping.is_set():
        await take(before, clock)
    after = a_budget(clock, requests=100)
    after.resume(spending)
    room = 0
    while not after.busy_until:
        await take(after, clock)
        room += 1
    assert room <= 40


async def test_a_clock_that_is_set_back_stops_nobody_for_long(clock: Clock) -> None:
    budget = a_budget(clock)
    await take(budget, clock, 10)
    clock.go_on(timedelta(hours=-3))
    assert budget.busy_until is None


async def test_several_limits_hold_together(clock: Clock) -> None:
    budget = RateBudget("Hardcover", Limit(2, MINUTE), Limit(5, 60 * MINUTE), now=clock)
    for _ in range(2):
        await take(budget, clock, 2)
        with pytest.raises(NotAsked) as refused:
            await take(budget, clock)
        assert refused.value.busy_until - clock.now < MINUTE + SECOND
        clock.go_on(MINUTE + SECOND)
    await take(budget, clock)
    assert budget.busy_until
    assert 57 * MINUTE < budget.busy_until - clock.now < 58 * MINUTE


async def test_a_restart_goes_on_with_every_limit(clock: Clock) -> None:
    before = RateBudget("Hardcover", Limit(2, MINUTE), Limit(4, 60 * MINUTE), now=clock)
    await take(before, clock, 2)
    clock.go_on(2 * MINUTE)
    await take(before, clock, 1)
    after = RateBudget("Hardcover", Limit(2, MINUTE), Limit(4, 60 * MINUTE), now=clock)
    after.resume(before.snapshot(closed=True))
    await take(after, clock, 1)
    clock.go_on(2 * MINUTE)
    assert after.busy_until
    assert after.busy_until - NOON == 60 * MINUTE + timedelta(milliseconds=1)


async def test_a_limit_that_is_told_lower_counts_for_its_own_window(clock: Clock) -> None:
    budget = RateBudget("Hardcover", Limit(10, MINUTE), Limit(100, 60 * MINUTE), now=clock)
    budget.told(Allowance(left=50, until=NOON + 60 * MINUTE, limit=3, period=60 * MINUTE))
    await take(budget, clock, 3)
    assert budget.busy_until
    assert budget.busy_until - NOON > 59 * MINUTE


def test_what_the_version_before_kept_is_read(clock: Clock) -> None:
    kept = (
        '{"requests":10,"spent_at_ms":[1767268740000,1767268790000],"paused_until":"1970-01-01T00:00:00Z",'
        '"pauses":0,"left":null,"left_until":null,"closed":true}'
    )
    budget = a_budget(clock)
    budget.resume(BudgetSnapshot.model_validate_json(kept))
    assert budget.snapshot().spent_at_ms == (1767268740000, 1767268790000)
