"""The library with its scans, composed."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from services.enricher.database import Database
from services.enricher.library.library import Library
from services.enricher.library.scan import Places, Scan, Scans
from services.enricher.tasks import Tasks
from shared.settings import CommaList, Settings


class LibrarySettings(Settings):
    roots: CommaList = Field((), validation_alias="LIBRARY_ROOTS")
    """The folders that may be scanned, with all below them."""


@dataclass(frozen=True, slots=True)
class OpenLibrary:
    """`scan` is the work of tasks of the kind `scan`."""

    library: Library
    scan: Scan
    places: Places

    def scans(self, tasks: Tasks) -> Scans:
        return Scans(tasks, self.places)


def open_library(
    database: Database, settings: LibrarySettings, *, on_written: Callable[[], None] = lambda: None
) -> OpenLibrary:
    """`on_written` hears of each write to the library, by whomever, and not of what tasks write of themselves."""
    watched, places = database.watched(on_written), Places(settings.roots)
    return OpenLibrary(Library(watched), Scan(watched, places), places)
