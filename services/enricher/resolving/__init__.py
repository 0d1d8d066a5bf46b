"""Resolving: which picture a name shows, where an evicted picture comes from, and pins.

Jobs come in the lanes `resolve.now` and `resolve.later`; what they lead to is the fetcher's, in the lanes of pictures.
What was found is kept in the table `artwork`, and looked for again when it is due.
"""

from services.enricher.resolving.known import Known, Shown, Stored
from services.enricher.resolving.opening import OpenResolving, open_resolving
from services.enricher.resolving.settings import ResolvingSettings

__all__ = [
    "Known",
    "OpenResolving",
    "ResolvingSettings",
    "Shown",
    "Stored",
    "open_resolving",
]
