"""Pins: an operator's word for what a name shows, done by the fetchers and waited for."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from services.enricher.finder.resolving.resolver import USUAL, Jobs
from services.enricher.finder.resolving.table import ArtworkTable, KnownArtwork, Shown
from shared import contracts, pictures
from shared.queue import Delay, Lane, QueueError
from shared.telemetry import utc_now
from shared.volume import Inbox, Names

_WHOLE = (None, pictures.ORIGINAL)
"""Without these there is nothing of a picture."""


@dataclass(eq=False, slots=True)
class Waiter:
    """For a picture, for whatever a name shows, or for a name to show this picture."""

    name: pictures.Name | None = None
    picture: pictures.PictureId | None = None
    _heard: "asyncio.Future[pictures.Failure | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def hear(self, event: contracts.Message) -> None:
        if self._heard.done():
            return
        match event:
            case contracts.PictureStored(picture=picture, name=name) if self._is_shown(picture, name):
                self._heard.set_result(None)
            case contracts.PictureFailed(picture=picture, name=name, rendition=failed, failure=failure):
                if self._is_lost(picture, name, failed):
                    self._heard.set_result(failure)
            case contracts.NameRefused(name=name, failure=failure) if (
                self.picture is None and name == self.name
            ):
                self._heard.set_result(failure)

    def _is_shown(self, picture: pictures.PictureId, name: pictures.Name | None) -> bool:
        return self.picture in (None, picture) and self.name in (None, name)

    def _is_lost(
        self, picture: pictures.PictureId, name: pictures.Name | None, rendition: pictures.Rendition | None
    ) -> bool:
        if self.picture is None:
            return name == self.name
        return picture == self.picture and rendition in _WHOLE

    async def outcome(self, patience_s: float) -> pictures.Failure | None:
        """None: it is there. Raise TimeoutError where nothing is heard so long."""
        async with asyncio.timeout(patience_s):
            return await asyncio.shield(self._heard)


class EventWaiters:
    def __init__(self) -> None:
        self._waiters: set[Waiter] = set()

    @asynccontextmanager
    async def seat(
        self, *, name: pictures.Name | None = None, picture: pictures.PictureId | None = None
    ) -> AsyncIterator[Waiter]:
        """For one of them, or for the name to show the picture."""
        waiter = Waiter(name, picture)
        self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            self._waiters.discard(waiter)

    def hear(self, event: contracts.Message) -> None:
        for waiter in self._waiters:
            waiter.hear(event)


PATIENCE_S = 15.0


class Pinning:
    """Raises QueueError and DatabaseUnavailable."""

    def __init__(
        self,
        table: ArtworkTable,
        names: Names,
        inbox: Inbox,
        jobs: Jobs,
        waiting: EventWaiters,
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

    async def pin(
        self, name: pictures.Name, source: pictures.SourceUrl
    ) -> tuple[KnownArtwork, bool] | pictures.Failure:
        """The name as it is known then, and whether it shows the picture already; or why it cannot be had."""
        return await self._pinned(name, source, contracts.PinPicture(name=name, source_url=source))

    async def upload(self, name: pictures.Name, body: bytes) -> tuple[KnownArtwork, bool] | pictures.Failure:
        """The same with a picture that nobody else has. Raise OSError where the bytes cannot be written."""
        upload, job = await self._sent(name, body)
        return await self._pinned(name, upload, job)

    async def pin_soon(self, name: pictures.Name, body: bytes) -> None:
        """The same without waiting for it. Raise OSError where the bytes cannot be written."""
        upload, job = await self._sent(name, body)
        await self._jobs.queue(job, Lane.PICTURES_NOW)
        await self._note(name, upload)

    async def _sent(self, name: pictures.Name, body: bytes) -> tuple[pictures.Upload, contracts.StoreUpload]:
        """In the inbox, with the job that stores it under the name."""
        upload = pictures.Upload(hashlib.sha256(body).hexdigest())
        inbox_id = await self._inbox.put(body)
        return upload, contracts.StoreUpload(inbox=inbox_id, sha256=upload.sha256, name=name)

    async def keep(
        self,
        name: pictures.Name,
        body: bytes,
        upload: pictures.Upload,
        *,
        also: pictures.Name | None = None,
    ) -> tuple[KnownArtwork, bool] | pictures.Failure:
        """The same with a picture that is somebody's own, as a JPEG. `also`: another name that shows it."""
        job = contracts.StoreUpload(
            inbox=await self._inbox.put(body),
            sha256=upload.sha256,
            name=name,
            also=also,
            mark=upload.mark,
            private=upload.private,
            kept_as=pictures.Format.JPG,
        )
        kept = await self._pinned(name, upload, job)
        if also and not isinstance(kept, pictures.Failure):
            await self._note(also, upload)
        return kept

    async def unpin(self, name: pictures.Name) -> bool:
        """False: nothing was pinned. Soon after, the name is looked for again."""
        if not await self.is_pinned(name):
            return False
        await self._jobs.queue(contracts.UnpinPicture(name=name), Lane.PICTURES_NOW)
        await self._table.unpin(name, self._now())
        with suppress(QueueError):  # being due, it is looked for by the next sweep anyway
            again = contracts.ResolvePicture(name=name, rendition=USUAL)
            await self._jobs.queue(again, Lane.RESOLVE_LATER, delay=Delay.ONE_SECOND)
        return True

    async def names_of(self, kind: pictures.Kind, id_: str) -> list[pictures.Name]:
        """Those of a title that show something, or of which a failure is remembered. Raise ValueError for no id."""
        names = [pictures.Name(kind, id_, role) for role in pictures.Role]
        return [name for name in names if await self.knows(name)]

    async def knows(self, name: pictures.Name) -> bool:
        """Whether it shows something, or it is remembered why not."""
        return bool(await self.shown(name) or await self._names.failure(name))

    async def is_pinned(self, name: pictures.Name) -> bool:
        known = await self._table.of_name(name)
        return known is not None and known.pinned

    async def shown(self, name: pictures.Name) -> pictures.PictureId | None:
        """The picture that it shows, or that was found for it."""
        known = await self._table.of_name(name)
        return await self._names.picture(name) or (known.picture if known else None)

    async def purge(self, name: pictures.Name) -> None:
        """Forget the name and what was said of it, and remove its picture."""
        picture, failure = await self.shown(name), await self._names.failure(name)
        if picture:
            await self._jobs.queue(contracts.PurgePicture(picture=picture), Lane.PICTURES_NOW)
        if failure:
            over = failure.model_copy(update={"retry_at": self._now()})
            await self._jobs.queue(contracts.RefuseName(name=name, failure=over), Lane.PICTURES_NOW)
        await self._table.remove(name)

    async def _pinned(
        self, name: pictures.Name, source: pictures.Source, job: contracts.Message
    ) -> tuple[KnownArtwork, bool] | pictures.Failure:
        """Where it takes long, the pin stands: whoever asks for the name makes us try again."""
        async with self._waiting.seat(name=name, picture=source.picture) as waiter:
            await self._jobs.queue(job, Lane.PICTURES_NOW)
            try:
                failure, there = await waiter.outcome(self._patience_s), True
            except TimeoutError:
                failure, there = None, False
        if failure:
            return failure
        return await self._note(name, source), there

    async def _note(self, name: pictures.Name, source: pictures.Source) -> KnownArtwork:
        """That the name is pinned to it."""
        now = self._now()
        return await self._table.put(name, Shown.pinned(source), now=now, refresh_at=now, pinned=True)
