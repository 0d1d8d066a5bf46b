"""Headers that say how much may still be asked, in the forms that providers send."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from multidict import CIMultiDict

from services.enricher.finder.providers.errors import Allowance, allowance_in

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRAKT = (
    '{"name":"UNAUTHED_API_GET_LIMIT","period":300,"limit":500,"remaining":7,"until":"2026-01-01T12:04:00Z"}'
)


def after(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("headers", "allowance"),
    [
        ({"X-Ratelimit": TRAKT}, Allowance(7, after(240), 500, timedelta(minutes=5))),
        ({"RateLimit": '"default";r=50;t=30'}, Allowance(50, after(30))),
        ({"RateLimit": '"burst";r=3;t=1, "daily";r=900;t=4000'}, Allowance(3, after(1))),
        ({"RateLimit": "limit=100, remaining=50, reset=20"}, Allowance(50, after(20))),
        ({"Ratelimit-Remaining": "5", "Ratelimit-Reset": "1767268860"}, Allowance(5, after(60))),
        (
            {"RateLimit-Limit": "9", "RateLimit-Remaining": "5", "RateLimit-Reset": "8"},
            Allowance(5, after(8)),
        ),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "8"}, Allowance(0, after(8))),
        (
            {"RateLimit": '"a";r=9;t=9', "Ratelimit-Remaining": "2", "Ratelimit-Reset": "3"},
            Allowance(2, after(3)),
        ),
    ],
)
def test_each_form_is_read(headers: Mapping[str, str], allowance: Allowance) -> None:
    assert allowance_in(CIMultiDict(headers), NOON) == allowance


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Ratelimit": "soon"},
        {"X-Ratelimit": "[]"},
        {"X-Ratelimit": '{"remaining": 1}'},
        {"X-Ratelimit": TRAKT.replace("7", "-7")},
        {"X-Ratelimit": TRAKT.replace('"2026-01-01T12:04:00Z"', "null")},
        {"RateLimit": '"default"'},
        {"RateLimit": '"default";r=1'},
        {"RateLimit": '"default";r=1;t=x y'},
        {"RateLimit": "limit=100"},
        {"RateLimit": "limit=100, remaining=a, reset=b"},
        {"Ratelimit-Remaining": "many", "Ratelimit-Reset": "8"},
        {"Ratelimit-Remaining": "1", "Ratelimit-Reset": "9" * 30},
        {"Ratelimit-Remaining": "1"},
    ],
)
def test_what_cannot_be_read_says_nothing(headers: Mapping[str, str]) -> None:
    assert allowance_in(CIMultiDict(headers), NOON) is None
