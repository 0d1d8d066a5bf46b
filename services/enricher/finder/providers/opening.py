"""The providers, ready to be asked: each with its key, its budget and its own sessions' limits."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pydantic import SecretStr

from services.enricher.database import Database
from services.enricher.finder.providers.asking import Address, Provider, open_sessions
from services.enricher.finder.providers.budget import Budget, Limit
from services.enricher.finder.providers.fanart import FANART_LIMIT, fanart_address
from services.enricher.finder.providers.ledger import Ledger, credential_name
from services.enricher.finder.providers.settings import ProviderSettings
from services.enricher.finder.providers.status import ProviderStatus
from services.enricher.finder.providers.tmdb import TMDB_LIMIT, tmdb_address
from services.enricher.finder.providers.trakt import TRAKT_LIMIT, trakt_address
from services.enricher.finder.providers.tvdb import TVDB_LIMIT, tvdb_address
from shared.background import Background
from shared.http.outbound import Outbound
from shared.telemetry import Metrics, utc_now

KEYS = {
    "trakt": "TRAKT_CLIENT_ID",
    "tmdb": "TMDB_API_KEY",
    "tvdb": "TVDB_API_KEY",
    "fanart": "FANART_API_KEY",
}
"""The settings without which a provider is off."""


@dataclass(frozen=True, slots=True)
class Providers:
    """None: it has no key. The rest works without."""

    settings: ProviderSettings
    trakt: Provider | None = None
    tmdb: Provider | None = None
    tvdb: Provider | None = None
    fanart: Provider | None = None

    @property
    def statuses(self) -> Mapping[str, ProviderStatus]:
        """How each is, by its name in `KEYS`."""
        opened = {"trakt": self.trakt, "tmdb": self.tmdb, "tvdb": self.tvdb, "fanart": self.fanart}
        return {
            name: provider.status if provider else ProviderStatus.off(KEYS[name])
            for name, provider in opened.items()
        }


@asynccontextmanager
async def open_providers(
    settings: ProviderSettings,
    *,
    database: Database,
    metrics: Metrics,
    background: Background,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Providers]:
    async with AsyncExitStack() as stack:
        outbound = await stack.enter_async_context(open_sessions(settings.asking))
        opened = partial(
            _opened,
            outbound,
            max_bytes=settings.asking.max_bytes,
            ledger=Ledger(database, background),
            metrics=metrics,
            now=now,
        )
        trakt, tmdb, tvdb, fanart = settings.trakt, settings.tmdb, settings.tvdb, settings.fanart
        enter = stack.enter_async_context
        yield Providers(
            settings,
            trakt=await enter(opened("Trakt", trakt.client_id, trakt_address(trakt), TRAKT_LIMIT)),
            tmdb=await enter(opened("TMDB", tmdb.api_key, tmdb_address(tmdb), TMDB_LIMIT)),
            tvdb=await enter(opened("TVDB", tvdb.api_key, tvdb_address(tvdb), TVDB_LIMIT)),
            fanart=await enter(opened("fanart.tv", fanart.api_key, fanart_address(fanart), FANART_LIMIT)),
        )


@asynccontextmanager
async def _opened(
    outbound: Outbound,
    name: str,
    key: SecretStr | None,
    address: Address,
    limit: Limit,
    *,
    max_bytes: int,
    ledger: Ledger,
    metrics: Metrics,
    now: Callable[[], datetime],
) -> AsyncIterator[Provider | None]:
    """A provider, ready to be asked; None without a key."""
    if not key:
        yield None
        return
    budget = Budget(name, limit, now=now)
    async with ledger.keeping(credential_name(name.lower(), key), budget):
        yield Provider(name, address, outbound, budget=budget, max_bytes=max_bytes, metrics=metrics, now=now)
