"""Listings: windows of the library as they were read, for as long as nothing is written to it."""

from cachetools import LRUCache

from services.enricher.library import Library, Page, Selection, Window

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
