"""What can wait steps aside for what somebody waits for, and for no longer than is bearable."""

import asyncio
from contextlib import suppress

from services.fetcher.admission import HELD_S, PATIENCE_S, ROUNDS, IdleGate, RushDoor
from tests.integration.onesheet import until


async def ends(task: asyncio.Task[bool], *, within_s: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=within_s)
    return bool(done)


def stepping_aside(way: IdleGate) -> asyncio.Task[bool]:
    return asyncio.create_task(way.step_aside())


async def test_where_nobody_is_urgent_nothing_is_waited_for() -> None:
    async with asyncio.timeout(0):
        assert await IdleGate().step_aside()


async def test_what_can_wait_lets_all_pass_for_whom_somebody_waits() -> None:
    way = IdleGate(lull_s=0)
    with way.taken():
        with way.taken():
            aside = stepping_aside(way)
            assert not await ends(aside, within_s=0.02)
        assert not await ends(aside, within_s=0.02)
    assert await ends(aside, within_s=60)
    assert aside.result()


async def test_who_comes_within_the_lull_is_let_pass_as_well() -> None:
    way = IdleGate(lull_s=0.5)
    with way.taken():
        aside = stepping_aside(way)
    for _ in range(3):
        assert not await ends(aside, within_s=0.03)
        with way.taken():
            assert not await ends(aside, within_s=0.03)
    assert await ends(aside, within_s=60)
    assert aside.result()


async def test_without_end_nothing_steps_aside() -> None:
    way = IdleGate()
    with way.taken():
        assert not await asyncio.wait_for(way.step_aside(0.02), 1)
    assert PATIENCE_S < 5


async def test_what_fails_gives_the_way_back() -> None:
    way = IdleGate(lull_s=0)
    with suppress(ValueError), way.taken():
        raise ValueError
    assert await asyncio.wait_for(way.step_aside(), 1)


class Clients:
    """Who ask in so many of a few rounds of the event loop; and how long what can wait was held up."""

    def __init__(self, *, rounds: int) -> None:
        self._rounds = rounds
        self._looks = 0
        self._heard = 0
        self.held_s: list[float] = []
        self.going_on = asyncio.Event()

    def heard(self) -> int:
        """Is asked twice a round."""
        self._looks += 1
        if self._looks % 2 == 0:
            self._heard += (self._looks // 2) % ROUNDS < self._rounds
        return self._heard

    async def hold(self, seconds: float) -> None:
        self.held_s.append(seconds)
        await self.going_on.wait()

    @property
    def door(self) -> RushDoor:
        return RushDoor(self.heard, sleep=self.hold)


async def test_while_requests_leave_moments_free_nothing_is_held_up() -> None:
    for rounds in (0, 1, ROUNDS // 2 - 1):
        clients = Clients(rounds=rounds)
        await clients.door.enter()
        assert not clients.held_s


async def test_in_a_rush_of_requests_one_after_the_other_goes_on_each_after_a_while() -> None:
    clients = Clients(rounds=ROUNDS)
    door, entered = clients.door, list[int]()

    async def enter(number: int) -> None:
        await door.enter()
        entered.append(number)

    async with asyncio.TaskGroup() as entering:
        for number in range(3):
            entering.create_task(enter(number))
        await until(lambda: bool(clients.held_s))
        assert (clients.held_s, entered) == ([HELD_S], [])
        clients.going_on.set()
    assert (clients.held_s, entered) == ([HELD_S] * 3, [0, 1, 2])


async def test_who_gives_up_at_the_door_holds_nobody_up() -> None:
    clients = Clients(rounds=ROUNDS)
    door = clients.door
    leaving = asyncio.create_task(door.enter())
    await until(lambda: bool(clients.held_s))
    leaving.cancel()
    clients.going_on.set()
    await asyncio.wait_for(door.enter(), 1)
