"""Settings of other programs that are not used here."""

import re
from pathlib import Path

import pytest

from shared.process import other_programs

SETTINGS = Path(__file__).parents[2] / "docs" / "settings.md"


def test_what_is_set_for_another_program_is_told_with_what_to_set_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SUPABASE_KEY=secret\nTWITCH_CLIENT_ID=\n")
    monkeypatch.setenv("RATE_LIMIT_BURST", "200")
    other_programs.tell_unused()
    said = capsys.readouterr().out
    assert "SUPABASE_KEY" in said
    assert "MAX_WAITING" in said
    assert "secret" not in said
    assert "TWITCH_CLIENT_ID" not in said


def test_nothing_is_told_of_what_is_used_here() -> None:
    used = set(re.findall(r"^\| `([A-Z0-9_]+)`", SETTINGS.read_text(), re.MULTILINE))
    assert len(used) > 50
    assert not used & other_programs.INSTEAD.keys()
    assert other_programs.unused({"TMDB_API_KEY": "x"}, Path("nowhere")) == {}


def test_each_says_what_to_do_in_a_sentence() -> None:
    assert all(text[0].isupper() and text.endswith((".", "….")) for text in other_programs.INSTEAD.values())
