"""Work: the jobs that a process took lately, by lane, for whoever wants to know how old what is taken is."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taken:
    """So many jobs, the oldest of which had waited so long."""

    jobs: int = 0
    oldest_s: float = 0.0


class Work:
    def __init__(self) -> None:
        self._taken: dict[str, Taken] = {}

    def took(self, lane: str, age_s: float) -> None:
        before = self._taken.get(lane, Taken())
        self._taken[lane] = Taken(before.jobs + 1, max(before.oldest_s, age_s))

    def since_last(self) -> Mapping[str, Taken]:
        """Since this was asked the last time."""
        taken, self._taken = self._taken, {}
        return taken
