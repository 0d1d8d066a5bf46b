"""The library's front door: titles, scans, pages and syncing, composed."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from pydantic import Field

from services.enricher.api.endpoint import Endpoint
from services.enricher.database.database import Database
from services.enricher.finder import Finder
from services.enricher.library import api
from services.enricher.library.library import Library
from services.enricher.library.matching.matching import Matching, open_matching
from services.enricher.library.pages.enrichment import ITEMS_BYTES, Enrichment, MadeItem, Posters
from services.enricher.library.pages.kept import KeptPages
from services.enricher.library.pages.pages import Listings, Pages
from services.enricher.library.scan.scan import Places, Scan, Scans
from services.enricher.library.sync import Syncing, sync_works
from services.enricher.pictures.prefetch import Prefetch
from services.enricher.pictures.shown import PictureUrls, ShownPictures
from services.enricher.tasks.tasks import Tasks, Work
from shared.background import Background
from shared.contracts import Envelope, changed_pictures, removed_pictures
from shared.http import RenderedBody
from shared.pictures import HostRules
from shared.pictures.public_paths import PublicPaths
from shared.queue import Queue
from shared.settings import CommaList, Settings
from shared.volume import KeeperVolume, Pictures


class LibrarySettings(Settings):
    roots: CommaList = Field((), validation_alias="LIBRARY_ROOTS")
    """The folders that may be scanned, with all below them."""


@dataclass(frozen=True, slots=True)
class LibraryWing:
    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    _library: Library
    _places: Places
    _pages: Pages
    _enrichment: Enrichment
    _kept: KeptPages[RenderedBody]
    _matching: Matching
    _finder: Finder

    def endpoints(
        self, tasks: Tasks, urls: PictureUrls, rules: HostRules, paths: PublicPaths, pictures: Pictures
    ) -> list[Endpoint]:
        scans = Scans(tasks, self._places)
        return [
            *api.item_endpoints(self._pages, self._enrichment, self._finder.metadata, self._kept),
            *api.library_endpoints(self._library, scans, self._enrichment),
            *api.unmatched_endpoints(self._matching, self._enrichment),
            *api.library_name_endpoints(self._library, urls, paths),
            *api.sync_endpoints(tasks, self._library),
            *api.warm_endpoints(tasks, pictures, rules),
        ]


@asynccontextmanager
async def open_library(
    settings: LibrarySettings,
    finder: Finder,
    *,
    database: Database,
    queue: Queue,
    volume: KeeperVolume,
    urls: PictureUrls,
    rules: HostRules,
    background: Background,
) -> AsyncIterator[LibraryWing]:
    kept_items: KeptPages[MadeItem] = KeptPages(max_bytes=ITEMS_BYTES)
    kept: KeptPages[RenderedBody] = KeptPages(parts=kept_items)
    shown, prefetch = ShownPictures(volume.pictures, urls), Prefetch(queue, volume.pictures, rules)
    listings = Listings(Library(database))

    def written() -> None:
        listings.forget()
        kept.clear()

    library, scan, places = library_with_scans(database, settings, on_written=written)

    async def hear(event: Envelope) -> None:
        """What was said of a picture holds no longer."""
        for picture in changed_pictures(event.payload):
            shown.forget(picture)
            kept.forget(picture)
        for picture in removed_pictures(event.payload):
            prefetch.forget(picture)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(prefetch.open())
        await enter(queue.listen(hear))
        posters = await enter(Posters(library).open())
        matching = await enter(
            open_matching(
                library,
                database,
                finder.metadata,
                finder.providers,
                background=background,
                order=lambda kind: finder.order(kind.kind),
            )
        )
        enrichment = Enrichment(
            finder.metadata.titles,
            posters=posters,
            shown=shown,
            urls=urls,
            prefetch=prefetch,
            matching=matching,
            kept=kept_items,
        )
        pages = Pages(listings, enrichment, kept=kept, providers=lambda: finder.metadata.providers)
        syncing = Syncing(finder, volume.names, volume.pictures, queue.ping)
        works: dict[str, Work] = {"scan": scan, **sync_works(syncing, library)}
        yield LibraryWing(works, library, places, pages, enrichment, kept, matching, finder)


def library_with_scans(
    database: Database, settings: LibrarySettings, *, on_written: Callable[[], None] = lambda: None
) -> tuple[Library, Scan, Places]:
    """`on_written` hears of each write to the library, by whomever, and not of what tasks write of themselves.

    The scan is the work of tasks of the kind `scan`, which `Scans` starts below the places.
    """
    watched, places = database.watched(on_written), Places(settings.roots)
    return Library(watched), Scan(watched, places), places
