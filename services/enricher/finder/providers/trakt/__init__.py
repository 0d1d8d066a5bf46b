"""Trakt (https://docs.trakt.tv), as far as it is asked here: what a title is, by any of its ids, and pictures."""

from services.enricher.finder.providers.trakt.client import (
    TRAKT_LIMIT,
    TRAKT_WRITES,
    Elsewhere,
    Trakt,
    TraktSettings,
    trakt_address,
)
from services.enricher.finder.providers.trakt.models import (
    TraktEpisode,
    TraktIds,
    TraktImages,
    TraktPerson,
    TraktSeasons,
    TraktTitle,
)

__all__ = [
    "TRAKT_LIMIT",
    "TRAKT_WRITES",
    "Elsewhere",
    "Trakt",
    "TraktEpisode",
    "TraktIds",
    "TraktImages",
    "TraktPerson",
    "TraktSeasons",
    "TraktSettings",
    "TraktTitle",
    "trakt_address",
]
