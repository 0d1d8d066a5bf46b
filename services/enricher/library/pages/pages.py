"""Pages of the library, kept as bytes until something in them changes."""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

from cachetools import LRUCache, TTLCache

from services.enricher.finder.providers import Condition, ProviderStatus
from services.enricher.library.item import Page, Selection, Window
from services.enricher.library.library import Library
from services.enricher.library.pages.enrichment import (
    CountedItems,
    Enriched,
    EnrichedList,
    EnrichedPage,
    Enrichment,
)
from shared.http import RenderedBody
from shared.pictures import PictureId

MAX_BYTES = 32 * 1024 * 1024
MADE_WITHIN_S = 60.0
"""Longer than a page takes to make: so long it is remembered which pictures changed meanwhile."""

CHANGES_REMEMBERED = 20_000

PAGE_BYTES, PICTURE_BYTES = 1000, 500
"""Memory of a page, and of each picture on it, beside its own bytes (measured)."""


@dataclass(frozen=True, slots=True)
class _Kept:
    rendered: RenderedBody
    pictures: frozenset[PictureId]
    until_s: float

    @property
    def size(self) -> int:
        return len(self.rendered.body) + PAGE_BYTES + PICTURE_BYTES * len(self.pictures)


class KeptPages:
    def __init__(self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._pages: LRUCache[Hashable, _Kept] = _Bounded(self._left_out, max_bytes)
        self._showing: defaultdict[PictureId, set[Hashable]] = defaultdict(set)
        self._changed: TTLCache[PictureId, float] = TTLCache(
            CHANGES_REMEMBERED, ttl=MADE_WITHIN_S, timer=clock
        )
        self._all_changed = clock()
        self._clock = clock

    def get(self, key: Hashable) -> RenderedBody | None:
        kept = self._pages.get(key)
        if kept is None:
            return None
        if kept.until_s <= self._clock():
            del self._pages[key]
            return None
        return kept.rendered

    def keep(
        self,
        key: Hashable,
        rendered: RenderedBody,
        pictures: Iterable[PictureId],
        *,
        begun_s: float,
        until_s: float,
    ) -> None:
        """Unless something in it has changed since it was begun: then it is answered once, and made again."""
        shown = frozenset(pictures)
        if begun_s <= self._all_changed or any(begun_s <= self._changed.get(p, begun_s - 1) for p in shown):
            return
        self._pages.pop(key, None)
        kept = _Kept(rendered, shown, until_s)
        if kept.size > self._pages.maxsize:
            return
        self._pages[key] = kept
        for picture in shown:
            self._showing[picture].add(key)

    def forget(self, picture: PictureId) -> None:
        """Something happened to the picture."""
        self._changed[picture] = self._clock()
        for key in tuple(self._showing.get(picture, ())):
            del self._pages[key]

    def clear(self) -> None:
        """The library changed, or what is known of its titles."""
        self._all_changed = self._clock()
        self._pages.clear()
        self._showing.clear()

    def _left_out(self, key: Hashable, kept: _Kept) -> None:
        for picture in kept.pictures:
            keys = self._showing[picture]
            keys.discard(key)
            if not keys:
                del self._showing[picture]


class _Bounded(LRUCache[Hashable, _Kept]):
    """By the memory of its pages. Says which page leaves it, for whatever reason."""

    def __init__(self, on_leaving: Callable[[Hashable, _Kept], None], max_bytes: int) -> None:
        super().__init__(max_bytes, getsizeof=lambda kept: kept.size)
        self._on_leaving = on_leaving

    def __delitem__(self, key: Hashable) -> None:
        kept = self[key]
        super().__delitem__(key)
        self._on_leaving(key, kept)


AT_MOST = 200


class Listings:
    """Only this process writes the library, so it knows when what it has read is over."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._read: LRUCache[tuple[Selection, Window], Page] = LRUCache(AT_MOST)
        self._writes = 0

    async def page(self, selection: Selection, window: Window) -> Page:
        """Raise DatabaseUnavailable."""
        key = selection, window
        page = self._read.get(key)
        if page is None:
            writes = self._writes
            page = await self._library.page(selection, window)
            if writes == self._writes:
                self._read[key] = page
        return page

    def forget(self) -> None:
        """Something was written."""
        self._writes += 1
        self._read.clear()


KEPT_S = 60.0
"""How long a page may be behind what a cache would say by now."""

Making = Callable[[Page, Enriched, Mapping[str, Condition]], CountedItems]


class Pages:
    def __init__(
        self,
        listings: Listings,
        enrichment: Enrichment,
        *,
        kept: KeptPages,
        providers: Callable[[], Mapping[str, ProviderStatus]],
    ) -> None:
        self._listings = listings
        self._enrichment = enrichment
        self._kept = kept
        self._providers = providers

    async def page(self, selection: Selection, number: int, limit: int) -> RenderedBody:
        """`number` counts from 1. Raise DatabaseUnavailable."""

        def made(page: Page, enriched: Enriched, providers: Mapping[str, Condition]) -> CountedItems:
            return EnrichedPage(
                items=tuple(enriched.items),
                total=page.total,
                page=number,
                limit=limit,
                total_pages=page.pages,
                providers=dict(providers),
            )

        return await self._answer(selection, Window.of_page(number, limit), "page", made)

    async def list(self, selection: Selection, window: Window) -> RenderedBody:
        """Raise DatabaseUnavailable."""

        def made(page: Page, enriched: Enriched, providers: Mapping[str, Condition]) -> CountedItems:
            return EnrichedList(
                items=tuple(enriched.items),
                total=page.total,
                limit=window.limit,
                offset=window.offset,
                providers=dict(providers),
            )

        return await self._answer(selection, window, "list", made)

    async def _answer(self, selection: Selection, window: Window, form: str, made: Making) -> RenderedBody:
        key: Hashable = (selection, window, form)
        return self._kept.get(key) or await self._make(key, selection, window, made)

    async def _make(self, key: Hashable, selection: Selection, window: Window, made: Making) -> RenderedBody:
        begun_s = time.monotonic()
        page = await self._listings.page(selection, window)
        enriched = await self._enrichment.of(page.items)
        conditions = {name: status.condition for name, status in self._providers().items()}
        answer = RenderedBody.of(made(page, enriched, conditions).model_dump_json().encode())
        if enriched.complete:
            until_s = time.monotonic() + KEPT_S
            self._kept.keep(key, answer, enriched.pictures, begun_s=begun_s, until_s=until_s)
        return answer
