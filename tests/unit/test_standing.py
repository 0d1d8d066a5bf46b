"""How hosts stand with us, on pauses that two fetchers share, and with a clock that the test moves."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.fetcher.download.host_breaker import (
    ANYBODY,
    FIRST_GAP,
    FIRST_PAUSE,
    GOOD_FOR,
    HOSTS_AT_MOST,
    LONGEST_GAP,
    LONGEST_PAUSE,
    SILENT_AT_MOST,
    TRIED_FOR,
    Asker,
    HostBreaker,
)
from services.fetcher.errors import HostIsPaused, PictureError
from shared.pictures import FailureClass, SourceUrl
from shared.volume import HostPause
from shared.volume.local.layout import Layout
from shared.volume.local.names import LocalHostPauses

ENOUGH = 3


@dataclass
class Hosts:
    pauses: LocalHostPauses
    now: datetime = datetime(2026, 11, 2, 12, tzinfo=UTC)
    announced: list[tuple[str, datetime]] = field(default_factory=list)

    def standing(self) -> HostBreaker:
        """Of one more fetcher."""

        async def announce(authority: str, until: datetime) -> None:
            self.announced.append((authority, until))

        return HostBreaker(self.pauses, failures=ENOUGH, announce=announce, now=lambda: self.now)

    async def paused_until(self) -> datetime | None:
        pause = await self.pauses.pause_of("a.example")
        return pause.until if pause else None

    def wait(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    layout = Layout(tmp_path)
    layout.prepare()
    return Hosts(LocalHostPauses(layout))


def source(number: int, host: str = "a.example") -> SourceUrl:
    return SourceUrl.parse(f"http://{host}/{number}.jpg")


async def ask(
    standing: HostBreaker,
    number: int,
    outcome: FailureClass | None = None,
    *,
    host: str = "a.example",
    retry_after: timedelta | None = None,
    asker: Asker = ANYBODY,
    status: int | None = None,
) -> None:
    """Raise HostIsPaused; otherwise the host is asked, and answers with this outcome."""
    error = PictureError(outcome, "no", retry_after=retry_after, status=status) if outcome else None
    with swallowed(error):
        async with standing.asking(source(number, host), asker):
            if error:
                raise error


@contextmanager
def swallowed(error: PictureError | None) -> Iterator[None]:
    """This one error, and no other."""
    try:
        yield
    except PictureError as other:
        if other is not error:
            raise


async def fail(
    standing: HostBreaker, *numbers: int, asker: Asker = ANYBODY, status: int | None = None
) -> None:
    for number in numbers:
        await ask(standing, number, FailureClass.UPSTREAM, asker=asker, status=status)


SOMEBODY_WAITS = Asker(urgent=True, fresh=True)
NOBODY_WAITS = Asker(urgent=False, fresh=True)
HAS_FAILED = Asker(urgent=True, fresh=False)


async def test_a_run_of_failures_pauses_the_host_for_all_fetchers(hosts: Hosts) -> None:
    one, other = hosts.standing(), hosts.standing()
    await fail(one, 1, 2, 3)
    assert hosts.announced == [("a.example", hosts.now + FIRST_PAUSE)]
    for standing in (one, other):
        with pytest.raises(HostIsPaused) as paused:
            await ask(standing, 4)
        assert paused.value.retry_after == FIRST_PAUSE
    await ask(other, 1, host="b.example")


async def test_one_picture_that_always_fails_says_nothing_about_its_host(hosts: Hosts) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 1, 1, 1, 2, 2, 2)
    await ask(standing, 3)
    assert hosts.announced == []


@pytest.mark.parametrize(
    "answer", [None, FailureClass.GONE, FailureClass.REFUSED, FailureClass.UNSOUND, FailureClass.BUSY]
)
async def test_any_answer_ends_the_run(hosts: Hosts, answer: FailureClass | None) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2)
    await ask(standing, 3, answer, retry_after=timedelta(seconds=1))
    hosts.wait(timedelta(seconds=1))
    await ask(standing, 3)
    await fail(standing, 4, 5)
    await ask(standing, 6)


async def test_our_own_failures_are_none_of_the_hosts(hosts: Hosts) -> None:
    standing = hosts.standing()
    for number in range(10):
        await ask(standing, number, FailureClass.OURS)
    assert hosts.announced == []


async def test_after_a_pause_one_tries_and_the_others_follow_when_it_was_answered(hosts: Hosts) -> None:
    one, other = hosts.standing(), hosts.standing()
    await fail(one, 1, 2, 3)
    hosts.wait(FIRST_PAUSE)
    async with one.asking(source(1)):
        for standing in (one, other):
            with pytest.raises(HostIsPaused):
                await ask(standing, 2)
    for number, standing in enumerate((one, other, one, other)):
        await ask(standing, number)
    assert await hosts.pauses.pause_of("a.example") is None


async def test_of_many_who_come_at_once_only_one_tries(hosts: Hosts) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    hosts.wait(FIRST_PAUSE)
    asked: list[int] = []
    answered = asyncio.Event()

    async def try_it(number: int) -> None:
        async with standing.asking(source(number)):
            asked.append(number)
            await answered.wait()

    tries = [asyncio.create_task(try_it(number)) for number in range(10)]
    await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
    answered.set()
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert len(asked) == 1
    assert sum(isinstance(result, HostIsPaused) for result in results) == 9


async def test_each_try_in_vain_of_another_picture_doubles_the_pause_up_to_the_longest(hosts: Hosts) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    lasted = []
    for number in range(8):
        pause = await hosts.pauses.pause_of("a.example")
        assert pause
        lasted.append(pause.until - hosts.now)
        hosts.now = pause.until
        await fail(standing, 10 + number, asker=NOBODY_WAITS)
    assert lasted == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(8)]
    hosts.wait(LONGEST_PAUSE)
    await ask(standing, 1)
    hosts.wait(GOOD_FOR)
    await fail(standing, 1, 2, 3)
    again = await hosts.pauses.pause_of("a.example")
    assert again == HostPause(hosts.now + FIRST_PAUSE, failing=True)


async def test_what_has_failed_before_and_fails_again_makes_no_pause_longer(hosts: Hosts) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    for _ in range(3):
        hosts.wait(FIRST_PAUSE)
        await fail(standing, 1, asker=HAS_FAILED)
        assert await hosts.paused_until() == hosts.now + FIRST_PAUSE


@pytest.mark.parametrize("asker", [SOMEBODY_WAITS, NOBODY_WAITS])
async def test_a_picture_that_has_not_failed_before_ends_the_pause_of_a_host_that_is_well(
    hosts: Hosts, asker: Asker
) -> None:
    one, other = hosts.standing(), hosts.standing()
    await fail(one, 1, 2, 3)
    for tried_before in (ANYBODY, HAS_FAILED):
        with pytest.raises(HostIsPaused, match="keeps failing"):
            await ask(one, 1, asker=tried_before)
    await ask(other, 4, asker=asker)
    await ask(one, 1)
    assert await hosts.pauses.all() == {}


@pytest.mark.parametrize("asker", [SOMEBODY_WAITS, NOBODY_WAITS])
async def test_a_host_that_asked_for_it_is_tried_by_nobody(hosts: Hosts, asker: Asker) -> None:
    await ask(hosts.standing(), 1, FailureClass.BUSY, retry_after=timedelta(minutes=2))
    with pytest.raises(HostIsPaused, match="asked us to wait"):
        await ask(hosts.standing(), 2, asker=asker)


async def test_who_tries_a_paused_host_in_vain_makes_room_for_the_next_ever_more_seldom(hosts: Hosts) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    until = await hosts.paused_until()
    gaps = []
    for number in range(10, 16):
        await fail(standing, number, asker=SOMEBODY_WAITS)
        with pytest.raises(HostIsPaused) as paused:
            await ask(standing, 4, asker=SOMEBODY_WAITS)
        assert paused.value.retry_after
        gaps.append(paused.value.retry_after)
        await hosts.pauses.pause("a.example", HostPause(hosts.now + LONGEST_PAUSE, failing=True))
        hosts.wait(gaps[-1])
    assert gaps == [min(FIRST_GAP * 2**n, LONGEST_GAP) for n in range(6)]
    assert hosts.announced == [("a.example", until)]


async def test_what_nobody_waits_for_tries_a_paused_host_seldom(hosts: Hosts) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    await hosts.pauses.pause("a.example", HostPause(hosts.now + LONGEST_PAUSE, failing=True))
    await fail(standing, 4, asker=NOBODY_WAITS)
    with pytest.raises(HostIsPaused) as paused:
        await ask(standing, 5, asker=NOBODY_WAITS)
    assert paused.value.retry_after == LONGEST_GAP
    await fail(standing, 6, asker=SOMEBODY_WAITS)
    hosts.wait(LONGEST_GAP)
    await ask(standing, 5, asker=NOBODY_WAITS)
    assert await hosts.pauses.all() == {}


@pytest.mark.parametrize("is_well", [True, False])
async def test_who_comes_right_behind_one_that_tries_has_the_same_luck(hosts: Hosts, is_well: bool) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    asked: list[int] = []

    async def ask_behind(number: int) -> None:
        async with standing.asking(source(number), SOMEBODY_WAITS):
            asked.append(number)

    error = PictureError(FailureClass.UPSTREAM, "no")
    with swallowed(error):
        async with standing.asking(source(4), SOMEBODY_WAITS):
            behind = [asyncio.create_task(ask_behind(number)) for number in range(5, 10)]
            await asyncio.sleep(0)
            assert not asked
            if not is_well:
                raise error
    ends = await asyncio.gather(*behind, return_exceptions=True)
    assert asked == ([5, 6, 7, 8, 9] if is_well else [])
    assert all(isinstance(end, HostIsPaused) for end in ends) is not is_well


async def test_broken_pictures_among_good_ones_do_not_pause_their_host(hosts: Hosts) -> None:
    standing = hosts.standing()
    for number in range(20):
        await ask(standing, number)
        await fail(standing, *range(100, 120), status=500)
        hosts.wait(GOOD_FOR / 2)
    await fail(standing, *range(100, 120), status=500)
    assert hosts.announced == []
    hosts.wait(GOOD_FOR / 2)
    await fail(standing, 100, status=500)
    assert hosts.announced


async def test_a_host_that_has_just_fallen_silent_is_paused_all_the_same(hosts: Hosts) -> None:
    standing = hosts.standing()
    await ask(standing, 1)
    await fail(standing, *range(10, 10 + SILENT_AT_MOST * ENOUGH - 1))
    assert hosts.announced == []
    await fail(standing, 99)
    assert hosts.announced == [("a.example", hosts.now + FIRST_PAUSE)]


async def test_who_dies_while_trying_is_followed_by_the_next(hosts: Hosts) -> None:
    one, other = hosts.standing(), hosts.standing()
    await fail(one, 1, 2, 3)
    hosts.wait(FIRST_PAUSE)
    with pytest.raises(asyncio.CancelledError):
        async with one.asking(source(1)):
            raise asyncio.CancelledError
    with pytest.raises(HostIsPaused):
        await ask(other, 2)
    hosts.wait(TRIED_FOR)
    await ask(other, 2)
    assert await hosts.pauses.pause_of("a.example") is None


async def test_a_host_that_asks_for_it_is_paused_as_long_as_it_says(hosts: Hosts) -> None:
    one, other = hosts.standing(), hosts.standing()
    await ask(one, 1, FailureClass.BUSY, retry_after=timedelta(minutes=2))
    assert hosts.announced == [("a.example", hosts.now + timedelta(minutes=2))]
    with pytest.raises(HostIsPaused):
        await ask(other, 1)


@pytest.mark.parametrize(("said_s", "paused_s"), [(None, 60), (0, 1), (5, 5), (3600, 3600), (10**8, 3600)])
async def test_but_not_for_ever(hosts: Hosts, said_s: int | None, paused_s: int) -> None:
    said = None if said_s is None else timedelta(seconds=said_s)
    await ask(hosts.standing(), 1, FailureClass.BUSY, retry_after=said)
    assert await hosts.paused_until() == hosts.now + timedelta(seconds=paused_s)


async def test_the_longest_pause_counts(hosts: Hosts) -> None:
    standing = hosts.standing()
    async with standing.asking(source(1)):  # on their way before anybody was told to wait
        await ask(hosts.standing(), 2, FailureClass.BUSY, retry_after=timedelta(minutes=5))
    until = hosts.now + timedelta(minutes=5)
    assert await hosts.paused_until() == until
    broken = PictureError(FailureClass.UPSTREAM, "no")
    for number in range(ENOUGH):
        await hosts.pauses.forget("a.example")
        with swallowed(broken):
            async with standing.asking(source(number)):
                await hosts.pauses.pause("a.example", HostPause(until))
                raise broken
    assert await hosts.paused_until() == until


async def test_an_answer_ends_the_pause_that_was_tried_and_no_other(hosts: Hosts) -> None:
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    hosts.wait(FIRST_PAUSE)
    other = HostPause(hosts.now + timedelta(minutes=5))
    async with standing.asking(source(1)):
        await hosts.pauses.pause("a.example", other)
    assert await hosts.pauses.pause_of("a.example") == other


async def test_a_full_disk_costs_the_pause_and_nothing_else(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_authority: str, _pause: HostPause) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hosts.pauses, "pause", full)
    standing = hosts.standing()
    await fail(standing, 1, 2, 3)
    await ask(standing, 4)


async def test_hosts_that_failed_once_do_not_pile_up(hosts: Hosts) -> None:
    standing = hosts.standing()
    for number in range(HOSTS_AT_MOST + 10):
        await ask(standing, 1, FailureClass.UPSTREAM, host=f"{number}.example")
    assert len(standing._records) == HOSTS_AT_MOST
