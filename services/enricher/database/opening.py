"""Which database it is, by the scheme of its URL."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from services.enricher.database.database import Database
from services.enricher.database.postgres import open_postgresql
from services.enricher.database.sqlite import DatabaseSettings, open_sqlite
from shared.telemetry import Metrics

FILE_NAME = "enricher.sqlite"


def open_database(
    settings: DatabaseSettings, *, state_dir: Path, metrics: Metrics | None = None
) -> AbstractAsyncContextManager[Database]:
    """The database that `settings.url` names, with the schema of this version, open while the context lasts.

    Raises ValueError for a scheme that nothing here implements.
    """
    scheme, _, rest = (settings.url or "sqlite:").partition(":")
    match scheme:
        case "sqlite":
            return open_sqlite(Path(rest) if rest else state_dir / FILE_NAME, metrics=metrics)
        case "postgresql":
            return open_postgresql(f"{scheme}:{rest}", metrics=metrics)
        case _:
            raise ValueError(f"DATABASE_URL has the scheme {scheme!r}: sqlite and postgresql are known.")
