"""The finder: who has what, who may be asked, and which picture is chosen."""

from services.enricher.finder.finder import Finder, FinderSettings, open_finder

__all__ = ["Finder", "FinderSettings", "open_finder"]
