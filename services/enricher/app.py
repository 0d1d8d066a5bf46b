"""The enricher, composed: everything it is made of, from the outside in."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from services.enricher.api.access import BearerTokens
from services.enricher.api.endpoint import Endpoint
from services.enricher.api.events import EventStreams
from services.enricher.api.openapi import docs_routes
from services.enricher.api.tasks import task_endpoints
from services.enricher.api.unmatched import unmatched_endpoints
from services.enricher.database import open_database
from services.enricher.finder.api.endpoints import image_endpoints
from services.enricher.finder.api.tmdb import TmdbApi
from services.enricher.finder.artwork import open_artwork
from services.enricher.finder.metadata import open_metadata
from services.enricher.finder.providers.opening import open_providers
from services.enricher.finder.resolving import open_resolving
from services.enricher.keeper.api.catalog import catalog_endpoints, integrity_endpoints
from services.enricher.keeper.api.dead_letters import dead_letter_endpoints, queue_endpoints
from services.enricher.keeper.catalog import open_catalog
from services.enricher.keeper.dead_letters import open_dead_letters
from services.enricher.keeper.lanes import LaneWatch, watching_lanes
from services.enricher.keeper.scrub import Scrub
from services.enricher.library import open_library
from services.enricher.library.api.items import item_endpoints, library_endpoints
from services.enricher.library.api.sync import sync_endpoints
from services.enricher.library.pages import Enrichment, KeptPages, Listings, Pages, Posters
from services.enricher.library.sync import sync_works, syncing_pictures
from services.enricher.matching import open_matching
from services.enricher.pictures import PictureUrls, Prefetch, ShownPictures
from services.enricher.settings import EnricherSettings
from services.enricher.tasks import Tasks, Work
from shared.contracts import Envelope, PicturePurged, PicturesEvicted, PictureStored
from shared.http import Skeleton
from shared.pictures import PictureId
from shared.queue import Handler, Queue, telling_work
from shared.settings import ONESHEET_VERSION
from shared.volume import ReadVolume, inventory_of, soundness_of


@asynccontextmanager
async def add_enricher(
    skeleton: Skeleton, settings: EnricherSettings, *, queue: Queue, volume: ReadVolume, state_dir: Path
) -> AsyncIterator[None]:
    """Answer for metadata and library while the context lasts."""
    tokens = BearerTokens.of(settings.access, state_dir)
    kept = KeptPages()
    urls = PictureUrls(settings.urls)
    shown = ShownPictures(volume.pictures, urls)
    ahead = Prefetch(queue, volume.pictures, settings.hosts.rules)

    def library_written() -> None:
        listings.forget()
        kept.clear()

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(open_database(settings.database, state_dir=state_dir))
        providers = await enter(
            open_providers(settings.providers, database=database, metrics=skeleton.metrics)
        )
        metadata = await enter(open_metadata(settings.metadata, providers, database=database))
        artwork = await enter(open_artwork(settings.artwork, settings.metadata, providers, metadata))
        catalog = await enter(
            open_catalog(
                settings.catalog,
                database=database,
                queue=queue,
                inventory=inventory_of(volume.layout),
                rules=settings.hosts.rules,
                metrics=skeleton.metrics,
            )
        )
        opened = open_library(database, settings.library, on_written=library_written)
        listings = Listings(opened.library)
        await enter(ahead.open())
        await enter(queue.listen(_forgetting(shown, kept, ahead)))
        streams = EventStreams()
        await enter(streams.listening(queue))
        skeleton.app.on_shutdown.append(streams.end)
        watch = LaneWatch(queue, skeleton.metrics)
        await enter(watching_lanes(watch, queue))
        await enter(telling_work(queue, skeleton.metrics, "enricher"))
        posters = await enter(Posters(opened.library).open())
        matching = await enter(
            open_matching(
                opened.library,
                database,
                metadata,
                providers,
                order=lambda media_type: settings.artwork.order(media_type.kind),
            )
        )
        enrichment = Enrichment(
            metadata.titles, posters=posters, shown=shown, urls=urls, ahead=ahead, matching=matching
        )
        pages = Pages(listings, enrichment, kept=kept, providers=lambda: metadata.providers)
        resolving = await enter(
            open_resolving(
                settings.resolving,
                artwork,
                database=database,
                queue=queue,
                volume=volume,
                evicted=catalog.source_of,
                metrics=skeleton.metrics,
            )
        )
        syncing = syncing_pictures(resolving, volume)
        dead = await enter(open_dead_letters(database, queue, skeleton.metrics))
        works: dict[str, Work] = {
            "scan": opened.scan,
            "cleanup": catalog.cleanup,
            "redrive": dead.redriving,
            **sync_works(syncing, opened.library),
            Scrub.KIND: Scrub(volume.pictures, soundness_of(volume.layout), catalog.source_of, queue),
        }
        tasks = await enter(Tasks.running(database, works, tell=resolving.jobs.tell, alone=True))
        endpoints: list[Endpoint] = [
            *item_endpoints(pages, enrichment, metadata, kept),
            *library_endpoints(opened.library, opened.scans(tasks), enrichment),
            *unmatched_endpoints(matching, enrichment),
            *TmdbApi(metadata.tmdb, urls, image_url=settings.providers.tmdb.image_url).endpoints,
            *task_endpoints(tasks),
            *dead_letter_endpoints(dead, tasks),
            *queue_endpoints(watch),
            *streams.endpoints,
            *sync_endpoints(tasks, opened.library),
            *catalog_endpoints(catalog, tasks),
            *integrity_endpoints(tasks),
            *image_endpoints(
                resolving,
                opened.library,
                catalog=catalog.table,
                tasks=tasks,
                pictures=volume.pictures,
                urls=urls,
                rules=settings.hosts.rules,
                tmdb_image_url=settings.providers.tmdb.image_url,
            ),
        ]
        skeleton.checks.update(queue=queue.ping, database=database.ping)
        skeleton.notes["providers"] = lambda: {
            name: f"{status.condition}: {status.detail}" for name, status in providers.statuses.items()
        }
        skeleton.notes["disk"] = lambda: {"room": catalog.budget.obstacle or "is made as it is needed"}
        skeleton.add_routes(endpoint.route(tokens) for endpoint in endpoints)
        skeleton.add_routes(docs_routes(endpoints, version=ONESHEET_VERSION))
        yield


def _forgetting(shown: ShownPictures, kept: KeptPages, ahead: Prefetch) -> Handler:
    """What was said of a picture holds no longer."""

    async def hear(event: Envelope) -> None:
        changed: tuple[PictureId, ...]
        removed: tuple[PictureId, ...]
        match event.payload:
            case PictureStored(picture=picture):
                changed, removed = (picture,), ()
            case PicturePurged(picture=picture):
                changed = removed = (picture,)
            case PicturesEvicted(pictures=pictures):
                changed = removed = pictures
            case _:
                return
        for picture in changed:
            shown.forget(picture)
            kept.forget(picture)
        for picture in removed:
            ahead.forget(picture)

    return hear
