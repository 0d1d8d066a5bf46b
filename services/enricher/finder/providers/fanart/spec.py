"""fanart.tv: all that there is to know of it as a provider."""

from datetime import timedelta

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.fanart import client
from services.enricher.finder.providers.fanart.artwork import FanartSource
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.spending import Limit

FANART_LIMIT = Limit(10, timedelta(seconds=1))
"""None is documented: a quarter of what TMDB allows."""


def _artwork(parts: ArtworkParts) -> FanartSource:
    return FanartSource(client.Fanart(parts.provider), parts.records)


SPEC = ProviderSpec(
    name=FanartSource.name,
    title="fanart.tv",
    settings=client.FanartSettings,
    required=("api_key",),
    address=client.fanart_address,
    limits=(FANART_LIMIT,),
    artwork=_artwork,
    probe="movies/603",
)
