"""Hardcover: all that there is to know of it as a provider."""

from datetime import timedelta

from services.enricher.finder.artwork.source import ArtworkParts
from services.enricher.finder.providers.hardcover import client
from services.enricher.finder.providers.hardcover.artwork import HardcoverSource
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.spending import Limit
from shared.pictures import Kind

HARDCOVER_LIMITS = (Limit(60, timedelta(minutes=1)), Limit(5000, timedelta(days=1)))


def _artwork(parts: ArtworkParts) -> HardcoverSource:
    return HardcoverSource(client.Hardcover(parts.provider), parts.records)


SPEC = ProviderSpec(
    name=HardcoverSource.name,
    title="Hardcover",
    settings=client.HardcoverSettings,
    required=("api_key",),
    address=client.hardcover_address,
    limits=HARDCOVER_LIMITS,
    artwork=_artwork,
    of=frozenset({Kind.BOOK, Kind.CHARACTER}),
)
