"""Endpoints of full imports and syncs."""

import asyncio
import uuid
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.account.api.sign_in import asked_of_trakt
from services.enricher.account.importing import AUTO_SYNC, IMPORT, LAST_SYNC, SYNCING, Importing
from services.enricher.account.rules import MediaKind
from services.enricher.account.signing_in import NOT_SIGNED_IN, SignIn
from services.enricher.account.vault import Remembered
from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.finder.providers import Turn, Urgency
from services.enricher.finder.providers.models import TitleKind
from services.enricher.finder.providers.trakt.account import HistoryEntry, HistoryKind, TraktAccount
from services.enricher.finder.providers.trakt.client import Trakt
from services.enricher.tasks.task import Task
from services.enricher.tasks.tasks import Tasks
from shared.http import Problem
from shared.telemetry import utc_now

RAW_ENTRIES = 20
WITHIN = timedelta(seconds=20)


class ShownFound(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    media_type: MediaKind = Field(validation_alias="kind")
    tmdb_id: int
    title: str
    year: int | None
    in_library: bool


class ShownPreview(BaseModel):
    movies: list[ShownFound]
    series: list[ShownFound]
    total_items: int
    already_in_library: int
    new_items: int


class ImportOrder(Body):
    movies: bool = True
    series: bool = True
    ratings: bool = True
    watchlist: bool = True


class ImportStatus(BaseModel):
    """Of the import that was begun last."""

    task: ShownTask | None
    in_progress: bool
    current_item: str | None
    completed: int
    total: int | None
    errors: tuple[str, ...] = Field(description="The first ones; the task's items are more of them")
    cancellation_requested: bool


class SyncParameters(Parameters):
    since: date | None = Field(None, description="Read again what was watched from this day on")


class SyncStatus(BaseModel):
    task: ShownTask | None
    in_progress: bool
    is_authenticated: bool
    last_sync_at: datetime | None
    auto_sync_enabled: bool
    new_movie_watches: int
    new_episode_watches: int
    updated_items: int
    errors: tuple[str, ...]


class ShowParameters(Parameters):
    tmdb_id: int = Field(ge=1, le=2**31 - 1)


class RawHistory(BaseModel):
    entries: tuple[HistoryEntry, ...]


class ImportApi:
    """Without Trakt's key it says which setting is missing."""

    def __init__(
        self,
        tasks: Tasks,
        sign_in: SignIn,
        importing: Importing | None,
        remembered: Remembered,
        trakt: tuple[Trakt, TraktAccount] | None,
    ) -> None:
        self._tasks = tasks
        self._sign_in = sign_in
        self._importing = importing
        self._remembered = remembered
        self._trakt = trakt
        self._starting = asyncio.Lock()

    async def _ready(self) -> Importing:
        """Raise Problem where nobody is signed in."""
        state = await self._sign_in.state()
        if self._importing is None or not state.signed_in:
            raise Problem(HTTPStatus.CONFLICT, state.problem or NOT_SIGNED_IN)
        return self._importing

    async def preview(self, _asked: Parameters) -> ShownPreview:
        """What a full import would bring: titles, and which of them are here already."""
        found = await asked_of_trakt((await self._ready()).preview())
        return ShownPreview(
            movies=[ShownFound.model_validate(one) for one in found.movies],
            series=[ShownFound.model_validate(one) for one in found.series],
            total_items=found.total,
            already_in_library=found.already_in_library,
            new_items=found.total - found.already_in_library,
        )

    async def begin(self, _asked: Parameters, order: ImportOrder) -> ShownTask:
        """Import everything: a task. One at a time."""
        await self._ready()
        async with self._starting:
            task = await _newest(self._tasks, IMPORT)
            if task and not task.state.ended:
                raise Problem(HTTPStatus.CONFLICT, "An import is already in progress.")
            return await started(
                self._tasks, IMPORT, {"run": uuid.uuid4().hex, "options": order.model_dump()}
            )

    async def import_status(self, _asked: Parameters) -> ImportStatus:
        """How far the import is that was begun last."""
        task = await _newest(self._tasks, IMPORT)
        under_way = task is not None and not task.state.ended
        return ImportStatus(
            task=ShownTask.model_validate(task) if task else None,
            in_progress=under_way,
            current_item=self._importing.current if self._importing and under_way else None,
            completed=task.done if task else 0,
            total=task.total if task else None,
            errors=task.errors if task else (),
            cancellation_requested=bool(task and task.cancelling),
        )

    async def cancel(self, _asked: Parameters) -> ImportStatus:
        """End the import before its next title. What was done stays."""
        task = await _newest(self._tasks, IMPORT)
        if task and not task.state.ended:
            await self._tasks.cancel(task.id)
        return await self.import_status(_asked)

    async def sync(self, asked: SyncParameters) -> ShownTask:
        """Read what has changed at Trakt: a task, or the one that is at it already."""
        await self._ready()
        since = datetime.combine(asked.since, time(), UTC).isoformat() if asked.since else None
        return await started(self._tasks, SYNCING, {"since": since} if since else {})

    async def sync_status(self, _asked: Parameters) -> SyncStatus:
        """What the last sync brought."""
        task = await _newest(self._tasks, SYNCING)
        kept = await self._remembered.get(LAST_SYNC, AUTO_SYNC)
        counts = task.counts if task else {}
        return SyncStatus(
            task=ShownTask.model_validate(task) if task else None,
            in_progress=task is not None and not task.state.ended,
            is_authenticated=(await self._sign_in.state()).signed_in,
            last_sync_at=datetime.fromisoformat(kept[LAST_SYNC]) if LAST_SYNC in kept else None,
            auto_sync_enabled=kept.get(AUTO_SYNC) != "false",
            new_movie_watches=counts.get("movie watches", 0),
            new_episode_watches=counts.get("episode watches", 0),
            updated_items=counts.get("updated", 0),
            errors=task.errors if task else (),
        )

    async def raw(self, asked: ShowParameters) -> RawHistory:
        """The newest entries of Trakt's history of one show, as Trakt has them."""
        await self._ready()
        assert self._trakt
        client, account = self._trakt

        async def read() -> RawHistory:
            turn = Turn(Urgency.NOW, utc_now() + WITHIN)
            show = await client.title_by("tmdb", TitleKind.TV, asked.tmdb_id, turn)
            page = await account.history(HistoryKind.SHOWS, turn, limit=RAW_ENTRIES, of_title=show.ids.trakt)
            return RawHistory(entries=page.elements)

        return await asked_of_trakt(read())

    @property
    def endpoints(self) -> list[Endpoint]:
        path, admin, lists = "/api/trakt", Access.ADMIN, Access.LISTS
        accepted = HTTPStatus.ACCEPTED
        return [
            Endpoint("GET", f"{path}/import/preview", self.preview, ShownPreview, access=admin),
            Endpoint(
                "POST",
                f"{path}/import",
                self.begin,
                ShownTask,
                body=ImportOrder,
                access=admin,
                status=accepted,
            ),
            Endpoint("GET", f"{path}/import/status", self.import_status, ImportStatus, access=lists),
            Endpoint("POST", f"{path}/import/cancel", self.cancel, ImportStatus, access=admin),
            Endpoint(
                "POST", f"{path}/sync", self.sync, ShownTask, SyncParameters, access=admin, status=accepted
            ),
            Endpoint("GET", f"{path}/sync/status", self.sync_status, SyncStatus, access=lists),
            Endpoint(
                "GET", f"{path}/history/{{tmdb_id}}", self.raw, RawHistory, ShowParameters, access=admin
            ),
        ]


async def _newest(tasks: Tasks, kind: str) -> Task | None:
    return next(iter(await tasks.list(limit=1, kind=kind)), None)
