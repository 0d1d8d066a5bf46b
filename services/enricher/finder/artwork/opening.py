"""Artwork, composed: the sources of those providers that have a key."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from services.enricher.finder.artwork.artwork import Artwork
from services.enricher.finder.artwork.settings import ArtworkSettings
from services.enricher.finder.artwork.sources.fanart import FanartSource
from services.enricher.finder.artwork.sources.source import Dictionary, Records, Source
from services.enricher.finder.artwork.sources.tmdb import TmdbSource
from services.enricher.finder.artwork.sources.trakt import TraktSource
from services.enricher.finder.artwork.sources.tvdb import TvdbSource
from services.enricher.finder.artwork.translation import Translation
from services.enricher.finder.metadata import Metadata, MetadataSettings
from services.enricher.finder.metadata.cache import Cache
from services.enricher.finder.providers.fanart import Fanart
from services.enricher.finder.providers.opening import Providers
from services.enricher.finder.providers.trakt import Trakt
from services.enricher.finder.providers.tvdb import Tvdb
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
        sources: list[Source] = []
        dictionaries: list[Dictionary] = []
        if providers.tmdb:
            image_url = providers.settings.tmdb.image_url
            tmdb = TmdbSource(metadata.tmdb, image_url=image_url, languages=languages)
            sources.append(tmdb)
            dictionaries.append(tmdb)
        if providers.tvdb:
            tvdb = TvdbSource(Tvdb(providers.tvdb), records, now=now)
            sources.append(tvdb)
            dictionaries.append(tvdb)
        if providers.trakt and metadata.trakt_titles:
            trakt = TraktSource(Trakt(providers.trakt), metadata.trakt_titles, records)
            sources.append(trakt)
            dictionaries.append(trakt)
        if providers.fanart:
            sources.append(FanartSource(Fanart(providers.fanart), records))
        yield Artwork(sources, Translation(dictionaries), settings, languages=languages, now=now)
