"""Locks that are nobody's alone: by key within a process, and by file between processes."""

import asyncio
import fcntl
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path


class KeyedLock:
    """One at a time for each key, within this process. A key that nobody wants takes no room."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._wanted: defaultdict[str, int] = defaultdict(int)

    def is_wanted(self, key: str) -> bool:
        return key in self._wanted

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        self._wanted[key] += 1
        try:
            async with self._locks[key]:
                yield
        finally:
            self._wanted[key] -= 1
            if not self._wanted[key]:
                del self._wanted[key], self._locks[key]


def try_exclusively(descriptor: int) -> bool:
    """Lock an open file for this process; False: another holder has it. The lock ends with the descriptor."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def sole_owner(path: Path, *, refusal: Exception) -> Iterator[None]:
    """Hold `<path>.lock`, which dies with its holder and is never deleted; raise `refusal` when another has it."""
    with path.with_name(f"{path.name}.lock").open("ab") as held:
        if not try_exclusively(held.fileno()):
            raise refusal
        yield
