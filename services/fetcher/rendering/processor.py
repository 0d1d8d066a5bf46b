"""The processor: whether any of it was left for renderers, who take only what nobody else wants."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TELLING_S = 5.0
"""Over less than this, what was left says nothing."""

WANTED_BY_OTHERS = 0.02
"""A smaller share of idle time than this: whoever takes only what is left got next to nothing."""


@dataclass(frozen=True, slots=True)
class Idle:
    """How long all processors together have been idle, in seconds since the start of the system (proc(5))."""

    idle_s: float
    at_s: float

    @classmethod
    def now(cls) -> Self | None:
        """None where the system does not say."""
        try:
            ticks = (
                Path("/proc/stat").read_text().split("\n", 1)[0].split()[4:6]
            )  # idle, and waiting for disks
        except OSError:
            return None
        return cls(sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), time.monotonic())


def was_taken(before: Idle | None, after: Idle | None) -> bool:
    """Whether others took the processors between two looks, as far as that can be told."""
    if before is None or after is None or after.at_s - before.at_s < TELLING_S:
        return False
    whole_s = (after.at_s - before.at_s) * (os.cpu_count() or 1)
    return (after.idle_s - before.idle_s) / whole_s < WANTED_BY_OTHERS
