"""Announcements: what the fetcher tells the others. Events first, for somebody waits; then the catalog."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import structlog

from shared.contracts import (
    DropSpool,
    Envelope,
    HostPaused,
    LookAtPicture,
    Message,
    PictureFailed,
    PicturePurged,
    PictureStored,
    RenderPicture,
)
from shared.pictures import Failure, PictureId, Rendition, RevisionId, SourceUrl
from shared.queue import Delay, Lane, Queue, QueueError
from shared.telemetry import Metrics, trace_id

_log = structlog.get_logger()


class Announcements:
    def __init__(self, queue: Queue, metrics: Metrics) -> None:
        self._queue = queue
        self._metrics = metrics

    async def stored(self, picture: PictureId, revision: RevisionId, renditions: Iterable[Rendition]) -> None:
        await self._tell(PictureStored(picture=picture, revision=revision, renditions=tuple(renditions)))

    async def failed(self, picture: PictureId, rendition: Rendition | None, failure: Failure) -> None:
        await self._tell(PictureFailed(picture=picture, rendition=rendition, failure=failure))

    async def purged(self, picture: PictureId) -> None:
        await self._tell(PicturePurged(picture=picture))

    async def host_paused(self, authority: str, until: datetime) -> None:
        await self._tell(HostPaused(host=authority, until=until))

    async def record(
        self,
        picture: PictureId,
        source: SourceUrl | None,
        happened: Literal["stored", "checked", "failed", "removed"],
    ) -> None:
        """A full or unreachable catalog lane never stops a picture: counted, and repaired by the sweep."""
        job = LookAtPicture(picture=picture, source_url=str(source) if source else None, happened=happened)
        try:
            await self._queue.publish(Envelope.of(job, trace_id=trace_id()), Lane.CATALOG)
        except QueueError as error:
            self._metrics.records_refused.inc()
            _log.warning("catalog record refused", picture=picture, error=str(error))

    async def render_later(self, source: SourceUrl, renditions: Iterable[Rendition]) -> None:
        """Nobody waits for these: where the lane takes no more, they are made when they are asked for."""
        job = RenderPicture(source_url=source, renditions=tuple(renditions))
        try:
            await self._queue.publish(Envelope.of(job, trace_id=trace_id()), Lane.PICTURES_LATER)
        except QueueError as error:
            _log.warning("renditions not queued", source_url=str(source), error=str(error))

    async def drop_spool_later(self, picture: PictureId, revision: RevisionId) -> None:
        """A minute from now. Where the lane takes no more, the spool stays until the picture is evicted."""
        envelope = Envelope.of(DropSpool(picture=picture, revision=revision), trace_id=trace_id())
        try:
            await self._queue.publish(envelope, Lane.PICTURES_LATER, delay=Delay.ONE_MINUTE)
        except QueueError as error:
            _log.warning("spool stays", picture=picture, error=str(error))

    async def _tell(self, event: Message) -> None:
        await self._queue.announce(Envelope.of(event, trace_id=trace_id()))
