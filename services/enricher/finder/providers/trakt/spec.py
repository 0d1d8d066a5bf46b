"""Trakt: all that there is to know of it as a provider."""

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.trakt import client
from services.enricher.finder.providers.trakt.artwork import TraktSource


def _artwork(parts: ArtworkParts) -> TraktSource | None:
    titles = parts.metadata.trakt_titles
    return TraktSource(client.Trakt(parts.provider), titles, parts.records) if titles else None


SPEC = ProviderSpec(
    name=TraktSource.name,
    title="Trakt",
    settings=client.TraktSettings,
    required=("client_id",),
    address=client.trakt_address,
    limits=(client.TRAKT_LIMIT,),
    writes=client.TRAKT_WRITES,
    artwork=_artwork,
)
