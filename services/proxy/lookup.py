"""What is stored of a picture, and whether it should be asked for again."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from services.proxy.wanted import Changeable, WantedPicture, source_of
from shared.background import cancel_and_wait
from shared.contracts import Envelope, RefreshPicture
from shared.pictures import ORIGINAL, Failure, HostRules, Name, PictureId, Rendition, SourceUrl
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import trace_id, utc_now
from shared.volume import Names, Pictures, Revision, StoredFile, VolumeAway

About = Name | PictureId


class Lookup:
    def __init__(self, pictures: Pictures, names: Names) -> None:
        self._pictures = pictures
        self._names = names

    async def picture(self, about: About) -> PictureId | None:
        """None for a name that points nowhere. There may be nothing where it points."""
        return await self._names.picture(about) if isinstance(about, Name) else about

    async def find(self, about: About, renditions: tuple[Rendition, ...]) -> StoredFile | None:
        picture = await self.picture(about)
        return await self._pictures.find(picture, renditions) if picture else None

    async def current(self, about: About) -> Revision | None:
        picture = await self.picture(about)
        return await self._pictures.current(picture) if picture else None

    async def failure(self, about: About, rendition: Rendition) -> Failure | None:
        """The failure for which nothing is queued. What is stored is blocked by its rendition's failure alone."""
        if isinstance(about, Name) and not await self.current(about):
            failure = await self._names.failure(about)
            return failure if failure and not failure.is_over(utc_now()) else None
        picture = await self.picture(about)
        state = await self._pictures.state(picture) if picture else None
        if not (state and state.failures):
            return None
        stored = await self.current(about) is not None
        return state.blocking(rendition, stored=stored, now=utc_now())


LOOKED_AT_LASTS_S = 60.0
"""How long a picture that was looked at is not looked at again, whatever came of it."""

REMEMBERED_AT_MOST = 10_000
AT_ONCE = 100
"""Looks under way; beyond that the next request is the one that notices."""

_log = structlog.get_logger()


class Staleness:
    """Queues a refresh for what is due, at most one per picture and minute from this process."""

    def __init__(self, queue: Queue, pictures: Pictures, rules: HostRules) -> None:
        self._queue = queue
        self._pictures = pictures
        self._rules = rules
        self._looked_at: OrderedDict[PictureId, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        yield
        await cancel_and_wait(*self._tasks)

    def notice(self, changeable: Changeable) -> None:
        """Return at once; looking and queueing happen beside the request."""
        if len(self._tasks) >= AT_ONCE or self._was_looked_at(changeable.picture):
            return
        task = asyncio.create_task(self._notice(changeable))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _was_looked_at(self, picture: PictureId) -> bool:
        now = time.monotonic()
        if now - self._looked_at.get(picture, -LOOKED_AT_LASTS_S) < LOOKED_AT_LASTS_S:
            return True
        self._looked_at[picture] = now
        self._looked_at.move_to_end(picture)
        if len(self._looked_at) > REMEMBERED_AT_MOST:
            self._looked_at.popitem(last=False)
        return False

    async def _notice(self, changeable: Changeable) -> None:
        with suppress(VolumeAway):  # another request will notice
            await self._refresh_if_due(changeable)

    async def _refresh_if_due(self, changeable: Changeable) -> None:
        revision = await self._pictures.current(changeable.picture)
        job = revision and self._refresh(changeable.wanted or self._wanted(revision))
        if not (revision and job):
            return
        state = await self._pictures.state(changeable.picture)
        now = utc_now()
        if not state.is_stale(revision.id, now) or state.failed_lately(now):
            return
        try:
            await self._queue.publish(Envelope.of(job, trace_id=trace_id()), Lane.PICTURES_LATER)
        except QueueError as error:
            _log.warning("refresh not queued", picture=changeable.picture, error=str(error))

    def _wanted(self, revision: Revision) -> WantedPicture:
        return WantedPicture.of(source_of(revision.manifest), (ORIGINAL,), self._rules, signed=False)

    def _refresh(self, wanted: WantedPicture) -> RefreshPicture | None:
        """None where the source's pictures never change, or nobody may ask it."""
        if not (isinstance(wanted.source, SourceUrl) and wanted.can_change and wanted.may_be_fetched):
            return None
        return RefreshPicture(source_url=wanted.source, authorised_host=wanted.authorised_host)
