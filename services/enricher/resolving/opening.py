"""Resolving, composed: jobs are done, names refreshed and events heard while the context lasts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.enricher.artwork import Artwork
from services.enricher.database import Database
from services.enricher.resolving.consuming import resolving_jobs
from services.enricher.resolving.explaining import Explaining
from services.enricher.resolving.jobs import Jobs
from services.enricher.resolving.pinning import Pinning
from services.enricher.resolving.refreshing import refreshing
from services.enricher.resolving.resolver import Evicted, Resolver
from services.enricher.resolving.settings import ResolvingSettings
from services.enricher.resolving.stored import StoredArtwork
from services.enricher.resolving.table import ArtworkTable
from services.enricher.resolving.waiting import WaitingRoom
from shared.contracts import Envelope, PicturePurged, PicturesEvicted, PictureStored
from shared.queue import Queue
from shared.telemetry import Metrics
from shared.volume import ReadVolume, inbox_of


@dataclass(frozen=True, slots=True)
class OpenResolving:
    table: ArtworkTable
    stored: StoredArtwork
    pinning: Pinning
    explaining: Explaining
    jobs: Jobs
    resolver: Resolver
    waiting: WaitingRoom


@asynccontextmanager
async def open_resolving(
    settings: ResolvingSettings,
    artwork: Artwork,
    *,
    database: Database,
    queue: Queue,
    volume: ReadVolume,
    evicted: Evicted,
    metrics: Metrics,
) -> AsyncIterator[OpenResolving]:
    table, jobs, waiting = ArtworkTable(database), Jobs(queue), WaitingRoom()
    stored = StoredArtwork(table, volume.pictures)
    resolver = Resolver(table, artwork, volume.names, jobs, evicted=evicted, refresh=settings.refresh)

    async def hear(event: Envelope) -> None:
        waiting.hear(event.payload)
        match event.payload:
            case PictureStored(picture=picture) | PicturePurged(picture=picture):
                stored.hear(picture)
            case PicturesEvicted(pictures=pictures):
                for picture in pictures:
                    stored.hear(picture)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stored.open())
        await stack.enter_async_context(queue.listen(hear))
        await stack.enter_async_context(resolving_jobs(resolver, queue, metrics))
        await stack.enter_async_context(refreshing(table, resolver))
        yield OpenResolving(
            table=table,
            stored=stored,
            pinning=Pinning(table, volume.names, inbox_of(volume.layout), jobs, waiting),
            explaining=Explaining(table, artwork, volume.names, volume.pictures),
            jobs=jobs,
            resolver=resolver,
            waiting=waiting,
        )
