"""The wings over one database, opened in their order: what finds and what keeps stand alone, the others on them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.enricher.account import AccountWing, open_account
from services.enricher.api.endpoint import Endpoint
from services.enricher.characters import CharacterWing, open_characters
from services.enricher.database.engines import open_database
from services.enricher.finder import Finder, open_finder
from services.enricher.finder.tables import PICTURES_OF_NAMES
from services.enricher.ground import Ground
from services.enricher.keeper import Keeper, open_keeper
from services.enricher.library import LibraryWing, open_library
from services.enricher.library.tables import PICTURES_OF_ITEMS, SOURCES_OF_ITEMS
from services.enricher.pictures.shown import PictureUrls
from services.enricher.settings import EnricherSettings
from services.enricher.streamers import StreamersWing, open_streamers
from services.enricher.studio import StudioWing, VideoShelf, open_studio
from services.enricher.tasks.tasks import Tasks, Work
from services.enricher.uploads import Uploads, open_uploads, upload_endpoints
from shared.http import Skeleton
from shared.pictures.public_paths import PublicPaths
from shared.queue import Queue
from shared.volume import KeeperVolume

SHOWN_BY = (PICTURES_OF_ITEMS, PICTURES_OF_NAMES)
"""What shows pictures; where several show one, the last has the word."""


@dataclass(frozen=True, slots=True)
class Wings:
    ground: Ground
    keeper: Keeper
    finder: Finder
    library: LibraryWing
    account: AccountWing
    characters: CharacterWing
    uploads: Uploads
    streamers: StreamersWing
    studio: StudioWing
    _paths: PublicPaths

    @property
    def works(self) -> Mapping[str, Work]:
        """The kinds of tasks that they do."""
        return {
            **self.keeper.works,
            **self.library.works,
            **self.account.works,
            **self.characters.works,
            **self.streamers.works,
            **self.studio.works,
        }

    def endpoints(self, tasks: Tasks) -> list[Endpoint]:
        urls, rules, paths = self.ground.urls, self.ground.rules, self._paths
        return [
            *self.library.endpoints(tasks, urls, rules, paths, self.ground.volume.pictures),
            *self.finder.endpoints(urls, rules, paths, size_of=self.keeper.size_of),
            *self.account.endpoints(tasks, urls),
            *self.characters.endpoints(tasks),
            *upload_endpoints(self.uploads, urls, self.studio.studio.lens),
            *self.studio.endpoints(tasks),
            *self.streamers.endpoints(tasks, rules, self.keeper.statistics),
            *self.keeper.endpoints(tasks, urls),
        ]

    def tell_troubles(self, skeleton: Skeleton) -> None:
        """What `/readyz` notes of them."""
        sharing, notes = self.ground.database.sharing, skeleton.notes
        skeleton.checks.update(database=self.ground.database.ping)
        notes["providers"] = lambda: {
            name: f"{status.condition}: {status.detail}" for name, status in self.finder.statuses.items()
        }
        notes["account"] = self.account.troubles
        notes["streamers"] = self.streamers.troubles
        notes["studio"] = self.studio.troubles
        notes["cache"] = self.finder.metadata.status
        if sharing.identity:
            notes["lead"] = lambda: {"enricher": "leads" if sharing.leads else "follows another one"}
        notes["services"] = self.keeper.peers.troubles
        notes["disk"] = lambda: {"room": self.keeper.obstacle or "is made as it is needed"}


@asynccontextmanager
async def open_wings(
    skeleton: Skeleton,
    settings: EnricherSettings,
    *,
    queue: Queue,
    volume: KeeperVolume,
    state_dir: Path,
    paths: PublicPaths,
    videos: VideoShelf | None = None,
) -> AsyncIterator[Wings]:
    metrics, background = skeleton.metrics, skeleton.background
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(
            open_database(settings.database, state_dir=state_dir, metrics=metrics, background=background)
        )
        ground = Ground(
            database,
            queue,
            volume,
            state_dir,
            PictureUrls(settings.urls, paths),
            settings.hosts.rules,
            metrics,
            background,
        )
        keeper = await enter(open_keeper(settings.catalog, settings.videos, ground, shown_by=SHOWN_BY))
        finder = await enter(
            open_finder(
                settings.finder, ground, evicted=keeper.source_of, also_from=(SOURCES_OF_ITEMS,), paths=paths
            )
        )
        library = await enter(open_library(settings.library, ground, finder, note_use=keeper.note_use))
        account = await enter(open_account(settings.account, ground, finder, library.items))
        uploads = await enter(open_uploads(settings.uploads, ground, finder))
        studio = await enter(
            open_studio(settings.studio, ground, finder, uploads, videos=videos or keeper.videos)
        )
        characters = await enter(
            open_characters(settings.characters, ground, finder, generator=studio.generator)
        )
        await enter(studio.working(characters.found))
        streamers = await enter(open_streamers(settings.streamers, ground, finder, note_use=keeper.note_use))
        yield Wings(
            ground,
            keeper,
            finder,
            library,
            account,
            characters,
            uploads,
            streamers,
            studio,
            paths,
        )
