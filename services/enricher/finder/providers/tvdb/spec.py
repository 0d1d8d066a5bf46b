"""TVDB: all that there is to know of it as a provider."""

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.tvdb.artwork import TvdbSource
from services.enricher.finder.providers.tvdb.client import TVDB_LIMIT, Tvdb, TvdbSettings, tvdb_address


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
)
