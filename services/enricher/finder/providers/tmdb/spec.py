"""TMDB: all that there is to know of it as a provider."""

from datetime import timedelta

from services.enricher.finder.artwork.choice import ORIGINAL
from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.spending import Limit
from services.enricher.finder.providers.tmdb.artwork import TmdbSource
from services.enricher.finder.providers.tmdb.resources import TmdbSettings, tmdb_address

TMDB_LIMIT = Limit(40, timedelta(seconds=1))
"""Its documentation ("Rate Limiting") speaks of about 40 requests per second."""


def _artwork(parts: ArtworkParts) -> TmdbSource:
    image_url = parts.settings.of(TmdbSettings).image_url
    languages = () if ORIGINAL in parts.languages else parts.languages
    return TmdbSource(parts.metadata.tmdb, image_url=image_url, languages=languages)


SPEC = ProviderSpec(
    name=TmdbSource.name,
    title="TMDB",
    settings=TmdbSettings,
    required=("api_key",),
    address=tmdb_address,
    limits=(TMDB_LIMIT,),
    artwork=_artwork,
    probe="configuration",
)
