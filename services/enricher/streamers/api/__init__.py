"""The streamer library's endpoints."""

from services.enricher.streamers.api.images import ImagesApi
from services.enricher.streamers.api.shelf import ShelfApi
from services.enricher.streamers.api.upkeep import Counted, UpkeepApi

__all__ = ["Counted", "ImagesApi", "ShelfApi", "UpkeepApi"]
