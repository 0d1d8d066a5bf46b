"""The enricher's database before anything is in it: brought to this version's schema once, and copied from then on.

To migrate one costs several times what most tests then do with it. With `DATABASE=postgresql` in the environment, the same tests
run on PostgreSQL: each state directory then stands for a database of its own on the session's server.
"""

import hashlib
import os
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sqlalchemy import create_engine, text

from services.enricher.database.database import Database
from services.enricher.database.engines import FILE_NAME, DatabaseSettings, open_database
from services.enricher.database.migrations import upgrade

ELSEWHERE = os.environ.get("DATABASE") == "postgresql"


class DatabaseServer(Protocol):
    def of_its_own(self, name: str) -> DatabaseSettings:
        """A database with this version's schema, made where it is not there."""


class _Server:
    running: DatabaseServer | None = None


def use_server(server: DatabaseServer | None) -> None:
    """From then on databases are there and not in files."""
    _Server.running = server


def opened_database(state_dir: Path) -> AbstractAsyncContextManager[Database]:
    """The one in this state directory, which has one from then on."""
    return open_database(database_in(state_dir), state_dir=state_dir)


def database_in(state_dir: Path) -> DatabaseSettings:
    """How the database of this state directory is named, which has one from then on."""
    if _Server.running is None:
        furnish(state_dir)
        return DatabaseSettings()
    state_dir.mkdir(parents=True, exist_ok=True)
    return _Server.running.of_its_own(hashlib.sha256(str(state_dir).encode()).hexdigest()[:20])


def furnish(state_dir: Path) -> None:
    """Give the state directory an empty database, where it has none."""
    file = state_dir / FILE_NAME
    if not file.exists():
        state_dir.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_migrated())


@cache
def _migrated() -> bytes:
    with TemporaryDirectory(prefix="onesheet-database-") as directory:
        file = Path(directory) / FILE_NAME
        engine = create_engine(f"sqlite:///{file}")
        with engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode = WAL"))
            connection.commit()
            upgrade(connection)
            connection.commit()
        engine.dispose()
        return file.read_bytes()
