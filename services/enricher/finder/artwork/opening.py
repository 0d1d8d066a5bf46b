"""Artwork, composed: the sources of those providers that have a key."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from services.enricher.finder.artwork.artwork import Artwork
from services.enricher.finder.artwork.id_mapping import IdMapping
from services.enricher.finder.artwork.settings import ArtworkSettings
from services.enricher.finder.artwork.source import ArtworkParts, ArtworkSource, Asking, IdSource, Records
from services.enricher.finder.artwork.subject import Subject
from services.enricher.finder.metadata import Found, Metadata, MetadataSettings, TitleKey, TitleKind
from services.enricher.finder.metadata.cache import Cache
from services.enricher.finder.providers.asking import Provider
from services.enricher.finder.providers.opening import Providers
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
        sources = tuple(
            _sources(
                providers,
                lambda asked: ArtworkParts(asked, providers.settings, metadata, records, languages, now),
            )
        )
        statuses = providers.statuses.items()
        yield Artwork(
            sources,
            IdMapping([source for source in sources if isinstance(source, IdSource)]),
            settings,
            off={name: status.detail for name, status in statuses if not providers.get(name)},
            languages=languages,
            original=lambda subject, asking: _original_language(metadata, subject, asking),
            now=now,
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


def _sources(providers: Providers, parts: Callable[[Provider], ArtworkParts]) -> Iterator[ArtworkSource]:
    for spec in providers.settings:
        asked = providers.get(spec.name)
        if asked and spec.artwork and (source := spec.artwork(parts(asked))):
            yield source
