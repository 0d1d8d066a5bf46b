"""TMDB: all that there is to know of it as a provider."""

from services.enricher.finder.artwork.choice import ORIGINAL
from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.tmdb.artwork import TmdbSource
from services.enricher.finder.providers.tmdb.resources import TMDB_LIMIT, TmdbSettings, tmdb_address


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
)
