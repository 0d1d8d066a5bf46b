"""Metadata of titles, in caches before Trakt and TMDB.

    async with open_providers(provider_settings, database=database, metrics=metrics) as providers:
        async with open_metadata(settings, providers, database=database) as metadata: …
        outcomes = await metadata.titles.lookup([TitleKey.parse(TitleKind.MOVIE, "tt0133093")])
        credits = await metadata.tmdb.get(resources.title_credits(TitleKind.MOVIE, 603))
        metadata.providers["trakt"]          # a ProviderStatus: how it is, in a word and a sentence

`lookup` and `get` never raise for what providers do. After `within` at most (the setting PAGE_DEADLINE, where it
is not given) each thing has an outcome: `Found` (perhaps `stale`), `NotFound`, `Pending` or `Unavailable`.
Whatever comes later is there for the next one who asks. Background work passes `urgency=Urgency.LATER`.

Trakt's text is in memory only. What TMDB says is also in the table `tmdb_cache`, so that a restart asks nothing
again. `providers.tmdb.resources` has what TMDB can be asked for; `finder.api.tmdb` hands it out, with our URLs of its
pictures beside their paths.
"""

from services.enricher.finder.metadata.opening import Metadata, MetadataSettings, open_metadata
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable
from services.enricher.finder.metadata.titles import Title, TitleKey
from services.enricher.finder.providers import ProviderSettings, Urgency
from services.enricher.finder.providers.models import TitleKind

__all__ = [
    "Found",
    "Metadata",
    "MetadataSettings",
    "NotFound",
    "Outcome",
    "Pending",
    "ProviderSettings",
    "Title",
    "TitleKey",
    "TitleKind",
    "Unavailable",
    "Urgency",
    "open_metadata",
]
