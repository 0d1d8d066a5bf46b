"""The library: which titles there are, each once, however many files, folders and lists it was found in; with pages of them.

    library = Library(database)
    item = await library.add(LibraryEntry("Dune", MediaType.MOVIE, year=2021, ids=ItemIds(imdb="tt1160419")))
    page = await library.page(Selection(media_type=MediaType.MOVIE), Window.of_page(3, 50))

With scans, which are tasks:

    library, scan, places = library_with_scans(database, LibrarySettings())
    async with Tasks.running(database, {"scan": scan}) as tasks:
        task = await Scans(tasks, places).start("/media")

Titles, years, ids, places and picture URLs are kept; what providers say of a title never is.
"""

from services.enricher.library.item import Item, ItemIds, LibraryEntry, MediaType, Page, Selection, Window
from services.enricher.library.library import Library
from services.enricher.library.opening import LibrarySettings, LibraryWing, library_with_scans, open_library
from services.enricher.library.scan.places import ScanRefused

__all__ = [
    "Item",
    "ItemIds",
    "Library",
    "LibraryEntry",
    "LibrarySettings",
    "LibraryWing",
    "MediaType",
    "Page",
    "ScanRefused",
    "Selection",
    "Window",
    "library_with_scans",
    "open_library",
]
