"""The ledger: a budget is kept while it is spent, not only at the end."""

import asyncio
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.finder.providers import Limit, RateBudget, Turn, Urgency
from services.enricher.finder.providers.ledger import Ledger, credential_name
from services.enricher.finder.providers.spending import BudgetSnapshot
from services.enricher.finder.tables import provider_budgets
from shared.background import Background
from shared.telemetry import Metrics

LIMIT = Limit(100, timedelta(minutes=5))
KEY = "trakt:0123"


async def kept(database: Database) -> BudgetSnapshot:
    async def read(connection: AsyncConnection) -> str:
        return str((await connection.execute(select(provider_budgets.c.spending))).scalar_one())

    return BudgetSnapshot.model_validate_json(await database.read(read))


async def spend(budget: RateBudget, times: int) -> None:
    for _ in range(times):
        await budget.take(Turn(Urgency.NOW, datetime.now(UTC) + timedelta(seconds=1)))


async def room_in(budget: RateBudget) -> int:
    room = 0
    while not budget.busy_until:
        await spend(budget, 1)
        room += 1
    return room


async def test_what_was_spent_is_kept_soon_and_a_killed_process_gains_nothing(database: Database) -> None:
    killed, after = RateBudget("Trakt", LIMIT), RateBudget("Trakt", LIMIT)
    async with Ledger(database, Background(Metrics())).keeping(KEY, killed):
        await spend(killed, 60)
        async with asyncio.timeout(60):
            while len((await kept(database)).spent_at_ms) < 60:  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.02)
        await spend(killed, 5)  # of these nothing is kept yet
        async with Ledger(database, Background(Metrics())).keeping(KEY, after):
            assert 25 <= await room_in(after) <= 35


async def test_after_an_orderly_end_exactly_what_was_left_is_left(database: Database) -> None:
    before, after = RateBudget("Trakt", LIMIT), RateBudget("Trakt", LIMIT)
    async with Ledger(database, Background(Metrics())).keeping(KEY, before):
        await spend(before, 60)
    async with Ledger(database, Background(Metrics())).keeping(KEY, after):
        assert await room_in(after) == 40


async def test_another_credential_has_a_budget_of_its_own(database: Database) -> None:
    async with Ledger(database, Background(Metrics())).keeping(KEY, RateBudget("Trakt", LIMIT)) as _:
        other = RateBudget("Trakt", LIMIT)
        async with Ledger(database, Background(Metrics())).keeping(
            credential_name("trakt", SecretStr("other")), other
        ):
            assert await room_in(other) == 100


async def test_what_cannot_be_read_begins_anew(database: Database) -> None:
    async with Ledger(database, Background(Metrics())).keeping(KEY, RateBudget("Trakt", LIMIT)):
        pass
    await database.write(lambda connection: connection.execute(update(provider_budgets).values(spending="{")))
    budget = RateBudget("Trakt", LIMIT)
    async with Ledger(database, Background(Metrics())).keeping(KEY, budget):
        assert await room_in(budget) == 100


def test_a_credentials_name_does_not_tell_the_key() -> None:
    name = credential_name("trakt", SecretStr("secret"))
    assert "secret" not in name
    assert name != credential_name("trakt", SecretStr("another"))
