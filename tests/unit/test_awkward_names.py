"""A thousand names that are awkward to read."""

from pathlib import Path

from tests.awkward_names import by_scan, names


def test_of_a_thousand_awkward_names_a_scan_reads_nearly_all_right(tmp_path: Path) -> None:
    all_names = names()
    assert len(all_names) >= 1000
    given = by_scan(all_names, tmp_path)
    wrong = [name.path for name in all_names if given.get(name) != name.expected]
    assert len(wrong) <= len(all_names) // 50, wrong
