"""What a benchmark reports: ours beside a reference measured in the same run, for these machines are noisy."""

import json
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


def report(figures: list[Figure]) -> None:
    """Print the table, and keep it as JSON."""
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
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    print(f"\nAlso in {RESULTS}.")
