"""How far a task is: written by its work, read by whoever stores it."""

from collections import Counter

from services.enricher.tasks.task import ERROR_LIMIT, TaskCancelled

ERROR_LENGTH = 500


class Progress:
    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self._cancelled = False

    def step(self, done: int = 0, **counts: int) -> None:
        """To be called between steps, after each of which the work may end. Raise TaskCancelled where it shall."""
        self.done += done
        self.counts.update(counts)
        if self._cancelled:
            raise TaskCancelled

    def error(self, text: str) -> None:
        """Something did not work, and the task goes on."""
        self.counts["errors"] += 1
        if len(self.errors) < ERROR_LIMIT:
            self.errors.append(text[:ERROR_LENGTH])

    def cancel(self) -> None:
        self._cancelled = True
