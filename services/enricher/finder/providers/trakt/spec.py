"""Trakt: all that there is to know of it as a provider."""

from datetime import timedelta

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.spending import Limit
from services.enricher.finder.providers.trakt import client
from services.enricher.finder.providers.trakt.artwork import TraktSource

TRAKT_LIMIT = Limit(500, timedelta(minutes=5))
"""GET requests of one client id and address, as its documentation says ("Rate Limiting")."""


TRAKT_WRITES = Limit(1, timedelta(seconds=1))
"""POST, PUT and DELETE of one user; same place."""


def _artwork(parts: ArtworkParts) -> TraktSource | None:
    titles = parts.metadata.trakt_titles
    return TraktSource(client.Trakt(parts.provider), titles, parts.records) if titles else None


SPEC = ProviderSpec(
    name=TraktSource.name,
    title="Trakt",
    settings=client.TraktSettings,
    required=("client_id",),
    address=client.trakt_address,
    limits=(TRAKT_LIMIT,),
    writes=TRAKT_WRITES,
    artwork=_artwork,
    probe="movies/the-matrix-1999",
)
