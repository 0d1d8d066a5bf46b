"""Properties: as many examples as take a moment, and no deadline that a busy machine could miss. And the database on
both engines, for what has to hold on both.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from services.enricher.database.database import Database
from services.enricher.database.engines import DatabaseSettings, open_database
from tests.servers.databases import furnish, opened_database
from tests.servers.postgresql import PostgresServer

settings.register_profile("onesheet", deadline=None, max_examples=100)
settings.load_profile("onesheet")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseSettings:
    """Of a database with this version's schema and nothing in it."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        return server.migrated()
    furnish(tmp_path / "state")
    return DatabaseSettings(url=f"sqlite:{tmp_path}/state/enricher.sqlite")


@pytest.fixture
async def database(database_settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(database_settings, state_dir=tmp_path / "state") as database:
        yield database


@pytest.fixture
async def in_a_file(tmp_path: Path) -> AsyncIterator[Database]:
    """On SQLite alone, for what holds of nothing else."""
    async with opened_database(tmp_path) as database:
        yield database
