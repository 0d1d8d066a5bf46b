"""Pages as bytes: kept ones as they are, others made."""

import time
from collections.abc import Callable, Hashable, Mapping

from services.enricher.library import Page, Selection, Window
from services.enricher.pages.enrichment import Enriched, Enrichment
from services.enricher.pages.kept import KeptPages
from services.enricher.pages.listings import Listings
from services.enricher.pages.models import Counted, EnrichedList, EnrichedPage
from services.enricher.providers import Condition, ProviderStatus
from shared.http import Rendered

KEPT_S = 60.0
"""How long a page may be behind what a cache would say by now."""

Making = Callable[[Page, Enriched, Mapping[str, Condition]], Counted]


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

    async def page(self, selection: Selection, number: int, limit: int) -> Rendered:
        """`number` counts from 1. Raise DatabaseUnavailable."""

        def made(page: Page, enriched: Enriched, providers: Mapping[str, Condition]) -> Counted:
            return EnrichedPage(
                items=tuple(enriched.items),
                total=page.total,
                page=number,
                limit=limit,
                total_pages=page.pages,
                providers=dict(providers),
            )

        return await self._answer(selection, Window.of_page(number, limit), "page", made)

    async def list(self, selection: Selection, window: Window) -> Rendered:
        """Raise DatabaseUnavailable."""

        def made(page: Page, enriched: Enriched, providers: Mapping[str, Condition]) -> Counted:
            return EnrichedList(
                items=tuple(enriched.items),
                total=page.total,
                limit=window.limit,
                offset=window.offset,
                providers=dict(providers),
            )

        return await self._answer(selection, window, "list", made)

    async def _answer(self, selection: Selection, window: Window, form: str, made: Making) -> Rendered:
        key: Hashable = (selection, window, form)
        return self._kept.get(key) or await self._make(key, selection, window, made)

    async def _make(self, key: Hashable, selection: Selection, window: Window, made: Making) -> Rendered:
        begun_s = time.monotonic()
        page = await self._listings.page(selection, window)
        enriched = await self._enrichment.of(page.items)
        conditions = {name: status.condition for name, status in self._providers().items()}
        answer = Rendered.of(made(page, enriched, conditions).model_dump_json().encode())
        if enriched.complete:
            until_s = time.monotonic() + KEPT_S
            self._kept.keep(key, answer, enriched.pictures, begun_s=begun_s, until_s=until_s)
        return answer
