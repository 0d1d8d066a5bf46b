"""The ledger: what is spent of each budget, kept so that a restart does not begin a full one."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pydantic import SecretStr, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.database import Database, DatabaseUnavailable, replace_rows
from services.enricher.finder.providers.budget import BudgetSnapshot, RateBudget
from services.enricher.finder.tables import provider_budgets
from shared.background import Background
from shared.telemetry import utc_now

KEEP_EVERY_S = 1.0
"""Or sooner, where much was spent: see `RateBudget.worth_keeping`."""

_log = structlog.get_logger()


def credential_name(provider: str, secret: SecretStr) -> str:
    """Tells keys apart without telling them."""
    return f"{provider}:{hashlib.sha256(secret.get_secret_value().encode()).hexdigest()[:16]}"


class Ledger:
    def __init__(self, database: Database, background: Background) -> None:
        self._database = database
        self._background = background

    @asynccontextmanager
    async def keeping(self, credential: str, budget: RateBudget) -> AsyncIterator[None]:
        """The budget goes on from where it was, and is kept until this is left."""
        if kept := await self._kept(credential):
            budget.resume(kept)
        await self._keep(credential, budget.snapshot())

        async def keep_on() -> None:
            if budget.has_changed:
                await self._keep(credential, budget.snapshot())

        try:
            async with self._background.repeating(
                "keeping budgets", keep_on, every_s=KEEP_EVERY_S, wake=budget.worth_keeping
            ):
                yield
        finally:
            await self._keep(credential, budget.snapshot(closed=True))

    async def _kept(self, credential: str) -> BudgetSnapshot | None:
        asked = select(provider_budgets.c.spending).where(provider_budgets.c.credential == credential)

        async def read(connection: AsyncConnection) -> Any:
            return (await connection.execute(asked)).scalar_one_or_none()

        try:
            return BudgetSnapshot.model_validate_json(await self._database.read(read) or "")
        except ValidationError:
            return None

    async def _keep(self, credential: str, snapshot: BudgetSnapshot) -> None:
        row = {"credential": credential, "spending": snapshot.model_dump_json(), "kept_at": utc_now()}
        try:
            await self._database.write(lambda connection: replace_rows(connection, provider_budgets, [row]))
        except DatabaseUnavailable as error:
            _log.warning("budget not kept", credential=credential, error=str(error))
