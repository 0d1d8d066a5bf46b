"""The wings over one database, opened in their order: what finds and what keeps stand alone, the others on them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.enricher.account import AccountWing, open_account
from services.enricher.api.endpoint import Endpoint
from services.enricher.characters import CharacterWing, open_characters
from services.enricher.database.database import Database
from services.enricher.database.engines import open_database
from services.enricher.finder import Finder, open_finder
from services.enricher.finder.tables import PICTURES_OF_NAMES
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
    database: Database
    keeper: Keeper
    finder: Finder
    library: LibraryWing
    account: AccountWing
    characters: CharacterWing
    uploads: Uploads
    streamers: StreamersWing
    studio: StudioWing
    urls: PictureUrls
    _volume: KeeperVolume
    _paths: PublicPaths
    _settings: EnricherSettings

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
        urls, paths, rules = self.urls, self._paths, self._settings.hosts.rules
        return [
            *self.library.endpoints(tasks, urls, rules, paths, self._volume.pictures),
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
        sharing, notes = self.database.sharing, skeleton.notes
        skeleton.checks.update(database=self.database.ping)
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
    urls, rules = PictureUrls(settings.urls, paths), settings.hosts.rules
    metrics, background = skeleton.metrics, skeleton.background
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(
            open_database(settings.database, state_dir=state_dir, metrics=metrics, background=background)
        )
        keeper = await enter(
            open_keeper(
                settings.catalog,
                settings.videos,
                database=database,
                queue=queue,
                volume=volume,
                shown_by=SHOWN_BY,
                rules=rules,
                metrics=metrics,
                background=background,
            )
        )
        finder = await enter(
            open_finder(
                settings.finder,
                database=database,
                queue=queue,
                volume=volume,
                evicted=keeper.source_of,
                also_from=(SOURCES_OF_ITEMS,),
                paths=paths,
                metrics=metrics,
                background=background,
            )
        )
        library = await enter(
            open_library(
                settings.library,
                finder,
                database=database,
                queue=queue,
                volume=volume,
                urls=urls,
                rules=rules,
                note_use=keeper.note_use,
                background=background,
            )
        )
        account = await enter(
            open_account(
                settings.account,
                finder,
                library.items,
                database=database,
                state_dir=state_dir,
                background=background,
            )
        )
        uploads = await enter(
            open_uploads(
                settings.uploads,
                finder,
                database=database,
                queue=queue,
                volume=volume,
                background=background,
            )
        )
        studio = await enter(
            open_studio(
                settings.studio,
                finder,
                uploads,
                videos=videos or keeper.videos,
                database=database,
                queue=queue,
                volume=volume,
                urls=urls,
                rules=rules,
                metrics=metrics,
                background=background,
            )
        )
        characters = await enter(
            open_characters(
                settings.characters,
                finder,
                database=database,
                queue=queue,
                volume=volume,
                urls=urls,
                rules=rules,
                metrics=metrics,
                background=background,
                generator=studio.generator,
            )
        )
        await enter(studio.working(characters.found))
        streamers = await enter(
            open_streamers(
                settings.streamers,
                finder,
                database=database,
                state_dir=state_dir,
                queue=queue,
                volume=volume,
                urls=urls,
                note_use=keeper.note_use,
                background=background,
            )
        )
        yield Wings(
            database,
            keeper,
            finder,
            library,
            account,
            characters,
            uploads,
            streamers,
            studio,
            urls,
            volume,
            paths,
            settings,
        )
