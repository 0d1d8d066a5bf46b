"""Posters that pages have found, into the library: beside the answer, which a busy or full disk must not hold up."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self

import structlog

from services.enricher.database import DatabaseUnavailable
from services.enricher.library import Library

_log = structlog.get_logger()


class Posters:
    """Writes are gathered: whatever comes while the last ones are written is the next transaction."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._coming: dict[int, str] = {}
        self._writing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Leaving it waits for what is being written."""
        try:
            yield self
        finally:
            if self._writing:
                await self._writing

    def store(self, poster_urls: Mapping[int, str]) -> None:
        """Soon: the bare poster URL of each item. What cannot be written is found again by the next page."""
        self._coming |= poster_urls
        if self._coming and self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="storing posters")

    async def _write(self) -> None:
        try:
            while self._coming:
                found, self._coming = self._coming, {}
                await self._library.store_posters(found)
        except DatabaseUnavailable as error:
            _log.warning("posters not stored", error=str(error))
        finally:
            self._writing = None
