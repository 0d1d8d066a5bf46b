"""The ledgers of what was spent: one for a process that has the database to itself, and one for several that share it."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import SecretStr, ValidationError
from sqlalchemy import bindparam, func, select

from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.database.schema import replacing
from services.enricher.database.statements import DatabaseVisit, Statement
from services.enricher.finder.providers.budget import News, RateBudget
from services.enricher.finder.providers.spending import BudgetSnapshot, Limit, Spending, Urgency
from services.enricher.finder.tables import provider_budgets
from shared.background import Background
from shared.telemetry import utc_now

KEEP_EVERY_S = 1.0
"""Or sooner, where much was spent: see `RateBudget.worth_keeping`."""

SET_BACK_AT_MOST = timedelta(minutes=1)
"""So far a server's clock is corrected, and not set anew."""

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
        return await self._database.read_at_once(lambda visit: _kept(visit, credential))

    async def _keep(self, credential: str, snapshot: BudgetSnapshot) -> None:
        row = _row(credential, snapshot)
        try:
            await self._database.write_at_once(lambda visit: visit.run(_KEEP, row))
        except DatabaseUnavailable as error:
            _log.warning("budget not kept", credential=credential, error=str(error))


class SharedLedger:
    """Nothing is spent before it is counted in the database, by the database's clock: what all spend together stays within the
    limits, and who is killed has spent at most what it did not come to ask.
    """

    def __init__(self, database: Database, background: Background) -> None:
        self._database = database
        self._background = background

    @asynccontextmanager
    async def keeping(self, credential: str, budget: RateBudget) -> AsyncIterator[None]:
        """The budget is a part of what all have, until this is left."""
        database = self._database.beside(credential)
        budget.share()

        async def settle() -> bool:
            budget.worth_keeping.clear()
            wanted, told = budget.claim()
            if wanted or told:
                await _settle(database, credential, budget, wanted, told)
            return budget.worth_keeping.is_set()

        await _settle(database, credential, budget, (), ())
        async with self._background.repeating(
            "sharing budgets",
            settle,
            every_s=KEEP_EVERY_S,
            wake=budget.worth_keeping,
            expected=(DatabaseUnavailable,),
        ):
            yield


async def _settle(
    database: Database,
    credential: str,
    budget: RateBudget,
    wanted: Sequence[Urgency],
    told: Sequence[News],
) -> None:
    def writing(visit: DatabaseVisit) -> tuple[Spending, int, datetime]:
        kept, now = _kept(visit, credential), _clock(visit)
        if kept and kept.spent_at_ms:
            latest = datetime.fromtimestamp(max(kept.spent_at_ms) / 1000, UTC)
            now = latest if now < latest < now + SET_BACK_AT_MOST else now
        spending, admitted = _admitted(kept, budget.limits, now, wanted, told)
        if admitted or told or not kept:
            visit.run(_KEEP, _row(credential, spending.snapshot(now)))
        return spending, admitted, now

    spending, admitted, now = await database.write_at_once(writing)
    budget.granted(spending, admitted, len(told), now)


def _admitted(
    kept: BudgetSnapshot | None,
    limits: Sequence[Limit],
    now: datetime,
    wanted: Sequence[Urgency],
    told: Sequence[News],
) -> tuple[Spending, int]:
    """What is spent with the first so many of those that are wanted."""
    spending = Spending.of(kept, *limits, now=now)
    for news in told:
        news(spending, now)
    admitted = 0
    for urgency in wanted:
        if spending.opens(urgency, now) > now:
            break
        spending.spend(now)
        admitted += 1
    return spending, admitted


def ledger_of(database: Database, background: Background) -> Ledger | SharedLedger:
    """Of this process alone, or of all that have the database."""
    kind = Ledger if database.sharing.identity is None else SharedLedger
    return kind(database, background)


def _kept(visit: DatabaseVisit, credential: str) -> BudgetSnapshot | None:
    found = visit.rows(_KEPT, {"credential": credential})
    try:
        return BudgetSnapshot.model_validate_json(found[0].spending if found else "")
    except ValidationError:
        return None


def _clock(visit: DatabaseVisit) -> datetime:
    """PostgreSQL's, which is the same for all."""
    [row] = visit.rows(_NOW)
    now: datetime = row[0]
    return now.astimezone(UTC)


def _row(credential: str, snapshot: BudgetSnapshot) -> dict[str, object]:
    return {"credential": credential, "spending": snapshot.model_dump_json(), "kept_at": utc_now()}


_NOW = Statement(select(func.clock_timestamp()))
_KEEP = replacing(provider_budgets)
_KEPT = Statement(
    select(provider_budgets.c.spending).where(provider_budgets.c.credential == bindparam("credential"))
)
