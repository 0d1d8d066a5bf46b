"""The lock that keeps a second process from the file. It dies with its holder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.enricher.database.database import DatabaseRefused


@contextmanager
def sole_owner(path: Path) -> Iterator[None]:
    """Hold `<path>.lock`, which is never deleted. Raises DatabaseRefused when somebody else does."""
    lock = path.with_name(path.name + ".lock")
    with lock.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseRefused(
                f"Another process already has the database {path}: there is one enricher. Stop it, or set another "
                "STATE_DIR or DATABASE_URL."
            ) from error
        yield
