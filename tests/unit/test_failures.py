from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pictures import Failure, FailureClass
from shared.pictures.failure import MAX_REASON, PAUSES

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLASSES = st.sampled_from(FailureClass)
WAITS = st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=1000))


def failures_in_a_row(failure_class: FailureClass, count: int) -> list[timedelta]:
    """The pauses when every try, made as soon as it may be, fails alike."""
    previous: Failure | None = None
    now, pauses = NOW, []
    for _ in range(count):
        previous = Failure.after(previous, failure_class, "again", now=now)
        pauses.append(previous.retry_at - previous.at)
        now = previous.retry_at
    return pauses


def hours(*values: float) -> list[timedelta]:
    return [timedelta(hours=value) for value in values]


@pytest.mark.parametrize(
    ("failure_class", "pauses"),
    [
        (FailureClass.GONE, hours(1, 2, 4, 8, 16, 24, 24)),
        (FailureClass.REFUSED, hours(0.25, 0.25, 0.25)),
        (FailureClass.UNSOUND, hours(24, 24)),
        (FailureClass.UPSTREAM, [timedelta(minutes=m) for m in (1, 2, 4, 8, 16, 32, 60, 60)]),
        (FailureClass.OURS, [timedelta(seconds=30)] * 3),
    ],
)
def test_the_pause_doubles_up_to_the_longest_of_its_class(
    failure_class: FailureClass, pauses: list[timedelta]
) -> None:
    assert failures_in_a_row(failure_class, len(pauses)) == pauses


def test_another_class_starts_anew() -> None:
    gone = Failure.after(None, FailureClass.GONE, "404", now=NOW)
    broken = Failure.after(gone, FailureClass.UPSTREAM, "500", now=NOW)
    assert broken.retry_at == NOW + timedelta(minutes=1)
    assert Failure.after(broken, FailureClass.GONE, "404", now=NOW).retry_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("asked_for_s", "waited_s"), [(120, 120), (1, 1), (0, 1), (-5, 1), (3600, 3600), (10**8, 3600)]
)
def test_busy_waits_as_told_but_not_for_ever(asked_for_s: int, waited_s: int) -> None:
    busy = Failure.after(None, FailureClass.BUSY, "429", now=NOW, retry_after=timedelta(seconds=asked_for_s))
    assert busy.retry_at == NOW + timedelta(seconds=waited_s)


@given(CLASSES, st.lists(st.tuples(CLASSES, WAITS, st.booleans()), max_size=8))
def test_every_failure_has_an_end_within_the_bounds_of_its_class(
    first: FailureClass, more: list[tuple[FailureClass, timedelta | None, bool]]
) -> None:
    failure = Failure.after(None, first, "first", now=NOW)
    for failure_class, wait, crashed in more:
        failure = Failure.after(
            failure, failure_class, "more", now=failure.retry_at, retry_after=wait, crashed=crashed
        )
        pause = PAUSES[failure.failure_class]
        shortest = pause.first if wait is None else timedelta(seconds=1)
        assert shortest <= failure.retry_at - failure.at <= pause.longest
        assert not failure.is_over(failure.retry_at - timedelta(microseconds=1))
        assert failure.is_over(failure.retry_at)


def test_one_crash_may_have_been_ours_the_second_makes_the_picture_unsound() -> None:
    once = Failure.after(None, FailureClass.OURS, "crashed", now=NOW, crashed=True)
    assert (once.failure_class, once.crashes) == (FailureClass.OURS, 1)
    twice = Failure.after(once, FailureClass.OURS, "crashed", now=once.retry_at, crashed=True)
    assert (twice.failure_class, twice.crashes) == (FailureClass.UNSOUND, 2)
    assert twice.retry_at - twice.at == timedelta(hours=24)


def test_a_crash_is_not_forgotten_over_another_failure() -> None:
    crashed = Failure.after(None, FailureClass.OURS, "crashed", now=NOW, crashed=True)
    upstream = Failure.after(crashed, FailureClass.UPSTREAM, "500", now=NOW)
    assert upstream.failure_class is FailureClass.UPSTREAM
    again = Failure.after(upstream, FailureClass.OURS, "crashed", now=NOW, crashed=True)
    assert again.failure_class is FailureClass.UNSOUND


def test_a_long_reason_is_cut() -> None:
    assert len(Failure.after(None, FailureClass.GONE, "x" * 5000, now=NOW).reason) == MAX_REASON


def test_a_failure_is_stored_under_the_documented_word() -> None:
    failure = Failure.after(None, FailureClass.GONE, "404", now=NOW, status=404)
    assert '"class":"gone"' in failure.model_dump_json()
    assert Failure.model_validate_json(failure.model_dump_json()) == failure
