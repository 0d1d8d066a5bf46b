"""Artwork, composed: the sources of those providers that have a key."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from services.enricher.finder.artwork.artwork import Artwork
from services.enricher.finder.artwork.id_mapping import IdMapping
from services.enricher.finder.artwork.settings import ArtworkSettings
from services.enricher.finder.artwork.source import ArtworkParts, IdSource, Records
from services.enricher.finder.metadata import Metadata, MetadataSettings
from services.enricher.finder.metadata.cache import Cache
from services.enricher.finder.providers.opening import Providers
from shared.telemetry import utc_now


@asynccontextmanager
async def open_artwork(
    settings: ArtworkSettings,
    metadata_settings: MetadataSettings,
    providers: Providers,
    metadata: Metadata,
    *,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Artwork]:
    """What TVDB and fanart.tv say, and Trakt of seasons, episodes and persons, is kept in memory for METADATA_TTL."""
    languages = metadata_settings.languages
    cache = Cache(
        max_entries=metadata_settings.max_entries, max_bytes=metadata_settings.memory_bytes, now=now
    )
    async with cache.open():
        records = Records(cache, metadata_settings.ttl)
        sources = [
            source
            for spec in providers.settings
            if spec.artwork
            and (provider := providers.get(spec.name))
            and (
                source := spec.artwork(
                    ArtworkParts(provider, providers.settings, metadata, records, languages, now)
                )
            )
        ]
        yield Artwork(
            sources,
            IdMapping([source for source in sources if isinstance(source, IdSource)]),
            settings,
            off={
                name: status.detail
                for name, status in providers.statuses.items()
                if name not in providers.opened
            },
            languages=languages,
            now=now,
        )
