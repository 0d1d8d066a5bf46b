import pytest

from services.fetcher.rendering.processor import Idle, was_taken

CORES = 4


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: CORES)


@pytest.mark.parametrize(
    ("seconds", "idle_s", "taken"),
    [
        (20, 0.0, True),
        (20, 1.0, True),
        (20, 2.0, False),
        (20, 79.0, False),
        (4, 0.0, False),
    ],
)
def test_the_processors_were_taken_when_next_to_nothing_was_left_for_long(
    seconds: float, idle_s: float, taken: bool
) -> None:
    assert was_taken(Idle(1000, 50), Idle(1000 + idle_s, 50 + seconds)) is taken


def test_where_nobody_says_nobody_took_them() -> None:
    assert not was_taken(None, Idle(1000, 50))
    assert not was_taken(Idle(1000, 50), None)


def test_idle_time_is_read_from_the_system() -> None:
    first, second = Idle.now(), Idle.now()
    assert first
    assert second
    assert 0 < first.idle_s <= second.idle_s
