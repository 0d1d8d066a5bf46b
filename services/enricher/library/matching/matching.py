"""Searching for titles without ids, one after the other, in the background."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import product
from typing import Self

import structlog

from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.finder.metadata import Found, Metadata, NotFound
from services.enricher.finder.providers.opening import Providers
from services.enricher.finder.providers.trakt.client import Trakt
from services.enricher.finder.providers.tvdb.client import Tvdb
from services.enricher.library.item import Item, ItemIds, MediaType
from services.enricher.library.library import Library
from services.enricher.library.matching import searching
from services.enricher.library.matching.table import MatchCandidate, Unmatched, UnmatchedTable, clearly_right
from shared.background import Background
from shared.telemetry import utc_now

WAITING_LIMIT = 5_000
"""Titles that wait to be searched for; the others come with their next page."""

KEPT_LIMIT = 100_000
PATIENCE = timedelta(seconds=20)
AGAIN = timedelta(days=7)
"""After a search in vain: providers learn of titles."""

AGAIN_AFTER_FAILURE = timedelta(minutes=2)

_log = structlog.get_logger()


class MatchState(Enum):
    """LOOKING: it may have ids a moment later. UNMATCHED: an operator may choose."""

    NONE = auto()
    LOOKING = auto()
    UNMATCHED = auto()


class Matching:
    """Without any provider to search at, nothing is looked for."""

    def __init__(
        self,
        library: Library,
        table: UnmatchedTable,
        searches: Callable[[MediaType], Sequence[searching.Search]],
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._library = library
        self._table = table
        self._searches = searches
        self._now = now
        self._waiting: dict[int, Item] = {}
        self._came = asyncio.Event()
        self._states: dict[int, tuple[MatchState, datetime]] = {}
        """With the moment from which it may be looked for again."""

    @asynccontextmanager
    async def open(self, background: Background) -> AsyncIterator[Self]:
        async with background.repeating(
            "matching titles", self._match_waiting, every_s=None, wake=self._came
        ):
            yield self

    def soon(self, items: Iterable[Item]) -> None:
        """Search for those of them that have no ids and were not searched for of late."""
        for item in items:
            if self._is_due(item) and len(self._waiting) < WAITING_LIMIT:
                self._waiting.setdefault(item.id, item)
                self._came.set()

    def state_of(self, item: Item) -> MatchState:
        if item.id in self._waiting:
            return MatchState.LOOKING
        return (
            self._states.get(item.id, (MatchState.NONE, self._now()))[0]
            if not _has_ids(item)
            else MatchState.NONE
        )

    async def unmatched(self, limit: int, offset: int) -> tuple[int, Sequence[Unmatched]]:
        """How many there are, and some of them."""
        return await self._table.page(limit, offset)

    async def choose(self, item_id: int, ids: ItemIds) -> Item | None:
        """The item with the ids that an operator chose; None where there is none."""
        if await self._library.item(item_id) is None:
            return None
        self._waiting.pop(item_id, None)
        await self._library.identify({item_id: ids})
        await self._table.forget(item_id)
        self._states.pop(item_id, None)
        return await self._library.item(item_id)

    def _is_due(self, item: Item) -> bool:
        if _has_ids(item) or not item.title.strip() or not self._searches(item.media_type):
            return False
        return self._states.get(item.id, (MatchState.NONE, self._now()))[1] <= self._now()

    async def _match_waiting(self) -> None:
        while self._waiting:
            item = next(iter(self._waiting.values()))
            try:
                await self._match(item)
            except DatabaseUnavailable as error:
                self._settle(item, MatchState.NONE, AGAIN_AFTER_FAILURE)
                _log.warning("title not matched", item=item.id, error=str(error))
            except Exception:
                self._settle(item, MatchState.NONE, AGAIN_AFTER_FAILURE)  # else it would come first again
                raise
            finally:
                self._waiting.pop(item.id, None)

    async def _match(self, item: Item) -> None:
        looked_at = await self._table.looked_at(item.id)
        if looked_at is not None and self._now() < looked_at + AGAIN:
            self._settle(item, MatchState.UNMATCHED, looked_at + AGAIN - self._now())
            return
        candidates: list[MatchCandidate] = []
        answered = True
        for search, sought in product(self._searches(item.media_type), searching.readings(item)):
            outcome = await search.find(sought, self._now() + PATIENCE)
            answered &= isinstance(outcome, Found | NotFound)
            if isinstance(outcome, Found):
                right = clearly_right(outcome.value.candidates, sought.title, sought.year)
                if right is not None:
                    known = await self._library.item(item.id)
                    if known is None or _has_ids(known):
                        return  # an operator chose meanwhile, or a scan found ids
                    await self._library.identify({item.id: right.ids})
                    await self._table.forget(item.id)
                    self._states.pop(item.id, None)
                    return
                candidates += outcome.value.candidates
        if answered:
            await self._table.note(item.id, candidates)
        self._settle(item, MatchState.UNMATCHED, AGAIN if answered else AGAIN_AFTER_FAILURE)

    def _settle(self, item: Item, state: MatchState, wait: timedelta) -> None:
        if len(self._states) >= KEPT_LIMIT:
            self._states.pop(next(iter(self._states)))
        self._states[item.id] = (state, self._now() + wait)


def _has_ids(item: Item) -> bool:
    return bool(item.imdb_id or item.tmdb_id or item.tvdb_id)


ORDER = ("tmdb", "tvdb", "trakt")


@asynccontextmanager
async def open_matching(
    library: Library,
    database: Database,
    metadata: Metadata,
    providers: Providers,
    *,
    background: Background,
    order: Callable[[MediaType], Sequence[str]] = lambda _kind: (),
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Matching]:
    """`order`: in which providers are asked, where the operator says so; those it leaves out come last."""
    searches: dict[str, searching.Search] = {}
    if providers.get("tmdb"):
        searches["tmdb"] = searching.TmdbSearch(metadata.tmdb)
    if tvdb := providers.get("tvdb"):
        searches["tvdb"] = searching.TvdbSearch(Tvdb(tvdb))
    if trakt := providers.get("trakt"):
        searches["trakt"] = searching.TraktSearch(Trakt(trakt))

    def in_order(kind: MediaType) -> Sequence[searching.Search]:
        names = dict.fromkeys((*order(kind), *ORDER))
        return [searches[name] for name in names if name in searches]

    matching = Matching(library, UnmatchedTable(database, now=now), in_order, now=now)
    async with matching.open(background):
        yield matching
