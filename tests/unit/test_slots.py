import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.fetcher.admission import LATE_SHARE, LATER_SHARE, PrioritySemaphore


@asynccontextmanager
async def all_taken(slots: PrioritySemaphore, total: int) -> AsyncIterator[AsyncExitStack]:
    """Every slot is held until the stack is closed."""
    async with AsyncExitStack() as held:
        for _ in range(total):
            await held.enter_async_context(slots.take(urgent=True))
        yield held


async def line_up(
    slots: PrioritySemaphore, order: list[str], name: str, *, urgent: bool, late: bool = False
) -> asyncio.Task[None]:
    """Somebody who takes a slot, writes down that it was their turn, and gives it back."""

    async def take() -> None:
        async with slots.take(urgent=urgent, late=late):
            order.append(name)

    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    return task


async def test_no_more_than_the_total_run_at_once() -> None:
    slots, running, most = PrioritySemaphore(3), 0, 0

    async def work(urgent: bool) -> None:
        nonlocal running, most
        async with slots.take(urgent=urgent):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work(number % 2 == 0) for number in range(50)))
    assert most == 3


async def test_who_is_urgent_goes_first_and_in_the_order_of_coming() -> None:
    slots, order = PrioritySemaphore(1), list[str]()
    async with all_taken(slots, 1):
        tasks = [await line_up(slots, order, f"later {n}", urgent=False) for n in range(2)]
        tasks += [await line_up(slots, order, f"now {n}", urgent=True) for n in range(3)]
    await asyncio.gather(*tasks)
    assert order == ["now 0", "now 1", "now 2", "later 0", "later 1"]


async def test_a_tenth_goes_to_who_can_wait() -> None:
    slots, order = PrioritySemaphore(1), list[str]()
    async with all_taken(slots, 1):
        tasks = [await line_up(slots, order, "later", urgent=False) for _ in range(20)]
        tasks += [await line_up(slots, order, "now", urgent=True) for _ in range(100)]
    await asyncio.gather(*tasks)
    shares = [order[start : start + LATER_SHARE].count("later") for start in range(0, 100, LATER_SHARE)]
    assert shares == [1] * 10


async def test_who_has_waited_for_long_anyway_goes_behind_but_for_a_share() -> None:
    slots, order = PrioritySemaphore(1), list[str]()
    async with all_taken(slots, 1):
        tasks = [await line_up(slots, order, "late", urgent=True, late=True) for _ in range(10)]
        tasks += [await line_up(slots, order, "fresh", urgent=True) for _ in range(30)]
    await asyncio.gather(*tasks)
    shares = [order[start : start + LATE_SHARE].count("late") for start in range(0, 40, LATE_SHARE)]
    assert shares == [1] * 10


@pytest.mark.parametrize("urgent", [True, False])
async def test_without_a_rival_all_slots_are_had(urgent: bool) -> None:
    slots = PrioritySemaphore(4)
    async with AsyncExitStack() as held, asyncio.timeout(60):
        for _ in range(4):
            await held.enter_async_context(slots.take(urgent=urgent))


async def test_who_gives_up_waiting_takes_nothing_away() -> None:
    slots, order = PrioritySemaphore(1), list[str]()
    async with all_taken(slots, 1):
        impatient = await line_up(slots, order, "impatient", urgent=True)
        patient = await line_up(slots, order, "patient", urgent=True)
        impatient.cancel()
    await asyncio.gather(impatient, patient, return_exceptions=True)
    assert order == ["patient"]


async def test_a_slot_that_is_given_in_the_moment_of_cancelling_is_passed_on() -> None:
    slots, order = PrioritySemaphore(1), list[str]()
    async with all_taken(slots, 1):
        cancelled = await line_up(slots, order, "cancelled", urgent=True)
        patient = await line_up(slots, order, "patient", urgent=True)
    cancelled.cancel()  # given already, not yet told
    await asyncio.gather(cancelled, patient, return_exceptions=True)
    assert "patient" in order
    async with asyncio.timeout(60), slots.take(urgent=True):
        pass


async def test_a_slot_comes_back_when_the_work_fails() -> None:
    slots = PrioritySemaphore(1)
    with pytest.raises(ZeroDivisionError):
        async with slots.take(urgent=True):
            raise ZeroDivisionError
    async with asyncio.timeout(60), slots.take(urgent=False):
        pass
