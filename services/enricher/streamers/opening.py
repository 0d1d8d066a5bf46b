"""The streamer library's front door: the wing composed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.enricher.api.endpoint import Endpoint
from services.enricher.finder import Finder
from services.enricher.finder.providers.twitch.client import TwitchClient
from services.enricher.ground import Ground
from services.enricher.library.listsync.importing import Adopting
from services.enricher.library.sync import Syncing
from services.enricher.streamers import api
from services.enricher.streamers.adoption import ImportStreamVault
from services.enricher.streamers.export import Export, ExportNotes, NoteUse
from services.enricher.streamers.live import EventSub, EventSubApi, LiveThumbnails, ToldMessages
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.placing import OnStep
from services.enricher.streamers.refreshing import StreamerRefresh
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.upkeep import CleanShelf, SyncShelf, Upkeep
from services.enricher.tasks.tasks import Tasks, Work
from shared.pictures import HostRules, Kind
from shared.queue import Queue
from shared.settings import Settings

SHORTEST_SECRET = 10
"""Letters, as Twitch has it."""


class StreamerSettings(Settings):
    export_dir: str = Field("", validation_alias="EXPORT_DIR", examples=["/recordings/.images"])
    """Where pictures are put as files for media servers; empty: nowhere."""
    export_beside: bool = Field(default=True, validation_alias="EXPORT_BESIDE")
    """Also into the folders of streamers beside it."""

    live_every_s: float = Field(300, validation_alias="LIVE_THUMBNAILS_EVERY", ge=0, le=86_400)
    """How often thumbnails of live streams are taken; 0: never."""
    live_kept: int = Field(48, validation_alias="LIVE_THUMBNAILS_KEPT", ge=1, le=10_000)
    eventsub_callback: str = Field(
        "",
        validation_alias="TWITCH_EVENTSUB_CALLBACK",
        pattern=r"^$|^https://[^\s?#/]+(:443)?/[^\s?#]*$",
        examples=["https://pictures.example/api/twitch/eventsub"],
    )
    """Where Twitch reaches this server; empty: it is asked who is live."""
    eventsub_secret: SecretStr | None = Field(None, validation_alias="TWITCH_EVENTSUB_SECRET", max_length=100)

    @property
    def eventsub(self) -> EventSub | None:
        return EventSub(self.eventsub_callback, self._secret) if self.eventsub_callback else None

    @property
    def _secret(self) -> str:
        return self.eventsub_secret.get_secret_value() if self.eventsub_secret else ""

    @model_validator(mode="after")
    def _has_a_secret_to_be_told(self) -> Self:
        if self.eventsub_callback and len(self._secret) < SHORTEST_SECRET:
            raise ValueError("TWITCH_EVENTSUB_CALLBACK needs TWITCH_EVENTSUB_SECRET, of 10 to 100 letters")
        return self

    @field_validator("export_dir")
    @classmethod
    def _is_a_folder_in_another(cls, folder: str) -> str:
        if folder and (not Path(folder).is_absolute() or Path(folder) == Path(folder).parent):
            raise ValueError("EXPORT_DIR is the whole path of a folder, such as /recordings/.images")
        return folder


@dataclass(frozen=True, slots=True)
class StreamersWing:
    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    _shelf: StreamShelf
    _pictures: ShelfPictures
    _refreshing: StreamerRefresh
    _upkeep: Upkeep
    _queue: Queue
    _export: Export | None
    _eventsub: EventSubApi | None

    def troubles(self) -> Mapping[str, str]:
        """What is not as it is set, for who looks after the server."""
        if self._export is None:
            return {}
        foreign = len(self._export.foreign)
        obstacle = self._export.obstacle or (
            f"{foreign} files there are not ours, and stay." if foreign else ""
        )
        return {"export": obstacle} if obstacle else {}

    def endpoints(self, tasks: Tasks, rules: HostRules, counted: api.Counted) -> list[Endpoint]:
        """`counted`: what there is of all pictures."""
        return [
            *api.ImagesApi(self._shelf, self._pictures, self._refreshing, self._upkeep).endpoints,
            *api.UpkeepApi(
                self._pictures, self._upkeep, tasks=tasks, queue=self._queue, counted=counted
            ).endpoints,
            *(self._eventsub.endpoints if self._eventsub else ()),
            *api.ShelfApi(self._shelf, self._pictures, self._refreshing, rules).endpoints,
        ]


@asynccontextmanager
async def open_streamers(
    settings: StreamerSettings,
    ground: Ground,
    finder: Finder,
    *,
    note_use: NoteUse,
    at: OnStep = lambda _step: None,
) -> AsyncIterator[StreamersWing]:
    """`note_use`: have the catalog know that exported pictures are in use. `at` hears of named steps of exporting."""
    shelf = StreamShelf(ground.database)
    for kind in (Kind.STREAMER, Kind.CATEGORY, Kind.STREAM):
        finder.ask_for(kind, shelf.source_or_why)
    pictures = ShelfPictures(finder, ground.volume.names, ground.volume.pictures, ground.urls)
    provider = finder.providers.get("twitch")
    export = None
    if settings.export_dir:
        export = Export(
            Path(settings.export_dir),
            ground.state_dir / "export",
            shelf,
            pictures,
            ExportNotes(ground.database),
            beside=settings.export_beside,
            note_use=note_use,
            at=at,
        )
    refreshing = StreamerRefresh(
        shelf,
        pictures,
        TwitchClient(provider) if provider else None,
        asyncio.Event(),
        changed=export.changed if export else lambda: None,
    )
    live = None
    if refreshing.client and settings.live_every_s:
        live = LiveThumbnails(
            shelf,
            pictures,
            refreshing.client,
            timedelta(seconds=settings.live_every_s),
            settings.live_kept,
            settings.eventsub,
            changed=refreshing.changed,
        )
    hearing = None
    if live and settings.eventsub:
        hearing = EventSubApi(settings.eventsub, ToldMessages(ground.database), live.tell)
    upkeep = Upkeep(shelf, pictures)
    syncing = Syncing(finder, ground.volume.names, ground.volume.pictures, ground.queue.ping)
    works: dict[str, Work] = {
        SyncShelf.KIND: SyncShelf(upkeep, syncing),
        CleanShelf.KIND: CleanShelf(shelf, pictures),
        ImportStreamVault.KIND: ImportStreamVault(
            shelf,
            pictures,
            refreshing,
            Adopting(finder, syncing, ground.volume.pictures, ground.volume.inbox, note_use),
        ),
    }
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(refreshing.keeping(ground.background))
        await enter(upkeep.looking(ground.background))
        if live:
            await enter(live.keeping(ground.background))
        if export:
            await enter(export.keeping_up(ground.queue, ground.background))
        yield StreamersWing(works, shelf, pictures, refreshing, upkeep, ground.queue, export, hearing)
