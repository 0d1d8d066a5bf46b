"""Integrity: whether what is stored is still what was stored; what is not, the fetchers heal."""

from services.enricher.integrity.scrub import Scrub

__all__ = ["Scrub"]
