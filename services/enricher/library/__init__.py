"""The library: which titles there are, each once, however many files, folders and lists it was found in.

    library = Library(database)
    item = await library.add(Entry("Dune", MediaType.MOVIE, year=2021, ids=Ids(imdb="tt1160419")))
    page = await library.page(Selection(media_type=MediaType.MOVIE), Window.of_page(3, 50))

Titles, years, ids, places and picture URLs are kept; what providers say of a title never is.
"""

from services.enricher.library.item import Entry, Ids, Item, MediaType, Page, Selection, Window
from services.enricher.library.library import Library

__all__ = ["Entry", "Ids", "Item", "Library", "MediaType", "Page", "Selection", "Window"]
