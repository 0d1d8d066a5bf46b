"""The providers, opened: each with its key, its address and its budget, which is kept while it is spent."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from pydantic import SecretStr, ValidationError
from sqlalchemy import bindparam, select

from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.database.schema import replacing
from services.enricher.database.statements import Statement
from services.enricher.finder.providers import errors
from services.enricher.finder.providers.asking import Provider, open_sessions
from services.enricher.finder.providers.budget import BudgetSnapshot, Limit, RateBudget, Turn, Urgency
from services.enricher.finder.providers.registry import ProviderSettings, ProviderSpec
from services.enricher.finder.tables import provider_budgets
from shared.background import Background
from shared.telemetry import Metrics, start_at_zero, utc_now

TRIED_WITHIN = timedelta(seconds=10)
"""A key."""

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
        wanted = {"credential": credential}
        found = await self._database.read_at_once(lambda visit: visit.rows(_KEPT, wanted))
        try:
            return BudgetSnapshot.model_validate_json(found[0].spending if found else "")
        except ValidationError:
            return None

    async def _keep(self, credential: str, snapshot: BudgetSnapshot) -> None:
        row = {"credential": credential, "spending": snapshot.model_dump_json(), "kept_at": utc_now()}
        try:
            await self._database.write_at_once(lambda visit: visit.run(_KEEP, row))
        except DatabaseUnavailable as error:
            _log.warning("budget not kept", credential=credential, error=str(error))


_KEEP = replacing(provider_budgets)
_KEPT = Statement(
    select(provider_budgets.c.spending).where(provider_budgets.c.credential == bindparam("credential"))
)


@dataclass(frozen=True, slots=True)
class Providers:
    """Those that have a key, by their names. The rest works without the others."""

    settings: ProviderSettings
    opened: Mapping[str, Provider]

    def get(self, name: str) -> Provider | None:
        """None: it has no key."""
        return self.opened.get(name)

    @property
    def statuses(self) -> Mapping[str, errors.ProviderStatus]:
        """How each that is registered is, by its name."""
        return {
            spec.name: self.opened[spec.name].status
            if spec.name in self.opened
            else errors.ProviderStatus.off(spec.missing(settings) or "")
            for spec, settings in self.settings.registered
        }

    async def try_keys(self) -> None:
        """Ask each one small question; what comes of it is its status."""
        await asyncio.gather(
            *(self._try(spec) for spec in self.settings if spec.probe and spec.name in self.opened)
        )

    async def _try(self, spec: ProviderSpec[Any]) -> None:
        turn = Turn(Urgency.NOW, utc_now() + TRIED_WITHIN)
        with suppress(errors.ProviderError):
            await self.opened[spec.name].get(spec.probe, {}, turn, lambda _reply: None)


@asynccontextmanager
async def open_providers(
    settings: ProviderSettings,
    *,
    database: Database,
    metrics: Metrics,
    background: Background,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Providers]:
    ledger = Ledger(database, background)

    async def kept(spec: ProviderSpec[Any], key: SecretStr, what: str, *limits: Limit) -> RateBudget:
        budget = RateBudget(spec.title, *limits, now=now)
        await stack.enter_async_context(
            ledger.keeping(credential_name(spec.title.lower() + what, key), budget)
        )
        return budget

    async with AsyncExitStack() as stack:
        outbound = await stack.enter_async_context(open_sessions(settings.asking))
        opened: dict[str, Provider] = {}
        for spec, its in settings.registered:
            if key := spec.key(its):
                opened[spec.name] = provider = Provider(
                    spec.title,
                    spec.address(its),
                    outbound,
                    budget=await kept(spec, key, "", *spec.limits),
                    writes=await kept(spec, key, ":writes", spec.writes) if spec.writes else None,
                    max_bytes=settings.asking.max_bytes,
                    metrics=metrics,
                    now=now,
                )
                metrics.provider_budget_left.follow(partial(_left, provider), spec.title)
                start_at_zero(metrics.provider_requests, (spec.title,), RESULTS)
        yield Providers(settings, opened)


_TROUBLES = (
    errors.NothingThere,
    errors.Misconfigured,
    errors.Refused,
    errors.Busy,
    errors.NotAsked,
    errors.Broken,
    errors.Unreadable,
)
RESULTS = ("answered", *(trouble.__name__ for trouble in _TROUBLES))


def _left(provider: Provider) -> float:
    return provider.budget.left
