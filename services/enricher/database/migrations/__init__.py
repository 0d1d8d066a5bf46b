"""How the schema came to be: one module for each change, in `versions`, run by Alembic."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, exc, text

from services.enricher.database.database import DatabaseRefused

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent
LATEST = "0013"
"""The last of them, so that Alembic, which takes half a second to load, is loaded only where there is something to do."""


def is_up_to_date(connection: Connection) -> bool:
    return _version(connection) == LATEST


def bring_up_to_date(connection: Connection) -> None:
    """Raise DatabaseRefused as `upgrade` does."""
    if not is_up_to_date(connection):
        upgrade(connection)


def _version(connection: Connection) -> str | None:
    """None: of a database that has none yet, or that is none."""
    try:
        with connection.begin_nested():
            version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except exc.DBAPIError:
        return None
    return version


def upgrade(connection: Connection, *, to: str = "head") -> None:
    """Raise DatabaseRefused for a database that a later version has written."""
    from alembic import command  # noqa: PLC0415 - see `LATEST`
    from alembic.util import CommandError  # noqa: PLC0415 - see `LATEST`

    try:
        command.upgrade(configuration(connection), to)
    except CommandError as error:
        raise DatabaseRefused(
            f"The database is of a later version than this program ({error}): use that version, or another database."
        ) from error


def configuration(connection: Connection | None = None) -> "Config":
    """What Alembic has to know: where the migrations are, and the connection that they run on."""
    from alembic.config import Config  # noqa: PLC0415 - see `LATEST`

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
