"""Artwork, composed: the sources of those providers that have a key."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from services.enricher.finder.artwork.artwork import Artwork
from services.enricher.finder.artwork.choice import ORIGINAL
from services.enricher.finder.artwork.settings import ArtworkSettings
from services.enricher.finder.artwork.sources.fanart import FanartSource
from services.enricher.finder.artwork.sources.source import Asking, Dictionary, Records, Source
from services.enricher.finder.artwork.sources.tmdb import TmdbSource
from services.enricher.finder.artwork.sources.trakt import TraktSource
from services.enricher.finder.artwork.sources.tvdb import TvdbSource
from services.enricher.finder.artwork.subject import Subject
from services.enricher.finder.artwork.translation import Translation
from services.enricher.finder.metadata import Found, Metadata, MetadataSettings, TitleKey, TitleKind
from services.enricher.finder.metadata.cache import Cache
from services.enricher.finder.providers.fanart import Fanart
from services.enricher.finder.providers.opening import Providers
from services.enricher.finder.providers.trakt import Trakt
from services.enricher.finder.providers.tvdb import Tvdb
from shared.pictures import Kind
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
            in_these = () if ORIGINAL in languages else languages
            tmdb = TmdbSource(metadata.tmdb, image_url=image_url, languages=in_these)
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

        async def original(subject: Subject, asking: Asking) -> str | None:
            return await _original_language(metadata, subject, asking)

        yield Artwork(
            sources, Translation(dictionaries), settings, languages=languages, original=original, now=now
        )


async def _original_language(metadata: Metadata, subject: Subject, asking: Asking) -> str | None:
    """Of a title; None where it is not known in time."""
    ids = subject.title.ids
    kind = TitleKind.MOVIE if subject.kind is Kind.MOVIE else TitleKind.TV
    if subject.kind not in {Kind.MOVIE, Kind.SERIES, Kind.SEASON, Kind.EPISODE} or not subject.is_placed:
        return None
    key = TitleKey(kind, imdb_id=ids.imdb, tmdb_id=ids.tmdb, trakt_id=ids.trakt, tvdb_id=ids.tvdb)
    within = max(asking.until - utc_now(), timedelta(0))
    outcome = (await metadata.titles.lookup([key], within=within, urgency=asking.urgency))[key]
    return outcome.value.language if isinstance(outcome, Found) else None
