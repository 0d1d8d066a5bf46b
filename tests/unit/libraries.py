"""A library whose scans run."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.enricher.database.database import Database
from services.enricher.library import Library, LibrarySettings, library_with_scans
from services.enricher.library.scan.places import KIND, Scans
from services.enricher.tasks.tasks import Tasks
from shared.background import Background
from shared.telemetry import Metrics


@dataclass(frozen=True)
class ScannedLibrary:
    library: Library
    scans: Scans
    tasks: Tasks


@asynccontextmanager
async def scanned_library(
    database: Database, settings: LibrarySettings, *, on_written: Callable[[], None] = lambda: None
) -> AsyncIterator[ScannedLibrary]:
    library, scan, places = library_with_scans(database, settings, on_written=on_written)
    async with Tasks.running(database, {KIND: scan}, background=Background(Metrics())) as tasks:
        yield ScannedLibrary(library, Scans(tasks, places), tasks)
