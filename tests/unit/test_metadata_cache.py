"""The cache before a provider: one flight for all, each outcome for its own time, stale when nothing else is to be had."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from services.enricher.finder.metadata.cache import MAX_FLIGHTS, OLDEST, Cache, CacheRequest
from services.enricher.finder.metadata.outcomes import (
    ERROR_KEPT,
    NOT_FOUND_KEPT,
    Found,
    NotFound,
    Pending,
    Unavailable,
)
from services.enricher.finder.providers import (
    Broken,
    Busy,
    Misconfigured,
    NotAsked,
    NothingThere,
    ProviderError,
    Refused,
    Turn,
    Unreadable,
    Urgency,
)

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class Said(BaseModel):
    text: str


class Clock:
    """Goes with the real one, and further where it is told to."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Asking:
    """A provider of one thing, that answers, fails or waits, and counts."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.answer: Said | Exception = Said(text="one")
        self.open = asyncio.Event()
        self.open.set()

    @property
    def count(self) -> int:
        return len(self.turns)

    async def __call__(self, turn: Turn) -> Said:
        self.turns.append(turn)
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
async def cache(clock: Clock) -> AsyncIterator[Cache]:
    async with Cache(max_entries=100, max_bytes=100_000, now=clock).open() as cache:
        yield cache


def wanted(asking: Callable[[Turn], Awaitable[Said]], key: str = "movie:1") -> CacheRequest[Said]:
    return CacheRequest(key, Said, HOUR, asking)


async def look(
    cache: Cache,
    clock: Clock,
    what: CacheRequest[Said],
    *,
    within: timedelta = 5 * SECOND,
    urgency: Urgency = Urgency.NOW,
) -> object:
    return await cache.look(what, until=clock() + within, urgency=urgency)


async def test_what_was_found_is_asked_for_once_in_its_time(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    for _ in range(3):
        assert await look(cache, clock, wanted(asking)) == Found(Said(text="one"))
    assert asking.count == 1
    clock.ahead += HOUR
    await look(cache, clock, wanted(asking))
    assert asking.count == 2
    assert (cache.statistics.hits, cache.statistics.misses) == (2, 2)


async def test_twenty_who_ask_at_once_share_a_flight(cache: Cache, clock: Clock, asking: Asking) -> None:
    outcomes = await asyncio.gather(*(look(cache, clock, wanted(asking)) for _ in range(20)))
    assert outcomes == [Found(Said(text="one"))] * 20
    assert asking.count == 1


async def test_a_waiter_who_is_cancelled_does_not_end_the_flight(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    asking.open.clear()
    leaver = asyncio.create_task(look(cache, clock, wanted(asking)))
    stayer = asyncio.create_task(look(cache, clock, wanted(asking)))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    asking.open.set()
    assert await stayer == Found(Said(text="one"))
    assert asking.count == 1


async def test_who_cannot_wait_is_told_so_and_the_answer_is_there_later(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    asking.open.clear()
    assert await look(cache, clock, wanted(asking), within=0.05 * SECOND) == Pending()
    asking.open.set()
    assert await look(cache, clock, wanted(asking)) == Found(Said(text="one"))
    assert asking.count == 1


async def test_an_error_reaches_everybody_who_waits(cache: Cache, clock: Clock, asking: Asking) -> None:
    asking.answer = Broken("Trakt answered 500.", status=500)
    outcomes = await asyncio.gather(*(look(cache, clock, wanted(asking)) for _ in range(5)))
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert asking.count == 1


async def test_a_bug_reaches_everybody_and_is_not_remembered(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    asking.answer = KeyError("a bug")
    waiting = (look(cache, clock, wanted(asking)) for _ in range(2))
    assert {type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)} == {KeyError}
    asking.answer = Said(text="two")
    assert await look(cache, clock, wanted(asking)) == Found(Said(text="two"))


@pytest.mark.parametrize("kind", [Broken, Misconfigured, Refused, Unreadable, ProviderError])
async def test_each_error_is_kept_for_its_own_time_and_shorter_than_nothing_there(
    cache: Cache, clock: Clock, asking: Asking, kind: type[ProviderError]
) -> None:
    kept = ERROR_KEPT.get(kind, 5 * SECOND)
    assert kept < NOT_FOUND_KEPT
    asking.answer = kind("It went wrong.")
    outcome = await look(cache, clock, wanted(asking))
    assert isinstance(outcome, Unavailable)
    assert (outcome.failure_class, outcome.reason) == (kind.failure_class, "It went wrong.")
    clock.ahead += kept - SECOND
    await look(cache, clock, wanted(asking))
    assert asking.count == 1
    clock.ahead += SECOND
    asking.answer = Said(text="well again")
    assert await look(cache, clock, wanted(asking)) == Found(Said(text="well again"))


async def test_nothing_there_is_kept_for_its_time(cache: Cache, clock: Clock, asking: Asking) -> None:
    asking.answer = NothingThere("No.")
    assert await look(cache, clock, wanted(asking)) == NotFound()
    clock.ahead += NOT_FOUND_KEPT - SECOND
    assert await look(cache, clock, wanted(asking)) == NotFound()
    clock.ahead += 2 * SECOND
    asking.answer = Said(text="it came")
    assert await look(cache, clock, wanted(asking)) == Found(Said(text="it came"))


async def test_a_busy_provider_is_asked_again_by_those_who_can_wait_for_it(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    asking.answer = Busy("Wait.", retry_after=3 * SECOND)
    assert isinstance(await look(cache, clock, wanted(asking), within=2 * SECOND), Unavailable)
    assert isinstance(await look(cache, clock, wanted(asking), within=2 * SECOND), Unavailable)
    assert asking.count == 1
    asking.answer = Said(text="after waiting in the budget's line")
    assert isinstance(await look(cache, clock, wanted(asking), within=5 * SECOND), Found)


async def test_who_could_not_be_asked_for_one_in_a_hurry_is_asked_for_the_next(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    asking.answer = NotAsked("Trakt", busy_until=clock(), now=clock() + SECOND)
    assert not isinstance(await look(cache, clock, wanted(asking), within=-SECOND), Found)
    asking.answer = Said(text="one")
    assert await look(cache, clock, wanted(asking)) == Found(Said(text="one"))


@pytest.mark.parametrize("error", [Broken("x"), Busy("x", retry_after=60 * SECOND), Misconfigured("x")])
async def test_what_expired_is_given_while_its_provider_fails(
    cache: Cache, clock: Clock, asking: Asking, error: ProviderError
) -> None:
    await look(cache, clock, wanted(asking))
    clock.ahead += 2 * HOUR
    asking.answer = error
    for _ in range(3):
        assert await look(cache, clock, wanted(asking)) == Found(Said(text="one"), stale=True)
    assert (asking.count, cache.statistics.stale) == (2, 3)
    clock.ahead += HOUR
    asking.answer = Said(text="two")
    assert await look(cache, clock, wanted(asking)) == Found(Said(text="two"))


async def test_what_expired_is_given_when_the_deadline_passes(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    await look(cache, clock, wanted(asking))
    clock.ahead += 2 * HOUR
    asking.open.clear()
    stale = await look(cache, clock, wanted(asking), within=0.05 * SECOND)
    assert stale == Found(Said(text="one"), stale=True)
    asking.open.set()


async def test_what_is_gone_is_not_given_stale(cache: Cache, clock: Clock, asking: Asking) -> None:
    await look(cache, clock, wanted(asking))
    clock.ahead += 2 * HOUR
    asking.answer = NothingThere("No.")
    assert await look(cache, clock, wanted(asking)) == NotFound()
    clock.ahead += 2 * HOUR
    asking.answer = Broken("x")
    assert isinstance(await look(cache, clock, wanted(asking)), Unavailable)


async def test_nothing_is_given_that_is_too_old(cache: Cache, clock: Clock, asking: Asking) -> None:
    await look(cache, clock, wanted(asking))
    clock.ahead += OLDEST + HOUR
    asking.answer = Broken("x")
    assert isinstance(await look(cache, clock, wanted(asking)), Unavailable)


async def test_background_work_that_somebody_joins_hurries(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    asking.open.clear()
    background = asyncio.create_task(look(cache, clock, wanted(asking), urgency=Urgency.LATER))
    await asyncio.sleep(0.01)
    urgencies = [asking.turns[0].urgency]
    user = asyncio.create_task(look(cache, clock, wanted(asking)))
    await asyncio.sleep(0.01)
    urgencies.append(asking.turns[0].urgency)
    asking.open.set()
    await asyncio.gather(background, user)
    assert urgencies == [Urgency.LATER, Urgency.NOW]


async def test_memory_is_bounded_in_entries_and_forgets_what_was_not_used(
    cache: Cache, clock: Clock, asking: Asking
) -> None:
    for number in range(150):
        await look(cache, clock, wanted(asking, f"movie:{number}"))
        await look(cache, clock, wanted(asking, "movie:0"))
    assert cache.statistics.entries == 100
    assert cache.at_hand(wanted(asking, "movie:0"), clock())
    assert not cache.at_hand(wanted(asking, "movie:20"), clock())


async def test_memory_is_bounded_in_bytes(cache: Cache, clock: Clock, asking: Asking) -> None:
    asking.answer = Said(text="x" * 4000)
    for number in range(20):
        await look(cache, clock, wanted(asking, f"movie:{number}"))
    assert cache.statistics.entries < 10
    assert cache.statistics.bytes <= 100_000
    asking.answer = Said(text="x" * 200_000)
    assert isinstance(await look(cache, clock, wanted(asking, "large")), Found)
    assert cache.statistics.bytes <= 100_000


async def test_flights_are_bounded(cache: Cache, clock: Clock, asking: Asking) -> None:
    asking.open.clear()
    looks = [
        asyncio.create_task(look(cache, clock, wanted(asking, f"movie:{number}")))
        for number in range(MAX_FLIGHTS + 1)
    ]
    assert isinstance(await looks[-1], Unavailable)
    asking.open.set()
    assert all(isinstance(outcome, Found) for outcome in await asyncio.gather(*looks[:-1]))


async def test_clearing_forgets_all(cache: Cache, clock: Clock, asking: Asking) -> None:
    await look(cache, clock, wanted(asking))
    assert cache.clear() == 1
    await look(cache, clock, wanted(asking))
    assert asking.count == 2


async def test_closing_ends_what_is_in_flight(clock: Clock, asking: Asking) -> None:
    asking.open.clear()
    async with Cache(max_entries=1, max_bytes=1000, now=clock).open() as cache:
        assert await look(cache, clock, wanted(asking), within=0.01 * SECOND) == Pending()
    assert [task for task in asyncio.all_tasks() if "asking" in task.get_name()] == []
