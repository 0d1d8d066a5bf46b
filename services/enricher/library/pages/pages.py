"""Pages of the library, kept as bytes until something in them changes."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence

from cachetools import LRUCache

from services.enricher.finder.providers import Condition, ProviderStatus
from services.enricher.library.item import Page, Selection, Window
from services.enricher.library.library import Library
from services.enricher.library.pages.enrichment import (
    CountedItems,
    EnrichedList,
    EnrichedPage,
    Enrichment,
)
from services.enricher.library.pages.kept import KeptPages
from shared.http import RenderedBody

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


Making = Callable[[Page, Mapping[str, Condition]], CountedItems]
"""What a page says beside its items."""


class Pages:
    def __init__(
        self,
        listings: Listings,
        enrichment: Enrichment,
        *,
        kept: KeptPages[RenderedBody],
        providers: Callable[[], Mapping[str, ProviderStatus]],
    ) -> None:
        self._listings = listings
        self._enrichment = enrichment
        self._kept = kept
        self._providers = providers

    async def page(self, selection: Selection, number: int, limit: int) -> RenderedBody:
        """`number` counts from 1. Raise DatabaseUnavailable."""

        def made(page: Page, providers: Mapping[str, Condition]) -> CountedItems:
            return EnrichedPage(
                items=(),
                total=page.total,
                page=number,
                limit=limit,
                total_pages=page.pages,
                providers=dict(providers),
            )

        return await self._answer(selection, Window.of_page(number, limit), "page", made)

    async def list(self, selection: Selection, window: Window) -> RenderedBody:
        """Raise DatabaseUnavailable."""

        def made(page: Page, providers: Mapping[str, Condition]) -> CountedItems:
            return EnrichedList(
                items=(),
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
        answer = RenderedBody.of(_with_items(made(page, conditions), [one.body for one in enriched.items]))
        if enriched.complete:
            self._kept.keep(key, answer, enriched.pictures, begun_s=begun_s, until_s=enriched.until_s)
        return answer


_NO_ITEMS = b'{"items":[]'


def _with_items(beside: CountedItems, bodies: Sequence[bytes]) -> bytes:
    """As if it had them: the JSON of each is put where they belong."""
    rest = beside.model_dump_json().encode()
    assert rest.startswith(_NO_ITEMS)
    return b'{"items":[' + b",".join(bodies) + rest[len(_NO_ITEMS) - 1 :]
