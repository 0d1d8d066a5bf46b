import os
from pathlib import Path

import pytest

from services.fetcher.rendering.cpu_headroom import CpuHeadroom, was_taken

CORES = 4


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: CORES)


@pytest.mark.parametrize(
    ("seconds", "left_s", "taken"),
    [
        (20, 0.0, True),
        (20, 39.0, True),
        (20, 41.0, False),
        (20, 79.0, False),
        (4, 0.0, False),
    ],
)
def test_the_processors_were_taken_when_little_was_left_for_long(
    seconds: float, left_s: float, taken: bool
) -> None:
    assert was_taken(CpuHeadroom(1000, 50), CpuHeadroom(1000 + left_s, 50 + seconds)) is taken


def test_where_nobody_says_nobody_took_them() -> None:
    assert not was_taken(None, CpuHeadroom(1000, 50))
    assert not was_taken(CpuHeadroom(1000, 50), None)


def test_what_was_left_is_read_from_the_system() -> None:
    first, second = CpuHeadroom.now(), CpuHeadroom.now()
    assert first
    assert second
    assert 0 < first.left_s <= second.left_s


def test_what_renderers_used_themselves_was_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = "cpu  900 200 300 400 50 7 7 0 0 0\ncpu0 1 1 1 1 1 1 1 0 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda _: stat)
    left = CpuHeadroom.now()
    assert left
    assert left.left_s == 650 / os.sysconf("SC_CLK_TCK")
