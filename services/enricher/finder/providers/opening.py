"""The providers, opened: each with its key, its address and its budget, which is kept while it is spent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import SecretStr

from services.enricher.database.database import Database
from services.enricher.finder.providers import errors
from services.enricher.finder.providers.asking import Provider, open_sessions
from services.enricher.finder.providers.budget import RateBudget, Turn
from services.enricher.finder.providers.ledger import credential_name, ledger_of
from services.enricher.finder.providers.registry import ProviderSettings, ProviderSpec
from services.enricher.finder.providers.spending import Limit, Urgency
from shared.background import Background
from shared.telemetry import Metrics, start_at_zero, utc_now

TRIED_WITHIN = timedelta(seconds=10)
"""A key."""


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
    ledger = ledger_of(database, background)

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
