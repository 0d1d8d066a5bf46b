"""What a benchmark reports: ours beside a reference measured in the same run, for these machines are noisy."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path("bench-results/bench.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `promise` is a bound on `compared` in words, `kept` whether it was met."""

    what: str
    ours: str
    reference: str
    compared: str
    promise: str
    kept: bool


_RED = "\x1b[31m{}\x1b[0m"


def fresh(root: Path, name: str) -> Path:
    """A directory for what a row needs."""
    directory = root / name
    directory.mkdir()
    return directory


def report(figures: list[Figure]) -> int:
    """Print the table, what was missed in red where a terminal reads it, and keep it as JSON; how many were missed."""
    header = ("what", "ours", "reference", "compared", "promise", "")
    rows = [
        header,
        *(
            (f.what, f.ours, f.reference, f.compared, f.promise, "kept" if f.kept else "MISSED")
            for f in figures
        ),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(_RED.format(line) if row[-1] == "MISSED" and sys.stdout.isatty() else line)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    missed = sum(not figure.kept for figure in figures)
    print(f"\n{missed} of {len(figures)} missed. Also in {RESULTS}.")
    return missed


def other_checkout() -> Path | None:
    """What `BASE` names: this one is measured beside it, in the same run."""
    named = os.environ.get("BASE", "")
    return Path(named).absolute() if named else None
