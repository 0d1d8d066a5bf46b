"""How far a task is: written by its work, read by whoever stores it."""

from collections import Counter
from collections.abc import Sequence

from services.enricher.tasks.task import ERROR_LIMIT, ITEM_LIMIT, Item, TaskCancelled
from shared.pictures import Failure

ERROR_LENGTH = 500


class Progress:
    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self._cancelled = False
        self._items_left = ITEM_LIMIT
        self._unwritten: list[Item] = []

    def step(self, done: int = 0, **counts: int) -> None:
        """To be called between steps, after each of which the work may end. Raise TaskCancelled where it shall."""
        self.done += done
        self.counts.update(counts)
        if self._cancelled:
            raise TaskCancelled

    def error(self, name: str, text: str) -> None:
        """One thing did not work, which is no step, and the task goes on."""
        self.counts["errors"] += 1
        if len(self.errors) < ERROR_LIMIT:
            self.errors.append(text[:ERROR_LENGTH])
        self._keep(Item(name[:ERROR_LENGTH], "error", reason=text[:ERROR_LENGTH]))

    def item(
        self, name: str, outcome: str, *, failure: Failure | None = None, size: int | None = None
    ) -> None:
        """What became of one thing, which is one step. `size`: of it, in bytes."""
        self.done += 1
        self.counts[outcome] += 1
        if size is not None:
            self.counts["bytes"] += size
        self._keep(Item.of(name[:ERROR_LENGTH], outcome, failure, size))

    def _keep(self, item: Item) -> None:
        if self._items_left:
            self._items_left -= 1
            self._unwritten.append(item)

    @property
    def unwritten(self) -> Sequence[Item]:
        """Items that no row tells of yet."""
        return tuple(self._unwritten)

    def written(self, count: int) -> None:
        """So many of them are safe."""
        del self._unwritten[:count]

    def cancel(self) -> None:
        self._cancelled = True
