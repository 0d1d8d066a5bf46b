"""Trakt (https://docs.trakt.tv), as far as it is asked here: what a title is, by any of its ids."""

from services.enricher.providers.trakt.client import TRAKT_LIMIT, Trakt, trakt_address
from services.enricher.providers.trakt.models import TraktIds, TraktImages, TraktTitle

__all__ = ["TRAKT_LIMIT", "Trakt", "TraktIds", "TraktImages", "TraktTitle", "trakt_address"]
