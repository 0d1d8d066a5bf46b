"""TVDB: all that there is to know of it as a provider."""

from datetime import timedelta

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.spending import Limit
from services.enricher.finder.providers.tvdb.artwork import TvdbSource
from services.enricher.finder.providers.tvdb.client import Tvdb, TvdbSettings, tvdb_address

TVDB_LIMIT = Limit(40, timedelta(seconds=1))
"""None is documented: what TMDB allows."""


def _artwork(parts: ArtworkParts) -> TvdbSource:
    return TvdbSource(Tvdb(parts.provider), parts.records, now=parts.now)


SPEC = ProviderSpec(
    name=TvdbSource.name,
    title="TVDB",
    settings=TvdbSettings,
    required=("api_key",),
    address=tvdb_address,
    limits=(TVDB_LIMIT,),
    artwork=_artwork,
    probe="languages",
)
