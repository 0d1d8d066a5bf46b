"""The processor: how much of it was left for renderers, who take only what nobody else wants."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TELLING_S = 5.0
"""Over less than this, what was left says nothing."""

LEFT_AT_LEAST = 0.5
"""A smaller share than this: whoever takes only what is left may have got too little of it."""

_NICE, _IDLE, _WAITING_FOR_DISKS = 2, 4, 5
"""Columns of /proc/stat (proc(5)); renderers are nice, see `confinement`."""


@dataclass(frozen=True, slots=True)
class CpuHeadroom:
    """How long all processors together were left to who gives way, used by them or not, in seconds since the
    start of the system.
    """

    left_s: float
    at_s: float

    @classmethod
    def now(cls) -> Self | None:
        """None where the system does not say."""
        try:
            columns = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        except OSError:
            return None
        ticks = sum(int(columns[column]) for column in (_NICE, _IDLE, _WAITING_FOR_DISKS))
        return cls(ticks / os.sysconf("SC_CLK_TCK"), time.monotonic())


def was_taken(before: CpuHeadroom | None, after: CpuHeadroom | None) -> bool:
    """Whether others took the processors between two looks, as far as that can be told."""
    if before is None or after is None or after.at_s - before.at_s < TELLING_S:
        return False
    whole_s = (after.at_s - before.at_s) * (os.cpu_count() or 1)
    return (after.left_s - before.left_s) / whole_s < LEFT_AT_LEAST
