"""Metadata, composed: the caches before the providers."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from services.enricher.database import Database
from services.enricher.metadata.cache import Cache
from services.enricher.metadata.settings import MetadataSettings
from services.enricher.metadata.titles import Source, Titles
from services.enricher.metadata.tmdb_metadata import TmdbMetadata
from services.enricher.metadata.tmdb_shelf import TmdbShelf
from services.enricher.metadata.tmdb_titles import TmdbTitles
from services.enricher.metadata.trakt_titles import TraktTitles
from services.enricher.providers import ProviderStatus
from services.enricher.providers.opening import Providers
from services.enricher.providers.tmdb import Tmdb
from services.enricher.providers.trakt import Trakt
from shared.telemetry import utc_now


@dataclass(frozen=True, slots=True)
class Metadata:
    """`trakt_titles` None: Trakt has no key."""

    titles: Titles
    tmdb: TmdbMetadata
    trakt_titles: TraktTitles | None
    _providers: Providers
    _trakt_cache: Cache

    @property
    def providers(self) -> Mapping[str, ProviderStatus]:
        """How each provider of metadata is, by its name: `trakt`, `tmdb`."""
        statuses = self._providers.statuses
        return {name: statuses[name] for name in ("trakt", "tmdb")}

    async def clear(self) -> int:
        """Forget all that providers said. The number of entries and rows that were."""
        return self._trakt_cache.clear() + await self.tmdb.clear()


@asynccontextmanager
async def open_metadata(
    settings: MetadataSettings,
    providers: Providers,
    *,
    database: Database,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Metadata]:
    """A provider without a key is off, and everything else works."""
    async with AsyncExitStack() as stack:
        shelf = await stack.enter_async_context(
            TmdbShelf(database, max_bytes=settings.tmdb_cache_bytes, now=now).open()
        )
        # Caches are left first: what is in flight has to end before what it flies with.
        cache = partial(Cache, max_entries=settings.max_entries, max_bytes=settings.memory_bytes, now=now)
        trakt_cache = await stack.enter_async_context(cache().open())
        tmdb_cache = await stack.enter_async_context(cache(shelf=shelf).open())
        tmdb = TmdbMetadata(
            Tmdb(providers.tmdb) if providers.tmdb else None,
            tmdb_cache,
            shelf,
            within=settings.page_deadline,
            now=now,
        )
        trakt_titles = (
            TraktTitles(Trakt(providers.trakt), trakt_cache, kept=settings.ttl) if providers.trakt else None
        )
        sources: list[Source] = [trakt_titles] if trakt_titles else []
        if providers.tmdb:
            image_url = providers.settings.tmdb.image_url
            sources.append(TmdbTitles(tmdb, image_url=image_url, language=settings.languages[0]))
        titles = Titles(sources, within=settings.page_deadline, now=now)
        yield Metadata(titles, tmdb, trakt_titles, providers, trakt_cache)
