"""The library's front door: titles, scans, pages and syncing, composed."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from pydantic import Field

from services.enricher.api.endpoint import Endpoint
from services.enricher.database.database import Database
from services.enricher.finder import Finder
from services.enricher.ground import Ground
from services.enricher.library import api
from services.enricher.library.library import ItemKeeping, Library
from services.enricher.library.listsync.importing import Adopting, ImportListSync, NoteUse
from services.enricher.library.matching.matching import Matching, open_matching
from services.enricher.library.pages.enrichment import ITEMS_BYTES, Enrichment, MadeItem, Posters
from services.enricher.library.pages.kept import KeptPages
from services.enricher.library.pages.pages import Listings, Pages
from services.enricher.library.parts import Parts
from services.enricher.library.scan import places as scanned
from services.enricher.library.sync import Syncing, sync_works
from services.enricher.pictures.prefetch import Prefetch
from services.enricher.pictures.shown import PictureUrls, ShownPictures
from services.enricher.tasks.task import Progress
from services.enricher.tasks.tasks import Tasks, Work
from shared.contracts import Envelope, changed_pictures, removed_pictures
from shared.http import RenderedBody
from shared.pictures import HostRules
from shared.pictures.public_paths import PublicPaths
from shared.settings import CommaList, Settings
from shared.volume import Pictures


class LibrarySettings(Settings):
    roots: CommaList = Field((), validation_alias="LIBRARY_ROOTS")
    """The folders that may be scanned, with all below them."""

    overseerr_url: str = Field(
        "",
        validation_alias="OVERSEERR_URL",
        pattern=r"^$|^https?://[^\s?#]+[^\s?#/]$",
        examples=["http://seerr:5055"],
    )
    """What items' `overseerr_url` begin with."""

    @property
    def folders(self) -> tuple[str, ...]:
        """Without what all in them is."""
        return tuple(scanned.Place.of(root).path for root in self.roots)


@dataclass(frozen=True, slots=True)
class LibraryWing:
    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    shown: ShownPictures
    """What is known of pictures that pages show."""

    _library: Library
    _parts: Parts
    _syncing: Syncing
    _places: scanned.Places
    _pages: Pages
    _enrichment: Enrichment
    _kept: KeptPages[RenderedBody]
    _matching: Matching
    _finder: Finder

    @property
    def items(self) -> ItemKeeping:
        """For whoever else knows of titles: where they have a place in the library."""
        return ItemKeeping(self._library)

    def endpoints(
        self, tasks: Tasks, urls: PictureUrls, rules: HostRules, paths: PublicPaths, pictures: Pictures
    ) -> list[Endpoint]:
        scans = scanned.Scans(tasks, self._places)
        return [
            *api.item_endpoints(
                self._pages, self._enrichment, self._finder.metadata, self._kept, self._library
            ),
            *api.library_endpoints(self._library, scans, self._enrichment),
            *api.list_endpoints(self._library),
            *api.unmatched_endpoints(self._matching, self._enrichment),
            *api.library_name_endpoints(self._library, self._parts, urls, paths),
            *api.part_endpoints(self._parts, self._syncing, urls),
            *api.sync_endpoints(tasks, self._library, self._parts),
            *api.warm_endpoints(tasks, pictures, rules),
            *api.import_endpoints(tasks),
        ]


@asynccontextmanager
async def open_library(
    settings: LibrarySettings,
    ground: Ground,
    finder: Finder,
    *,
    note_use: NoteUse,
) -> AsyncIterator[LibraryWing]:
    """`note_use`: have the catalog know when adopted pictures were looked at."""
    kept_items: KeptPages[MadeItem] = KeptPages(max_bytes=ITEMS_BYTES)
    kept: KeptPages[RenderedBody] = KeptPages(parts=kept_items)
    shown = ShownPictures(ground.volume.pictures, ground.urls)
    prefetch = Prefetch(ground.queue, ground.volume.pictures, ground.rules)
    listings = Listings(Library(ground.database))

    def written() -> None:
        listings.forget()
        kept.clear()

    library, scan, places = library_with_scans(ground.database, settings, on_written=written)
    ground.database.sharing.watch("trakt cleared", kept.clear)

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
        await enter(ground.queue.listen(hear))
        posters = await enter(Posters(library).open())
        matching = await enter(
            open_matching(
                library,
                ground.database,
                finder.metadata,
                finder.providers,
                background=ground.background,
                order=lambda kind: finder.order(kind.kind),
            )
        )
        enrichment = Enrichment(
            finder.metadata.titles,
            posters=posters,
            shown=shown,
            urls=ground.urls,
            prefetch=prefetch,
            matching=matching,
            overseerr_url=settings.overseerr_url,
            kept=kept_items,
        )
        pages = Pages(listings, enrichment, kept=kept, providers=lambda: finder.metadata.providers)
        syncing = Syncing(finder, ground.volume.names, ground.volume.pictures, ground.queue.ping)
        parts = Parts(ground.database)
        adopting = Adopting(finder, syncing, ground.volume.pictures, ground.volume.inbox, note_use)
        works: dict[str, Work] = {
            scanned.KIND: scan,
            **sync_works(syncing, library, parts),
            ImportListSync.KIND: ImportListSync(library, adopting),
        }
        yield LibraryWing(
            works, shown, library, parts, syncing, places, pages, enrichment, kept, matching, finder
        )


def library_with_scans(
    database: Database, settings: LibrarySettings, *, on_written: Callable[[], None] = lambda: None
) -> tuple[Library, Work, scanned.Places]:
    """`on_written` hears of each write to the library, by whomever, and not of what tasks write of themselves.

    The scan is the work of tasks of the kind `scan`, which `Scans` starts below the places.
    """
    watched, places = database.watched(on_written, topic="library"), scanned.Places(settings.roots)

    async def scan(arguments: Mapping[str, object], progress: Progress) -> None:
        from services.enricher.library.scan.scan import Scan  # noqa: PLC0415 - long to load, where a folder is scanned

        await Scan(watched, places)(arguments, progress)

    return Library(watched), scan, places
