"""An earlier build beside this one, from a worktree with a virtual environment of its own: `make bench BASE=…`."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from tests.bench.load import cpu_s
from tests.bench.report import Figure, other_checkout

Measure = Callable[[Path | None], Awaitable[float]]
"""Of the build in the checkout at the path; None: of this one."""


async def in_turns(measure: Measure, *, rounds: int) -> tuple[float, float | None]:
    """The medians of this build and of the earlier one, where there is one."""
    other = other_checkout()
    found: dict[Path | None, list[float]] = {build: [] for build in (None, *filter(None, [other]))}
    for _ in range(rounds):
        for build, values in found.items():
            values.append(await measure(build))
    medians = [statistics.median(values) for values in found.values()]
    return medians[0], medians[1] if other else None


def beside_base(what: str, ours: float, theirs: float | None, *, unit: str, at_most: float) -> Figure:
    """`at_most`: times what it was. Without an earlier build there is nothing to be kept."""
    return Figure(
        what=what,
        ours=f"{ours:.1f} {unit}",
        reference="–" if theirs is None else f"{theirs:.1f} {unit} before",
        compared="–" if theirs is None else f"{ours / theirs:.2f} ×",
        promise=f"≤ {at_most} × of BASE",
        kept=theirs is None or ours <= at_most * theirs,
    )


def pss_mb(pid: int) -> float:
    """Of the process and all its children: each page shared among them counts once."""
    process = psutil.Process(pid)
    rollups = [Path(f"/proc/{one.pid}/smaps_rollup") for one in (process, *process.children(recursive=True))]
    lines = [line for rollup in rollups for line in rollup.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def idle(pid: int, *, for_s: float) -> None:
    """Until it has taken next to nothing for a while: what comes after a start is over."""
    before = cpu_s(pid, children=True)
    while True:
        await asyncio.sleep(for_s)
        now = cpu_s(pid, children=True)
        if now - before < 0.05 * for_s:
            return
        before = now
