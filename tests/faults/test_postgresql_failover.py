"""A PostgreSQL that fails over under two enrichers: its first host dies, the next one hangs, and each time a standby is promoted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.enricher.database.engines import DatabaseSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.trakt import TraktHost
from tests.servers.postgresql import PostgresServer

TASK = "/api/v1/admin/sync/images/cleanup"
ITEMS = "/api/library/items"
QUESTIONS = 2
"""Of each enricher about each title."""

MOVES = 2
"""Of the database. What was being asked for then may be asked for once more."""


@pytest.fixture
def hosts(postgresql: PostgresServer) -> Iterator[list[PostgresServer]]:
    """One that takes writes, and two that follow it."""
    postgresql.migrated()
    with postgresql.standby() as first:
        first.promote()
        with first.standby() as second, second.standby() as third:
            yield [first, second, third]


async def test_pages_writes_tasks_and_the_lead_go_on_with_the_standby_that_took_over(
    hosts: list[PostgresServer], tmp_path: Path
) -> None:
    first, second, third = hosts
    named = ",".join(f"127.0.0.1:{host.port}" for host in hosts)
    database = DatabaseSettings(url=f"postgresql://onesheet@{named}/migrated")
    async with (
        TraktHost.running() as trakt,
        running_enricher(tmp_path, trakt=trakt, database=database) as one,
        one.another() as other,
    ):
        both = (one, other)
        await _all_goes(both, titles=1)
        async with _asked_all_the_time(both) as statuses:
            first.kill()
            second.promote()
            await _all_goes(both, titles=2)
            with second.suspended():
                third.promote()
                await _all_goes(both, titles=3)
        assert statuses <= {200, 503}
        assert trakt.total <= (3 * QUESTIONS + MOVES) * 2, "nobody asks again for what is known"


async def _all_goes(enrichers: tuple[RunningEnricher, RunningEnricher], *, titles: int) -> None:
    """One leads, a title more is on the pages of both, and a task comes to its end at the other."""
    one, other = enrichers

    async def one_leads() -> bool:
        answers = [await enricher.get("/readyz") for enricher in enrichers]
        return sorted(answer.json["lead"]["enricher"] for answer in answers) == [
            "follows another one",
            "leads",
        ]

    async def is_added() -> bool:
        item = {"title": f"Movie {titles}", "media_type": "movie", "imdb_id": f"tt{titles:07}"}
        return (await one.manage("POST", ITEMS, item)).status in (201, 409)

    async def is_shown() -> bool:
        pages = [await enricher.get(ITEMS) for enricher in enrichers]
        return all(page.status == 200 and page.json["total"] == titles for page in pages)

    await until(one_leads)
    await until(is_added)
    await until(is_shown)
    assert (await other.ended(TASK))["state"] == "done"


@asynccontextmanager
async def _asked_all_the_time(
    enrichers: tuple[RunningEnricher, RunningEnricher],
) -> AsyncIterator[set[int]]:
    """What pages were answered with while the block lasts."""
    statuses: set[int] = set()

    async def ask(enricher: RunningEnricher) -> None:
        while True:
            statuses.add((await enricher.get(ITEMS)).status)
            await asyncio.sleep(0.01)

    asking = [asyncio.create_task(ask(enricher)) for enricher in enrichers]
    try:
        yield statuses
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
