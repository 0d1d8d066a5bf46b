"""The database copied from one engine to another and back: all rows, all numbers, or nothing."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from services.enricher.copying import copy_database
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseRefused
from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.database.schema import metadata
from services.enricher.library import Library
from services.enricher.library.item import ItemIds, LibraryEntry, MediaType
from services.enricher.studio.tables import studio_jobs
from services.enricher.tasks.rows import tasks
from shared.background import Background
from shared.telemetry import Metrics, utc_now
from tests.servers.databases import furnish
from tests.servers.postgresql import PostgresServer
from tests.unit.test_database import a_task

ROWS = 1203
"""Of one table: more than are copied at once."""


async def filled(settings: DatabaseSettings, state_dir: Path) -> None:
    async with open_database(settings, state_dir=state_dir) as database:
        await Library(database).add_all(
            [LibraryEntry(f"Movie {n}", MediaType.MOVIE, ids=ItemIds(imdb=f"tt{n:07}")) for n in range(1, 30)]
        )
        await database.write(lambda c: c.execute(insert(tasks), [a_task(done=n) for n in range(ROWS + 1)]))
        await database.write(lambda c: c.execute(delete(tasks).where(tasks.c.done == ROWS)))
        await database.write(lambda c: c.execute(insert(studio_jobs), [a_studio_job(n) for n in range(12)]))


def a_studio_job(number: int) -> dict[str, object]:
    """With a picture in its row: of those fewer are copied at once."""
    job: dict[str, object] = dict.fromkeys(("kind", "service", "fingerprint", "state"), "x")
    job |= {"id": str(number), "picture": bytes([number]), "arguments": {}, "created_at": utc_now()}
    return job | {"looked_at": 1, "price": 0, "cancelling": False}


async def everything(database: Database) -> dict[str, list[Any]]:
    async def reading(connection: AsyncConnection) -> dict[str, list[Any]]:
        found = {}
        for table in metadata.sorted_tables:
            rows = (await connection.execute(select(table).order_by(*table.primary_key))).all()
            found[table.name] = [tuple(row) for row in rows]
        return found

    return await database.read(reading)


async def next_task(database: Database) -> int:
    async def writing(connection: AsyncConnection) -> int:
        added = insert(tasks).values(a_task()).returning(tasks.c.id)
        number: int = (await connection.execute(added)).scalar_one()
        return number

    return await database.write(writing)


async def test_all_rows_and_numbers_go_to_postgresql_and_back(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    furnish(tmp_path)
    here, there = DatabaseSettings(), postgresql.bare()
    back = DatabaseSettings(url=f"sqlite:{tmp_path}/back.sqlite")
    await filled(here, tmp_path)
    copied = await copy_database(here, there, state_dir=tmp_path)
    assert await copy_database(there, back, state_dir=tmp_path) == copied >= ROWS + 29 + 12
    found, numbers = [], []
    for settings in (here, there, back):
        async with open_database(settings, state_dir=tmp_path) as database:
            found.append(await everything(database))
            numbers.append(await next_task(database))
    assert found[0] == found[1] == found[2]
    assert (len(found[0]["tasks"]), len(found[0]["studio_jobs"])) == (ROWS, 12)
    assert numbers == [ROWS + 2] * 3


def test_the_tables_of_every_wing_are_copied(tmp_path: Path) -> None:
    """In a process that has loaded nothing else, as the command's."""
    furnish(tmp_path)
    names = "from services.enricher.copying import metadata; print(*metadata.tables)"
    said = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True)
    with closing(sqlite3.connect(tmp_path / "enricher.sqlite")) as database:
        there = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in there} - {"alembic_version", "sqlite_sequence"} == set(said.stdout.split())


async def test_what_has_rows_or_an_enricher_is_refused_and_left_as_it_is(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    furnish(tmp_path)
    here, there = DatabaseSettings(), postgresql.bare()
    await filled(here, tmp_path)
    async with open_database(there, state_dir=tmp_path, background=Background(Metrics())) as database:
        with pytest.raises(DatabaseRefused, match="An enricher already has the database"):
            await copy_database(here, there, state_dir=tmp_path)
        await next_task(database)
    with pytest.raises(DatabaseRefused, match="has rows in tasks"):
        await copy_database(here, there, state_dir=tmp_path)
    async with open_database(there, state_dir=tmp_path) as database:
        assert [name for name, rows in (await everything(database)).items() if rows] == ["tasks"]
