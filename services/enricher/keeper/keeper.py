"""The keeper's front door: what is stored and how full it is, what failed for good; and the wing composed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from services.enricher.api.endpoint import Endpoint
from services.enricher.database.database import DatabaseUnavailable
from services.enricher.ground import Ground
from services.enricher.keeper import api
from services.enricher.keeper.catalog.budget import CatalogSettings
from services.enricher.keeper.catalog.opening import OpenCatalog, open_catalog
from services.enricher.keeper.catalog.statistics import CatalogStatistics, statistics
from services.enricher.keeper.catalog.table import ShownBy
from services.enricher.keeper.dead_letters import OpenDeadLetters, open_dead_letters
from services.enricher.keeper.lanes import LaneWatch, watching_lanes
from services.enricher.keeper.scrub import Scrub
from services.enricher.keeper.videos import VideoSettings, VideoStore, open_videos
from services.enricher.pictures.shown import PictureUrls
from services.enricher.tasks.tasks import Tasks, Work
from shared.background import Background
from shared.pictures import PictureId, Source
from shared.queue import Peers
from shared.telemetry import Metrics, utc_now
from shared.volume import HostPauses, StorageFacts

COUNT_EVERY_S = 15.0


@dataclass(frozen=True, slots=True)
class Keeper:
    """Raises DatabaseUnavailable."""

    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    videos: VideoStore
    _catalog: OpenCatalog
    _dead: OpenDeadLetters
    _watch: LaneWatch
    _pauses: HostPauses
    _facts: StorageFacts | None

    async def source_of(self, picture: PictureId) -> Source | None:
        """Where a picture comes from that is on the volume, or was."""
        return await self._catalog.source_of(picture)

    async def size_of(self, picture: PictureId) -> int:
        """In bytes on the disk, as far as the catalog knows it."""
        entry = await self._catalog.table.of_picture(picture)
        return entry.disk.bytes if entry else 0

    async def statistics(self) -> CatalogStatistics:
        """Pictures counted by kind, provider, format, age and class of failure."""
        return await statistics(self._catalog.table, utc_now())

    async def note_use(self, used: Mapping[PictureId, datetime]) -> None:
        """That these stored pictures were looked at by then, as whoever had them before us knows."""
        if not used:
            return
        await self._catalog.looking.look(dict.fromkeys(used), utc_now())
        await self._catalog.table.used_at(used)

    @property
    def obstacle(self) -> str | None:
        """Why nothing leaves although room is needed."""
        return self._catalog.budget.obstacle

    @property
    def peers(self) -> Peers:
        """The processes that share the queue."""
        return self._watch.peers

    def endpoints(self, tasks: Tasks, urls: PictureUrls) -> list[Endpoint]:
        return [
            *api.dead_letter_endpoints(self._dead, tasks),
            *api.queue_endpoints(self._watch),
            *api.host_endpoints(self._pauses),
            *api.catalog_endpoints(self._catalog, tasks, self.videos.extent, self._facts),
            *api.video_endpoints(self.videos, urls),
            *api.integrity_endpoints(tasks),
        ]


@asynccontextmanager
async def open_keeper(
    settings: CatalogSettings,
    videos: VideoSettings,
    ground: Ground,
    *,
    shown_by: Sequence[ShownBy],
) -> AsyncIterator[Keeper]:
    """`shown_by`: what other wings show, by which pictures have a kind, and are no orphans."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        kept_videos = await enter(
            open_videos(
                videos,
                files=ground.volume.videos,
                inventory=ground.volume.inventory,
                metrics=ground.metrics,
                background=ground.led,
                now=utc_now,
            )
        )
        catalog = await enter(open_catalog(settings, ground, shown_by=shown_by, videos=kept_videos))
        watch = LaneWatch(ground.queue, ground.metrics)
        await enter(watching_lanes(watch, ground.queue, ground.background))
        dead = await enter(open_dead_letters(ground.database, ground.queue, ground.metrics))
        await enter(counting(dead, ground.volume.hosts, ground.metrics, ground.background))
        works: dict[str, Work] = {
            "cleanup": catalog.cleanup,
            "redrive": dead.redriving,
            Scrub.KIND: Scrub(
                ground.volume.pictures, ground.volume.integrity, catalog.source_of, ground.queue
            ),
        }
        facts = ground.volume.live.facts if ground.volume.live else None
        yield Keeper(works, kept_videos, catalog, dead, watch, ground.volume.hosts, facts)


def counting(
    dead: OpenDeadLetters, hosts: HostPauses, metrics: Metrics, background: Background
) -> AbstractAsyncContextManager[None]:
    """What metrics tell of how much there is now."""

    async def count() -> None:
        await dead.count()
        pauses = (await hosts.all()).values()
        metrics.hosts_paused.set(sum(pause.until > utc_now() for pause in pauses))

    expected = (DatabaseUnavailable,)
    return background.repeating("counting for metrics", count, every_s=COUNT_EVERY_S, expected=expected)
