"""Metadata, composed: its providers, their budgets, the caches before them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pydantic import SecretStr

from services.enricher.database import Database
from services.enricher.metadata.cache import Cache
from services.enricher.metadata.settings import MetadataSettings
from services.enricher.metadata.titles import Source, Titles
from services.enricher.metadata.tmdb_metadata import TmdbMetadata
from services.enricher.metadata.tmdb_shelf import TmdbShelf
from services.enricher.metadata.tmdb_titles import TmdbTitles
from services.enricher.metadata.trakt_titles import TraktTitles
from services.enricher.providers import Budget, Limit, ProviderSettings, ProviderStatus
from services.enricher.providers.asking import Address, Provider, open_sessions
from services.enricher.providers.ledger import Ledger, credential_name
from services.enricher.providers.tmdb import TMDB_LIMIT, Tmdb, tmdb_address
from services.enricher.providers.trakt import TRAKT_LIMIT, Trakt, trakt_address
from shared.http.outbound import Outbound
from shared.telemetry import Metrics, utc_now


@dataclass(frozen=True, slots=True)
class Metadata:
    titles: Titles
    tmdb: TmdbMetadata
    _providers: Mapping[str, Provider | ProviderStatus]
    _trakt_cache: Cache

    @property
    def providers(self) -> Mapping[str, ProviderStatus]:
        """How each provider is, by its name: `trakt`, `tmdb`."""
        return {
            name: provider.status if isinstance(provider, Provider) else provider
            for name, provider in self._providers.items()
        }

    async def clear(self) -> int:
        """Forget all that providers said. The number of entries and rows that were."""
        return self._trakt_cache.clear() + await self.tmdb.clear()


@asynccontextmanager
async def open_metadata(
    settings: MetadataSettings,
    providers: ProviderSettings,
    *,
    database: Database,
    metrics: Metrics,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Metadata]:
    """A provider without a key is off, and everything else works."""
    async with AsyncExitStack() as stack:
        shelf = await stack.enter_async_context(
            TmdbShelf(database, max_bytes=settings.tmdb_cache_bytes, now=now).open()
        )
        outbound = await stack.enter_async_context(open_sessions(providers.asking))
        max_bytes = providers.asking.max_bytes
        asked = partial(
            _asked, outbound, max_bytes=max_bytes, ledger=Ledger(database), metrics=metrics, now=now
        )
        trakt = await stack.enter_async_context(
            asked("Trakt", providers.trakt.client_id, trakt_address(providers.trakt), TRAKT_LIMIT)
        )
        tmdb = await stack.enter_async_context(
            asked("TMDB", providers.tmdb.api_key, tmdb_address(providers.tmdb), TMDB_LIMIT)
        )
        # Caches are left first: what is in flight has to end before what it flies with.
        cache = partial(Cache, max_entries=settings.max_entries, max_bytes=settings.memory_bytes, now=now)
        trakt_cache = await stack.enter_async_context(cache().open())
        tmdb_cache = await stack.enter_async_context(cache(shelf=shelf).open())
        tmdb_metadata = TmdbMetadata(
            Tmdb(tmdb) if tmdb else None, tmdb_cache, shelf, within=settings.page_deadline, now=now
        )
        sources: list[Source] = []
        if trakt:
            sources.append(TraktTitles(Trakt(trakt), trakt_cache, kept=settings.ttl))
        if tmdb:
            sources.append(
                TmdbTitles(tmdb_metadata, image_url=providers.tmdb.image_url, language=settings.languages[0])
            )
        yield Metadata(
            Titles(sources, within=settings.page_deadline, now=now),
            tmdb_metadata,
            {
                "trakt": trakt or ProviderStatus.off("TRAKT_CLIENT_ID"),
                "tmdb": tmdb or ProviderStatus.off("TMDB_API_KEY"),
            },
            trakt_cache,
        )


@asynccontextmanager
async def _asked(
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
