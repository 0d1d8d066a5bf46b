from itertools import pairwise

import pytest

from services.fetcher.download.answers import BodyPace, Limits
from services.fetcher.errors import PictureError
from shared.pictures import FailureClass


def came(*pieces: tuple[float, int], lowest: float = 1000) -> None:
    """Pieces at these times, in seconds since the body began, of these sizes."""
    now = 0.0
    pace = BodyPace(Limits(max_body_mb=1, lowest_bytes_per_s=lowest, window_s=10), lambda: now)
    assert all(one[0] <= other[0] for one, other in pairwise(pieces))
    for at, size in pieces:
        now = at
        pace.came(size)


@pytest.mark.parametrize(
    "pieces",
    [
        [(9.9, 1)],
        [(10, 10_000)],
        [(1, 10_000), (9.9, 0), (10, 0)],
        [(10, 10_000), (20, 10_000), (30, 10_000)],
        [(10, 10_000), (29.9, 20_000)],
    ],
)
def test_a_body_may_be_as_slow_as_the_lowest_rate(pieces: list[tuple[float, int]]) -> None:
    came(*pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        [(10, 9_999)],
        [(1, 1_000_000), (10, 1), (20, 9_999)],
        [(19, 18_000)],
    ],
)
def test_a_slower_one_is_given_up_after_a_window_whatever_came_before(
    pieces: list[tuple[float, int]],
) -> None:
    with pytest.raises(PictureError, match="too slowly") as failed:
        came(*pieces)
    assert failed.value.failure_class is FailureClass.UPSTREAM


def test_without_a_lowest_rate_any_pace_will_do() -> None:
    came((10, 0), (1000, 0), lowest=0)
