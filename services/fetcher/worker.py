"""The worker: takes jobs from the lanes, gives each a slot, and sees to it that each leaves one line."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import structlog

from services.fetcher.admission import PATIENCE_S, IdleGate, PrioritySemaphore
from services.fetcher.errors import PictureError
from services.fetcher.jobs.committing import drop_spool, point_name, refuse_name
from services.fetcher.jobs.failures import end_in_failure
from services.fetcher.jobs.fetch import fetch_picture
from services.fetcher.jobs.healing import heal_picture
from services.fetcher.jobs.keeping import pin_picture, store_upload, unpin_picture
from services.fetcher.jobs.making import render_picture
from services.fetcher.jobs.refresh import refresh_picture
from services.fetcher.jobs.removal import evict_pictures, purge_picture
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import (
    DropSpool,
    Envelope,
    EvictPictures,
    FetchPicture,
    HealPicture,
    Message,
    PinPicture,
    PointName,
    PurgePicture,
    RefreshPicture,
    RefuseName,
    RenderPicture,
    StoreUpload,
    UnpinPicture,
)
from shared.pictures import DOWNLOAD, FailureClass
from shared.queue import Delay, Lane, Queue, Reject, Retry
from shared.telemetry import canonical_line

JobHandler = Callable[[Any, JobDelivery, Deps], Awaitable[None]]

HANDLERS: Mapping[type[Message], JobHandler] = {
    FetchPicture: fetch_picture,
    RenderPicture: render_picture,
    RefreshPicture: refresh_picture,
    PointName: point_name,
    RefuseName: refuse_name,
    PinPicture: pin_picture,
    UnpinPicture: unpin_picture,
    StoreUpload: store_upload,
    PurgePicture: purge_picture,
    EvictPictures: evict_pictures,
    HealPicture: heal_picture,
    DropSpool: drop_spool,
}
AHEAD_PATIENCE_S = 1.0
"""For so long renditions that are made ahead wait in hand for the rush to be over."""

_log = structlog.get_logger()


class Worker:
    def __init__(self, queue: Queue, deps: Deps) -> None:
        self._queue = queue
        self._deps = deps
        self._slots = PrioritySemaphore(deps.settings.concurrency)
        self._right_of_way = IdleGate()

    def consuming(self, lane: Lane) -> AbstractAsyncContextManager[None]:
        """Do the lane's jobs while the context lasts. Either lane may fill all slots that the other leaves."""
        return self._queue.consume(
            lane, lambda envelope: self._do(envelope, lane), concurrency=self._deps.settings.concurrency
        )

    async def _do(self, envelope: Envelope, lane: Lane) -> None:
        metrics = self._deps.metrics
        delivery = JobDelivery(envelope, urgent=lane is Lane.PICTURES_NOW)
        age_s = max(0.0, (self._deps.now() - envelope.occurred_at).total_seconds())
        metrics.took(lane, age_s)
        with canonical_line(
            "job", type=envelope.type, lane=lane, attempt=envelope.attempt, age_s=round(age_s, 3)
        ) as line:
            try:
                async with self._turn(delivery):
                    with metrics.job_seconds.labels(envelope.type).time():
                        await self._handle(envelope, delivery)
            except (Retry, Reject) as instruction:
                line.setdefault("outcome", type(instruction).__name__.lower())
                line["reason"] = str(instruction)
                raise
            finally:
                metrics.jobs.labels(envelope.type, line.get("outcome", "broken")).inc()

    @asynccontextmanager
    async def _turn(self, delivery: JobDelivery) -> AsyncIterator[None]:
        """Before anything is begun: who steps aside holds no slot or lock that another may wait for."""
        if delivery.urgent:
            with self._right_of_way.taken():
                async with self._slot(urgent=True):
                    yield
        else:
            await self._step_aside(delivery.envelope)
            async with self._slot(urgent=False):
                yield

    @asynccontextmanager
    async def _slot(self, *, urgent: bool) -> AsyncIterator[None]:
        with self._deps.metrics.waiting_for("slot") as had:
            async with self._slots.take(urgent=urgent):
                had()
                yield

    async def _step_aside(self, envelope: Envelope) -> None:
        """Renditions that nobody has asked for come back, once, behind what a page has queued meanwhile: raise Retry."""
        comes_back = isinstance(envelope.payload, RenderPicture) and envelope.deferred_since is None
        is_clear = await self._right_of_way.step_aside(AHEAD_PATIENCE_S if comes_back else PATIENCE_S)
        if comes_back and not is_clear:
            raise Retry(Delay.TEN_SECONDS, "Others are waited for.", counted=False)

    async def _handle(self, envelope: Envelope, delivery: JobDelivery) -> None:
        handler = HANDLERS.get(type(envelope.payload))
        if handler is None:
            raise Reject(f"The fetcher does no {envelope.type}.")
        try:
            await handler(envelope.payload, delivery, self._deps)
        except (Retry, Reject):
            raise
        except Exception as error:
            if not (delivery.urgent and isinstance(envelope.payload, FetchPicture)):
                raise
            # Somebody waits: tell them now, and let the next client be the retry.
            _log.exception("job failed")
            job = envelope.payload
            what = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            ours = PictureError(FailureClass.OURS, f"Something went wrong here: {what}.")
            await end_in_failure(
                ours, job.source_url, None, delivery, self._deps, key=DOWNLOAD, name=job.name
            )
