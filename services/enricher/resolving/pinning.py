"""Pins: an operator says which picture a name shows, and that always wins; and takes it back."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from services.enricher.resolving.jobs import Jobs
from services.enricher.resolving.known import Known, Shown
from services.enricher.resolving.resolver import USUAL
from services.enricher.resolving.table import ArtworkTable
from services.enricher.resolving.waiting import WaitingRoom
from shared.contracts import (
    Message,
    PinPicture,
    PurgePicture,
    RefuseName,
    ResolvePicture,
    StoreUpload,
    UnpinPicture,
)
from shared.pictures import Failure, Kind, Name, PictureId, Role, Source, SourceUrl, Upload
from shared.queue import Delay, Lane, QueueError
from shared.telemetry import utc_now
from shared.volume import Inbox, Names

PATIENCE_S = 15.0


class Pinning:
    """Raises QueueError and DatabaseUnavailable."""

    def __init__(
        self,
        table: ArtworkTable,
        names: Names,
        inbox: Inbox,
        jobs: Jobs,
        waiting: WaitingRoom,
        *,
        patience_s: float = PATIENCE_S,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._table = table
        self._names = names
        self._inbox = inbox
        self._jobs = jobs
        self._waiting = waiting
        self._patience_s = patience_s
        self._now = now

    async def pin(self, name: Name, source: SourceUrl) -> tuple[Known, bool] | Failure:
        """The name as it is known then, and whether it shows the picture already; or why it cannot be had."""
        return await self._pinned(name, source, PinPicture(name=name, source_url=source))

    async def upload(self, name: Name, body: bytes) -> tuple[Known, bool] | Failure:
        """The same with a picture that nobody else has. Raise OSError where the bytes cannot be written."""
        upload = Upload(hashlib.sha256(body).hexdigest())
        inbox_id = await self._inbox.put(body)
        job = StoreUpload(inbox=inbox_id, sha256=upload.sha256, name=name)
        return await self._pinned(name, upload, job)

    async def unpin(self, name: Name) -> bool:
        """False: nothing was pinned. Soon after, the name is looked for again."""
        if not await self.is_pinned(name):
            return False
        await self._jobs.queue(UnpinPicture(name=name), Lane.PICTURES_NOW)
        await self._table.unpin(name, self._now())
        with suppress(QueueError):  # being due, it is looked for by the next sweep anyway
            again = ResolvePicture(name=name, rendition=USUAL)
            await self._jobs.queue(again, Lane.RESOLVE_LATER, delay=Delay.ONE_SECOND)
        return True

    async def names_of(self, kind: Kind, id_: str) -> list[Name]:
        """Those of a title that show something, or of which a failure is remembered. Raise ValueError for no id."""
        names = [Name(kind, id_, role) for role in Role]
        return [name for name in names if await self.knows(name)]

    async def knows(self, name: Name) -> bool:
        """Whether it shows something, or it is remembered why not."""
        return bool(await self.shown(name) or await self._names.failure(name))

    async def is_pinned(self, name: Name) -> bool:
        known = await self._table.of_name(name)
        return known is not None and known.pinned

    async def shown(self, name: Name) -> PictureId | None:
        """The picture that it shows, or that was found for it."""
        known = await self._table.of_name(name)
        return await self._names.picture(name) or (known.picture if known else None)

    async def purge(self, name: Name) -> None:
        """Forget the name and what was said of it, and remove its picture."""
        picture, failure = await self.shown(name), await self._names.failure(name)
        if picture:
            await self._jobs.queue(PurgePicture(picture=picture), Lane.PICTURES_NOW)
        if failure:
            over = failure.model_copy(update={"retry_at": self._now()})
            await self._jobs.queue(RefuseName(name=name, failure=over), Lane.PICTURES_NOW)
        await self._table.remove(name)

    async def _pinned(self, name: Name, source: Source, job: Message) -> tuple[Known, bool] | Failure:
        """Where it takes long, the pin stands: whoever asks for the name makes us try again."""
        async with self._waiting.seat(name=name, picture=source.picture) as waiter:
            await self._jobs.queue(job, Lane.PICTURES_NOW)
            try:
                failure, there = await waiter.outcome(self._patience_s), True
            except TimeoutError:
                failure, there = None, False
        if failure:
            return failure
        now = self._now()
        known = await self._table.put(name, Shown.pinned(source), now=now, refresh_at=now, pinned=True)
        return known, there
