"""Pages: the library's items with what the providers say of them and the pictures to show beside them."""

from services.enricher.pages.enrichment import Enrichment
from services.enricher.pages.kept import KeptPages
from services.enricher.pages.listings import Listings
from services.enricher.pages.models import EnrichedItem, EnrichedList, EnrichedPage, TitleMetadata
from services.enricher.pages.pages import Pages
from services.enricher.pages.posters import Posters

__all__ = [
    "EnrichedItem",
    "EnrichedList",
    "EnrichedPage",
    "Enrichment",
    "KeptPages",
    "Listings",
    "Pages",
    "Posters",
    "TitleMetadata",
]
