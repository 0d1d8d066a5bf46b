"""A library whose scans run."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.enricher.database import Database
from services.enricher.library import Library, LibrarySettings, open_library
from services.enricher.library.scan import KIND, Scans
from services.enricher.tasks import Tasks
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
    opened = open_library(database, settings, on_written=on_written)
    async with Tasks.running(database, {KIND: opened.scan}, background=Background(Metrics())) as tasks:
        yield ScannedLibrary(opened.library, opened.scans(tasks), tasks)
