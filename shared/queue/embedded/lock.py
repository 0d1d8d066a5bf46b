"""The lock that keeps a second process from the queue file. It dies with its holder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.queue.port import QueueUnavailable


@contextmanager
def sole_owner(path: Path) -> Iterator[None]:
    """Hold `<path>.lock`, which is never deleted. Raises QueueUnavailable when somebody else does."""
    lock = path.with_name(path.name + ".lock")
    with lock.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise QueueUnavailable(
                f"Another process already has the queue file {path}: stop it, or set another STATE_DIR."
            ) from error
        yield
