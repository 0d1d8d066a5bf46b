"""fanart.tv, version 3 (https://fanarttv.docs.apiary.io): pictures of movies and series, and nothing else."""

from services.enricher.finder.providers.fanart.client import (
    FANART_LIMIT,
    Fanart,
    FanartSettings,
    fanart_address,
)
from services.enricher.finder.providers.fanart.models import FanartMovie, FanartPicture, FanartSeries

__all__ = [
    "FANART_LIMIT",
    "Fanart",
    "FanartMovie",
    "FanartPicture",
    "FanartSeries",
    "FanartSettings",
    "fanart_address",
]
