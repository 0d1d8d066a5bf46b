"""Announcements: what the fetcher tells the others. Events first, for somebody waits; then the catalog."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import structlog

from shared import contracts
from shared.pictures import Failure, Name, PictureId, Rendition, RevisionId, Source
from shared.queue import Delay, Lane, Queue, QueueError, Retry
from shared.telemetry import Metrics, trace_id

STEPS_ASIDE_FOR = Delay.TEN_SECONDS
"""Renditions that nobody has asked for, while others are waited for."""

SAID_EVERY_S = 60.0
_log = structlog.get_logger()


class _Seldom:
    """A warning that a full lane would bring for every job: said once a minute, with how often it was so."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._unsaid = 0
        self._silent_until = 0.0

    def warn(self, **facts: str) -> None:
        self._unsaid += 1
        now = time.monotonic()
        if now >= self._silent_until:
            _log.warning(self._event, times=self._unsaid, **facts)
            self._unsaid = 0
            self._silent_until = now + SAID_EVERY_S


class Announcements:
    def __init__(self, queue: Queue, metrics: Metrics) -> None:
        self._queue = queue
        self._metrics = metrics
        self._record_refused = _Seldom("catalog record refused")
        self._not_queued = _Seldom("renditions not queued")

    async def stored(
        self,
        picture: PictureId,
        revision: RevisionId,
        renditions: Iterable[Rendition],
        *,
        name: Name | None = None,
    ) -> None:
        """`name`: that points at the picture by now."""
        event = contracts.PictureStored(
            picture=picture, revision=revision, renditions=tuple(renditions), name=name
        )
        await self._tell(event)

    async def failed(
        self,
        picture: PictureId,
        rendition: Rendition | None,
        failure: Failure,
        *,
        name: Name | None = None,
    ) -> None:
        """`name`: that was to be pointed at the picture."""
        await self._tell(
            contracts.PictureFailed(picture=picture, rendition=rendition, failure=failure, name=name)
        )

    async def refused(self, name: Name, failure: Failure) -> None:
        await self._tell(contracts.NameRefused(name=name, failure=failure))

    async def purged(self, picture: PictureId) -> None:
        await self._tell(contracts.PicturePurged(picture=picture))

    async def evicted(self, pictures: Sequence[PictureId]) -> None:
        await self._tell(contracts.PicturesEvicted(pictures=tuple(pictures)))

    async def host_paused(self, authority: str, until: datetime) -> None:
        await self._tell(contracts.HostPaused(host=authority, until=until))

    async def record(
        self,
        picture: PictureId,
        source: Source | None,
        happened: Literal["stored", "checked", "failed", "removed"],
    ) -> None:
        """A full or unreachable catalog lane never stops a picture: counted, and repaired by the sweep."""
        source_url = str(source) if source else None
        await self._record(contracts.LookAtPicture(picture=picture, source_url=source_url, happened=happened))

    async def record_all(self, pictures: Sequence[PictureId]) -> None:
        """The same of many that went, or were to."""
        await self._record(contracts.LookAtPictures(pictures=tuple(pictures)))

    async def _record(self, record: contracts.Message) -> None:
        try:
            await self._queue.publish_at_end(contracts.Envelope.of(record, trace_id=trace_id()), Lane.CATALOG)
        except QueueError as error:
            self._metrics.records_refused.inc()
            self._record_refused.warn(error=str(error))

    async def render_later(
        self, source: Source, renditions: Iterable[Rendition], *, deferred_since: datetime | None = None
    ) -> None:
        """Nobody waits for these: where the lane takes no more, they are made when they are asked for. Where they are deferred, they
        come in ten seconds, as what has stepped aside does.
        """
        job = contracts.RenderPicture(source_url=source, renditions=tuple(renditions))
        envelope, delay = contracts.Envelope.of(job, trace_id=trace_id()), None
        if deferred_since:
            envelope, delay = envelope.deferred(deferred_since), STEPS_ASIDE_FOR
        try:
            await self._queue.publish_at_end(envelope, Lane.PICTURES_LATER, delay=delay)
        except QueueError as error:
            self._not_queued.warn(source_url=str(source), error=str(error))

    async def drop_spool_later(self, picture: PictureId, revision: RevisionId) -> None:
        """A minute from now. Called before the commit: raise Retry where the lane takes no more, so that no spool is
        ever in sight that nobody will drop.
        """
        envelope = contracts.Envelope.of(
            contracts.DropSpool(picture=picture, revision=revision), trace_id=trace_id()
        )
        try:
            await self._queue.publish(envelope, Lane.PICTURES_LATER, delay=Delay.ONE_MINUTE)
        except QueueError as error:
            reason = f"the end of the spool was not queued: {error}"
            raise Retry(Delay.ONE_SECOND, reason, counted=False) from error

    async def _tell(self, event: contracts.Message) -> None:
        await self._queue.announce(contracts.Envelope.of(event, trace_id=trace_id()))
