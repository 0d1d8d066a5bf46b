from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.fetcher.download.answers import (
    FRESH_AT_LEAST,
    FRESH_AT_MOST,
    FRESH_BY_DEFAULT,
    error_for,
    freshness,
)
from shared.http.answers import parse_retry_after
from shared.pictures import FailureClass, SourceUrl

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
CHANGING = SourceUrl.parse("http://a.example/x.jpg")
IMMUTABLE = SourceUrl.parse("https://image.tmdb.org/t/p/original/x.jpg")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("99999999999999999999", 10**9),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0),
        ("Mon, 02 Nov 2026 13:02:00 +0100", 120),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: int) -> None:
    assert parse_retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "-5",
        "1.5",
        "1e3",
        "2026-11-02",
        "Mon, 99 Nov 2026",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999",
    ],
)
def test_a_retry_after_that_says_nothing_counts_as_none(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.text(max_size=40))
def test_no_retry_after_at_all_breaks_the_fetcher(value: str) -> None:
    wait = parse_retry_after(value, NOW)
    assert wait is None or wait >= timedelta(0)


@pytest.mark.parametrize(
    ("status", "failure_class"),
    [
        (404, FailureClass.GONE),
        (410, FailureClass.GONE),
        (400, FailureClass.REFUSED),
        (401, FailureClass.REFUSED),
        (403, FailureClass.REFUSED),
        (451, FailureClass.REFUSED),
        (407, FailureClass.UPSTREAM),
        (408, FailureClass.UPSTREAM),
        (429, FailureClass.BUSY),
        (500, FailureClass.UPSTREAM),
        (502, FailureClass.UPSTREAM),
        (503, FailureClass.UPSTREAM),
        (204, FailureClass.UPSTREAM),
        (206, FailureClass.UPSTREAM),
    ],
)
def test_a_status_belongs_to_a_class(status: int, failure_class: FailureClass) -> None:
    error = error_for(status, {}, NOW)
    assert error is not None
    assert (error.failure_class, error.status) == (failure_class, status)
    assert str(status) in error.reason


def test_a_503_that_says_how_long_is_busy() -> None:
    error = error_for(503, {"Retry-After": "30"}, NOW)
    assert error is not None
    assert (error.failure_class, error.retry_after) == (FailureClass.BUSY, timedelta(seconds=30))


@pytest.mark.parametrize("status", [404, 403, 500])
def test_only_a_busy_source_may_say_how_long_its_answer_is_remembered(status: int) -> None:
    error = error_for(status, {"Retry-After": "1"}, NOW)
    assert error is not None
    assert error.retry_after is None


@pytest.mark.parametrize("status", [200, 201, 203])
def test_a_status_that_brings_a_picture_is_no_failure(status: int) -> None:
    assert error_for(status, {}, NOW) is None


@pytest.mark.parametrize(
    ("cache_control", "lasts"),
    [
        (None, FRESH_BY_DEFAULT),
        ("no-store", FRESH_BY_DEFAULT),
        ("max-age=7200", timedelta(hours=2)),
        ("public,max-age=7200", timedelta(hours=2)),
        ("Public, Max-Age=7200, immutable", timedelta(hours=2)),
        ("max-age=60, s-maxage=7200", timedelta(hours=2)),
        ("max-age=0", FRESH_AT_LEAST),
        ("max-age=9999999999", FRESH_AT_MOST),
        ("max-age=99999999999999", FRESH_AT_MOST),
        ("max-age=soon", FRESH_AT_LEAST),
        ("s-maxage=7200", timedelta(hours=2)),
    ],
)
def test_freshness_is_what_the_answer_says_within_bounds(cache_control: str | None, lasts: timedelta) -> None:
    headers = CIMultiDict({} if cache_control is None else {"Cache-Control": cache_control})
    assert freshness(CHANGING, CIMultiDict(headers), NOW).fresh_until == NOW + lasts


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("headers", "lasts"),
    [
        ([("Cache-Control", "public"), ("cache-control", "max-age=259200")], 3 * DAY),
        ([("Cache-Control", 'private="set-cookie, max-age=5", max-age="259200"')], 3 * DAY),
        ([("Cache-Control", "max-age=259200"), ("Age", "86400")], 2 * DAY),
        ([("Cache-Control", "max-age=259200"), ("Age", "soon")], 3 * DAY),
        ([("Cache-Control", "max-age=259200"), ("Date", "Sun, 01 Nov 2026 12:00:00 GMT")], 2 * DAY),
        ([("Expires", "Thu, 05 Nov 2026 12:00:00 GMT")], 3 * DAY),
        (
            [("Expires", "Thu, 05 Nov 2026 12:00:00 GMT"), ("Date", "Sun, 01 Nov 2026 12:00:00 GMT")],
            3 * DAY,
        ),
        ([("Expires", "Thu, 05 Nov 2026 12:00:00 GMT"), ("Cache-Control", "max-age=172800")], 2 * DAY),
        ([("Expires", "0")], HOUR),
        ([("Expires", "Thu, 05 Nov 2026 12:00:00 GMT"), ("Age", "86400")], 2 * DAY),
    ],
)
def test_freshness_is_all_that_a_shared_cache_would_count(
    headers: list[tuple[str, str]], lasts: timedelta
) -> None:
    assert freshness(CHANGING, CIMultiDict(headers), NOW).fresh_until == NOW + lasts


def test_a_picture_that_never_changes_has_no_end_of_freshness() -> None:
    assert freshness(IMMUTABLE, CIMultiDict({"Cache-Control": "max-age=60"}), NOW).fresh_until is None


def test_the_validators_are_kept_as_the_source_wrote_them() -> None:
    headers = {"ETag": 'W/"a b"', "Last-Modified": "Mon, 02 Nov 2026 12:00:00 GMT"}
    kept = freshness(CHANGING, CIMultiDict(headers), NOW).validators
    assert (kept.etag, kept.last_modified) == ('W/"a b"', "Mon, 02 Nov 2026 12:00:00 GMT")


@pytest.mark.parametrize("value", ["", "x" * 501, "\udcff", '"\x01"', "é"])
def test_a_validator_that_could_not_be_sent_back_is_none(value: str) -> None:
    kept = freshness(CHANGING, CIMultiDict({"ETag": value, "Last-Modified": value}), NOW).validators
    assert (kept.etag, kept.last_modified) == (None, None)
