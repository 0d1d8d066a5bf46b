"""Matching, composed: a search at each provider that has a key."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from services.enricher.database import Database
from services.enricher.finder.metadata import Metadata
from services.enricher.finder.providers.opening import Providers
from services.enricher.finder.providers.trakt import Trakt
from services.enricher.finder.providers.tvdb import Tvdb
from services.enricher.library.item import MediaType
from services.enricher.library.library import Library
from services.enricher.library.matching.matching import Matching
from services.enricher.library.matching.searching import Search, TmdbSearch, TraktSearch, TvdbSearch
from services.enricher.library.matching.table import UnmatchedTable
from shared.telemetry import utc_now

ORDER = ("tmdb", "tvdb", "trakt")


@asynccontextmanager
async def open_matching(
    library: Library,
    database: Database,
    metadata: Metadata,
    providers: Providers,
    *,
    order: Callable[[MediaType], Sequence[str]] = lambda _kind: (),
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Matching]:
    """`order`: in which providers are asked, where the operator says so; those it leaves out come last."""
    searches: dict[str, Search] = {}
    if providers.get("tmdb"):
        searches["tmdb"] = TmdbSearch(metadata.tmdb)
    if tvdb := providers.get("tvdb"):
        searches["tvdb"] = TvdbSearch(Tvdb(tvdb))
    if trakt := providers.get("trakt"):
        searches["trakt"] = TraktSearch(Trakt(trakt))

    def in_order(kind: MediaType) -> Sequence[Search]:
        names = dict.fromkeys((*order(kind), *ORDER))
        return [searches[name] for name in names if name in searches]

    async with Matching(library, UnmatchedTable(database, now=now), in_order, now=now).open() as matching:
        yield matching
