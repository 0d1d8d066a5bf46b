"""The streamer library's endpoints."""

from services.enricher.streamers.api.images import ImagesApi
from services.enricher.streamers.api.shelf import ShelfApi

__all__ = ["ImagesApi", "ShelfApi"]
