"""fanart.tv: all that there is to know of it as a provider."""

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.fanart.artwork import FanartSource
from services.enricher.finder.providers.fanart.client import (
    FANART_LIMIT,
    Fanart,
    FanartSettings,
    fanart_address,
)
from services.enricher.finder.providers.registry import ProviderSpec


def _artwork(parts: ArtworkParts) -> FanartSource:
    return FanartSource(Fanart(parts.provider), parts.records)


SPEC = ProviderSpec(
    name=FanartSource.name,
    title="fanart.tv",
    settings=FanartSettings,
    required=("api_key",),
    address=fanart_address,
    limits=(FANART_LIMIT,),
    artwork=_artwork,
)
