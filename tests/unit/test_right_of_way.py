"""What can wait steps aside for what somebody waits for, and for no longer than is bearable."""

import asyncio
from contextlib import suppress

from services.fetcher.admission import PATIENCE_S, IdleGate


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
