"""TVDB, version 4 (https://thetvdb.github.io/v4-api): records with their artwork, by its own ids and others'."""

from services.enricher.finder.providers.tvdb.client import TVDB_LIMIT, Tvdb, TvdbSettings, tvdb_address
from services.enricher.finder.providers.tvdb.models import (
    TvdbArtwork,
    TvdbEntity,
    TvdbEpisode,
    TvdbFound,
    TvdbMerges,
    TvdbPerson,
    TvdbSeason,
    TvdbTitle,
)

__all__ = [
    "TVDB_LIMIT",
    "Tvdb",
    "TvdbArtwork",
    "TvdbEntity",
    "TvdbEpisode",
    "TvdbFound",
    "TvdbMerges",
    "TvdbPerson",
    "TvdbSeason",
    "TvdbSettings",
    "TvdbTitle",
    "tvdb_address",
]
