"""How the schema came to be: one module for each change, in `versions`, run by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from services.enricher.database.database import DatabaseRefused

MIGRATIONS = Path(__file__).parent


def upgrade(connection: Connection, *, to: str = "head") -> None:
    """Raise DatabaseRefused for a database that a later version has written."""
    try:
        command.upgrade(configuration(connection), to)
    except CommandError as error:
        raise DatabaseRefused(
            f"The database is of a later version than this program ({error}): use that version, or another database."
        ) from error


def configuration(connection: Connection | None = None) -> Config:
    """What Alembic has to know: where the migrations are, and the connection that they run on."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
