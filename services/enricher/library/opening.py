"""The library with its scans and tasks, composed."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from services.enricher.database import Database
from services.enricher.library.library import Library
from services.enricher.library.scan import KIND, Places, Scan, Scans
from services.enricher.library.settings import LibrarySettings
from services.enricher.tasks import Tasks, Work

NOTHING_ELSE: Mapping[str, Work] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OpenLibrary:
    library: Library
    scans: Scans
    tasks: Tasks


@asynccontextmanager
async def open_library(
    database: Database,
    settings: LibrarySettings,
    *,
    works: Mapping[str, Work] = NOTHING_ELSE,
    on_written: Callable[[], None] = lambda: None,
) -> AsyncIterator[OpenLibrary]:
    """Tasks run while the context lasts: scans, and those of the kinds in `works`.

    `on_written` hears of each write to the library, by whomever, and not of what tasks write of themselves.
    """
    places = Places(settings.roots)
    watched = database.watched(on_written)
    async with Tasks.running(database, {KIND: Scan(watched, places), **works}) as tasks:
        yield OpenLibrary(Library(watched), Scans(tasks, places), tasks)
