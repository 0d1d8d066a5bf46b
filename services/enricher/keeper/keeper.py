"""The keeper's front door: what is stored and how full it is, what failed for good; and the wing composed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.enricher.api.endpoint import Endpoint
from services.enricher.database import Database
from services.enricher.keeper import api
from services.enricher.keeper.catalog import CatalogSettings, OpenCatalog, ShownBy, open_catalog
from services.enricher.keeper.dead_letters import OpenDeadLetters, open_dead_letters
from services.enricher.keeper.lanes import LaneWatch, watching_lanes
from services.enricher.keeper.scrub import Scrub
from services.enricher.tasks import Tasks, Work
from shared.background import Background
from shared.pictures import HostRules, PictureId, Source
from shared.queue import Queue
from shared.telemetry import Metrics
from shared.volume import HostPauses, KeeperVolume


@dataclass(frozen=True, slots=True)
class Keeper:
    """Raises DatabaseUnavailable."""

    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    _catalog: OpenCatalog
    _dead: OpenDeadLetters
    _watch: LaneWatch
    _pauses: HostPauses

    async def source_of(self, picture: PictureId) -> Source | None:
        """Where a picture comes from that is on the volume, or was."""
        return await self._catalog.source_of(picture)

    async def size_of(self, picture: PictureId) -> int:
        """In bytes on the disk, as far as the catalog knows it."""
        entry = await self._catalog.table.of_picture(picture)
        return entry.disk.bytes if entry else 0

    @property
    def obstacle(self) -> str | None:
        """Why nothing leaves although room is needed."""
        return self._catalog.budget.obstacle

    def endpoints(self, tasks: Tasks) -> list[Endpoint]:
        return [
            *api.dead_letter_endpoints(self._dead, tasks),
            *api.queue_endpoints(self._watch),
            *api.host_endpoints(self._pauses),
            *api.catalog_endpoints(self._catalog, tasks),
            *api.integrity_endpoints(tasks),
        ]


@asynccontextmanager
async def open_keeper(
    settings: CatalogSettings,
    *,
    database: Database,
    queue: Queue,
    volume: KeeperVolume,
    shown_by: Sequence[ShownBy],
    rules: HostRules,
    metrics: Metrics,
    background: Background,
) -> AsyncIterator[Keeper]:
    """`shown_by`: what other wings show, by which pictures have a kind, and are no orphans."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        catalog = await enter(
            open_catalog(
                settings,
                database=database,
                queue=queue,
                inventory=volume.inventory,
                shown_by=shown_by,
                rules=rules,
                metrics=metrics,
                background=background,
            )
        )
        watch = LaneWatch(queue, metrics)
        await enter(watching_lanes(watch, queue, background))
        dead = await enter(open_dead_letters(database, queue, metrics))
        works: dict[str, Work] = {
            "cleanup": catalog.cleanup,
            "redrive": dead.redriving,
            Scrub.KIND: Scrub(volume.pictures, volume.integrity, catalog.source_of, queue),
        }
        yield Keeper(works, catalog, dead, watch, volume.hosts)
