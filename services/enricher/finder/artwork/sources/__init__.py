"""Sources: each provider's pictures of subjects, and ids, through the caches before it."""

from services.enricher.finder.artwork.sources.source import Asking, Dictionary, Source

__all__ = ["Asking", "Dictionary", "Source"]
