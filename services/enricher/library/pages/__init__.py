"""Pages: the library's items with what the providers say of them and the pictures to show beside them."""

from services.enricher.library.pages.enrichment import (
    EnrichedItem,
    EnrichedList,
    EnrichedPage,
    Enrichment,
    Posters,
    TitleMetadata,
)
from services.enricher.library.pages.pages import KeptPages, Listings, Pages

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
