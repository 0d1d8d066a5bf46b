"""Trakt: all that there is to know of it as a provider."""

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.trakt.artwork import TraktSource
from services.enricher.finder.providers.trakt.client import (
    TRAKT_LIMIT,
    TRAKT_WRITES,
    Trakt,
    TraktSettings,
    trakt_address,
)


def _artwork(parts: ArtworkParts) -> TraktSource | None:
    titles = parts.metadata.trakt_titles
    return TraktSource(Trakt(parts.provider), titles, parts.records) if titles else None


SPEC = ProviderSpec(
    name=TraktSource.name,
    title="Trakt",
    settings=TraktSettings,
    required=("client_id",),
    address=trakt_address,
    limits=(TRAKT_LIMIT,),
    writes=TRAKT_WRITES,
    artwork=_artwork,
)
