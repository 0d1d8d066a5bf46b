"""The rules of importing: days, ratings, binges, statuses."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.enricher.account.account import AccountSettings
from services.enricher.account.rules import (
    ImportOptions,
    PersonalRating,
    Play,
    WatchStatus,
    day_of,
    earliest,
    moment_of,
    series_status,
    watched_days,
)

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
AIRED = {(1, number): date(2020, 1, number) for number in range(1, 20)}
DAY = date(2024, 5, 5)


def on(day: date, hour: int, *episodes: int) -> list[Play]:
    at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    return [Play(1000 * day.day + 10 * number + hour, at, 1, number) for number in episodes]


def days(plays: list[Play], aired: dict[tuple[int, int], date] = AIRED) -> list[date | None]:
    return list(watched_days(plays, aired, UTC).values())


@pytest.mark.parametrize(("count", "is_binge"), [(0, False), (1, False), (4, False), (5, True), (10, True)])
def test_more_than_four_episodes_on_a_day_count_for_the_days_they_were_aired(
    count: int, is_binge: bool
) -> None:
    plays = on(DAY, 12, *range(1, count + 1))
    assert days(plays) == [AIRED[play.of] if is_binge else DAY for play in plays]


def test_a_binge_without_an_air_date_keeps_the_day() -> None:
    assert days(on(DAY, 12, *range(1, 7)), {}) == [DAY] * 6


def test_of_a_binge_only_those_without_an_air_date_keep_the_day() -> None:
    assert days(on(DAY, 12, 1, 2, 3, 4, 25)) == [AIRED[1, 1], AIRED[1, 2], AIRED[1, 3], AIRED[1, 4], DAY]


def test_without_a_watched_date_there_is_none_whatever_was_aired_when_and_it_is_no_binge() -> None:
    undated = [Play(number, None, 1, number) for number in range(1, 8)]
    assert days(undated) == [None] * 7
    assert days([*undated, *on(DAY, 12, 8, 9, 10, 11)]) == [None] * 7 + [DAY] * 4


def test_morning_and_evening_are_one_day() -> None:
    plays = on(DAY, 1, 1, 2, 3) + on(DAY, 23, 4, 5)
    assert days(plays) == [AIRED[play.of] for play in plays]


def test_two_a_day_for_three_days_are_no_binge() -> None:
    plays = [play for day in (1, 2, 3) for play in on(date(2024, 5, day), 12, 2 * day, 2 * day + 1)]
    assert days(plays) == [date(2024, 5, day) for day in (1, 1, 2, 2, 3, 3)]


def test_a_binge_is_of_the_users_day() -> None:
    """Five within two hours: one day in New York, two in UTC."""
    begin = datetime(2024, 5, 5, 23, tzinfo=UTC)
    plays = [Play(n, begin + timedelta(minutes=25 * n), 1, n) for n in range(1, 6)]
    assert set(watched_days(plays, AIRED, UTC).values()) == {date(2024, 5, 5), date(2024, 5, 6)}
    assert list(watched_days(plays, AIRED, NEW_YORK).values()) == [AIRED[1, n] for n in range(1, 6)]


def test_of_each_episode_the_earliest_is_taken_and_one_with_a_date_before_one_without() -> None:
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    plays = [Play(1, None, 1, 1), Play(2, late, 1, 1), Play(3, early, 1, 1), Play(4, None, 1, 2)]
    assert [play.id for play in earliest(plays)] == [3, 4]
    assert earliest([]) == []


@pytest.mark.parametrize(
    ("trakt", "rating"),
    [
        (10, 5),
        (9, 5),
        (8, 4),
        (7, 4),
        (6, 3),
        (5, 3),
        (4, 2),
        (3, 2),
        (2, 1),
        (1, 1),
        (0, 1),
        (-3, 1),
        (11, 5),
    ],
)
def test_ratings_of_trakt_become_ours(trakt: int, rating: int) -> None:
    assert PersonalRating.of_trakt(trakt) == rating


@given(st.integers(-20, 20), st.integers(-20, 20))
def test_a_better_rating_at_trakt_is_never_worse_here(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert PersonalRating.of_trakt(low) <= PersonalRating.of_trakt(high)


def test_our_ratings_are_one_to_five_and_come_back_as_they_were() -> None:
    found = [PersonalRating.of_number(number) for number in range(7)]
    assert found == [None, *PersonalRating, None]
    assert [rating.name for rating in PersonalRating] == [
        "WASTE",
        "MEH",
        "DECENT",
        "ENTERTAINING",
        "OUTSTANDING",
    ]
    for rating in PersonalRating:
        assert PersonalRating.of_trakt(rating.on_trakt(None)) is rating
    assert PersonalRating.OUTSTANDING.on_trakt(9) == 9
    assert PersonalRating.DECENT.on_trakt(9) == 6


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2014-03-31T09:28:53.000Z", datetime(2014, 3, 31, 9, 28, 53, tzinfo=UTC)),
        ("2014-03-31T09:28:53Z", datetime(2014, 3, 31, 9, 28, 53, tzinfo=UTC)),
        ("2014-03-31T09:28:53", datetime(2014, 3, 31, 9, 28, 53, tzinfo=UTC)),
        ("2014-03-31T09:28:53+02:00", datetime(2014, 3, 31, 7, 28, 53, tzinfo=UTC)),
        ("03/31/2014 09:28:53", datetime(2014, 3, 31, 9, 28, 53, tzinfo=UTC)),
        ("2014-03-31 09:28:53", datetime(2014, 3, 31, 9, 28, 53, tzinfo=UTC)),
        ("2014-03-31", datetime(2014, 3, 30, 22, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("2014-02-31T09:28:53.000Z", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_dates_are_read_however_they_are_written(text: str, at: datetime | None) -> None:
    assert moment_of(text, BERLIN) == at


@pytest.mark.parametrize(
    ("at", "zone", "day"),
    [
        ("2024-05-05T21:59:59+00:00", BERLIN, date(2024, 5, 5)),
        ("2024-05-05T22:00:00+00:00", BERLIN, date(2024, 5, 6)),
        ("2024-01-05T22:59:59+00:00", BERLIN, date(2024, 1, 5)),
        ("2024-01-05T23:00:00+00:00", BERLIN, date(2024, 1, 6)),
        ("2024-05-05T03:59:59+00:00", NEW_YORK, date(2024, 5, 4)),
        ("2024-05-05T04:00:00+00:00", NEW_YORK, date(2024, 5, 5)),
        ("2024-05-05T23:59:59+00:00", UTC, date(2024, 5, 5)),
    ],
)
def test_a_day_begins_where_its_user_lives(at: str, zone: ZoneInfo, day: date) -> None:
    assert day_of(datetime.fromisoformat(at), zone) == day
    assert day_of(None, zone) is None


def test_a_time_zone_that_nobody_knows_is_refused_by_name() -> None:
    for name in ("Middle/Earth", "../../etc/passwd"):
        with pytest.raises(ValueError, match="there is no time zone"):
            AccountSettings(time_zone=name)


@pytest.mark.parametrize(
    ("watched", "count", "status"),
    [
        ([], 8, WatchStatus.NOT_WATCHED),
        ([(1, 1)], 8, WatchStatus.WATCHING),
        ([(1, 1), (1, 1)], 2, WatchStatus.WATCHING),
        ([(1, 1), (1, 2)], 2, WatchStatus.WATCHED),
        ([(0, 1), (1, 1)], 2, WatchStatus.WATCHING),
        ([(1, 1), (1, 2)], None, WatchStatus.WATCHING),
    ],
)
def test_how_far_somebody_is_follows_from_the_episodes(
    watched: list[tuple[int, int]], count: int | None, status: WatchStatus
) -> None:
    assert series_status(watched, count) is status


def test_everything_is_imported_unless_it_is_told_otherwise() -> None:
    assert ImportOptions.of(None) == ImportOptions()
    assert ImportOptions.of({"series": False}) == ImportOptions(series=False)
