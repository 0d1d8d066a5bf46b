"""The enricher's database before anything is in it: brought to this version's schema once, and copied from then on.

To migrate one costs several times what most tests then do with it.
"""

from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine, text

from services.enricher.database.database import Database
from services.enricher.database.engines import FILE_NAME, DatabaseSettings, open_database
from services.enricher.database.migrations import upgrade


def opened_database(state_dir: Path) -> AbstractAsyncContextManager[Database]:
    """The one in this state directory, which has one from then on."""
    furnish(state_dir)
    return open_database(DatabaseSettings(), state_dir=state_dir)


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
