"""What a benchmark reports of a promise that was missed."""

import json
import sys
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import report
from tests.bench.report import Figure

KEPT = Figure("a hit", "1 ms", "2 ms", "0.50 ×", "≤ 0.75 ×", kept=True)
MISSED = Figure("a miss", "9 ms", "2 ms", "4.50 ×", "≤ 0.75 ×", kept=False)
RED = "\x1b[31m"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_was_missed_is_said_so_in_red_where_a_terminal_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "bench.json")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert report.report([KEPT, MISSED]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith(RED) for line in lines if "a hit" in line or "a miss" in line] == [
        False,
        is_terminal,
    ]
    assert [line for line in lines if "MISSED" in line]
    assert [one["kept"] for one in json.loads((tmp_path / "bench.json").read_text())] == [True, False]


@pytest.mark.parametrize(("check", "missed", "code"), [("1", 1, 1), ("1", 0, 0), ("", 1, 0)])
def test_a_check_fails_for_a_promise_that_was_missed(
    monkeypatch: pytest.MonkeyPatch, check: str, missed: int, code: int
) -> None:
    monkeypatch.setenv("CHECK", check)
    assert bench.exit_code(missed) == code
