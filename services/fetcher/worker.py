"""The worker: takes jobs from the lanes, gives each a slot, and sees to it that each leaves one line."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import structlog

from services.fetcher.admission import PATIENCE_S, Claim, IdleGate, RushDoor
from services.fetcher.announcements import STEPS_ASIDE_FOR
from services.fetcher.errors import PictureError
from services.fetcher.jobs.adopting import adopt_pictures
from services.fetcher.jobs.committing import drop_spool, point_name, refuse_name
from services.fetcher.jobs.failures import end_in_failure
from services.fetcher.jobs.fetch import fetch_picture
from services.fetcher.jobs.keeping import pin_picture, store_upload, unpin_picture
from services.fetcher.jobs.making import render_picture
from services.fetcher.jobs.refresh import heal_picture, refresh_picture
from services.fetcher.jobs.removal import evict_pictures, purge_picture
from services.fetcher.shares import Admitted, Crowded, NobodyWaits, Slots
from services.fetcher.work import Deps, JobDelivery
from shared import contracts
from shared.pictures import DOWNLOAD, FailureClass, SourceUrl
from shared.queue import Delay, Lane, NotBegun, Queue, Reject, Retry, UnwaitedJobs, step_back
from shared.telemetry import canonical_line
from shared.volume import Locked, VolumeAway

JobHandler = Callable[[Any, JobDelivery, Deps], Awaitable[None]]

HANDLERS: Mapping[type[contracts.Message], JobHandler] = {
    contracts.FetchPicture: fetch_picture,
    contracts.RenderPicture: render_picture,
    contracts.RefreshPicture: refresh_picture,
    contracts.PointName: point_name,
    contracts.RefuseName: refuse_name,
    contracts.PinPicture: pin_picture,
    contracts.UnpinPicture: unpin_picture,
    contracts.StoreUpload: store_upload,
    contracts.AdoptPictures: adopt_pictures,
    contracts.PurgePicture: purge_picture,
    contracts.EvictPictures: evict_pictures,
    contracts.HealPicture: heal_picture,
    contracts.DropSpool: drop_spool,
}
AHEAD_PATIENCE_S = 1.0
"""For so long renditions that are made ahead wait in hand for the rush to be over."""

_log = structlog.get_logger()


class Worker:
    def __init__(self, queue: Queue, deps: Deps) -> None:
        self._queue = queue
        self._deps = deps
        self._slots = Slots(deps.settings.concurrency, deps.downloader.seats)
        self._right_of_way = IdleGate()
        self._rush_door = RushDoor(lambda: deps.metrics.heard)
        self._unwaited = UnwaitedJobs()

    @asynccontextmanager
    async def consuming(self, lane: Lane) -> AsyncIterator[None]:
        """Do the lane's jobs while the context lasts. Either lane may fill all slots that the other leaves.

        More are taken than there are slots, for the next may be of a host that has a seat; who still waits for a slot at
        the end is nobody's in a moment.
        """
        taking = self._queue.consume(
            lane, lambda envelope: self._do(envelope, lane), concurrency=self._slots.in_hand
        )
        async with taking:
            try:
                yield
            finally:
                self._slots.close()

    async def hear(self, envelope: contracts.Envelope) -> None:
        for job in self._unwaited.hear(envelope.payload):
            self._slots.dismiss(job)

    async def _do(self, envelope: contracts.Envelope, lane: Lane) -> None:
        urgent = lane is Lane.PICTURES_NOW
        if urgent and _question(envelope) in self._unwaited:
            await self._step_back(envelope)
            return
        try:
            async with self._turn(envelope, urgent=urgent) as turn:
                others = partial(self._right_of_way.is_taken, besides=1 if urgent else 0)
                await self._begin(JobDelivery(envelope, urgent, turn, others), lane)
        except NobodyWaits:
            await self._step_back(envelope)
        except Crowded:
            self._count(envelope, "put back")
            raise NotBegun(self._pause(envelope, urgent=urgent), "Too many wait for its host.") from None

    async def _begin(self, delivery: JobDelivery, lane: Lane) -> None:
        envelope, metrics = delivery.envelope, self._deps.metrics
        age_s = self._age_s(envelope)
        metrics.took(lane, age_s)
        with canonical_line(
            "job", type=envelope.type, lane=lane, attempt=envelope.attempt, age_s=round(age_s, 3)
        ) as line:
            try:
                with metrics.job_seconds.labels(envelope.type).time():
                    await self._handle(envelope, delivery)
            except (Retry, Reject) as instruction:
                line.setdefault("outcome", type(instruction).__name__.lower())
                line["reason"] = str(instruction)
                raise
            finally:
                self._count(envelope, line.get("outcome", "broken"))

    @asynccontextmanager
    async def _turn(self, envelope: contracts.Envelope, *, urgent: bool) -> AsyncIterator[Admitted]:
        """Before anything is begun: who steps aside holds no slot, seat or lock that another may wait for."""
        with self._right_of_way.taken() if urgent else nullcontext():
            if not urgent:
                await self._step_aside(envelope)
            claim, patience_s = await self._claim(envelope), None
            if urgent and isinstance(envelope.payload, contracts.FetchPicture):
                patience_s = self._deps.settings.download.fetch_timeout_s - self._age_s(envelope)
            with self._deps.metrics.waiting_for("slot") as had:
                async with self._slots.admitted(
                    claim, urgent=urgent, ticket=_question(envelope), patience_s=patience_s
                ) as turn:
                    had()
                    yield turn

    async def _claim(self, envelope: contracts.Envelope) -> Claim:
        """What is stored needs no seat at its host."""
        match envelope.payload:
            case contracts.FetchPicture(source_url=SourceUrl() as source):
                return Claim(source.authority, seated=not await self._is_stored(source))
            case contracts.RefreshPicture(source_url=SourceUrl() as source):
                return Claim(source.authority, seated=True)
            case contracts.RenderPicture(source_url=SourceUrl() as source):
                return Claim(source.authority)
            case contracts.AdoptPictures(files=(first, *_)):
                return Claim(first.source_url.authority)
        return Claim()

    async def _is_stored(self, source: SourceUrl) -> bool:
        with suppress(OSError):  # the job will meet it, and say so
            return await self._deps.pictures.current(source.picture) is not None
        return False

    async def _step_back(self, envelope: contracts.Envelope) -> None:
        await step_back(self._queue, envelope, Lane.PICTURES_LATER)
        self._count(envelope, "nobody waits")

    def _pause(self, envelope: contracts.Envelope, *, urgent: bool) -> Delay:
        """The older, the longer: what has waited in vain for so long need not be looked at each second."""
        longest_s = Delay.TEN_SECONDS.value if urgent else Delay.ONE_MINUTE.value
        return Delay.within(min(self._age_s(envelope), longest_s))

    def _age_s(self, envelope: contracts.Envelope) -> float:
        return max(0.0, (self._deps.now() - envelope.occurred_at).total_seconds())

    def _count(self, envelope: contracts.Envelope, outcome: str) -> None:
        self._deps.metrics.jobs.labels(envelope.type, outcome).inc()

    async def _step_aside(self, envelope: contracts.Envelope) -> None:
        """Renditions that nobody has asked for come back, once, behind what a page has queued meanwhile: raise Retry."""
        comes_back = isinstance(envelope.payload, contracts.RenderPicture) and envelope.deferred_since is None
        is_clear = await self._right_of_way.step_aside(AHEAD_PATIENCE_S if comes_back else PATIENCE_S)
        if comes_back and not is_clear:
            self._count(envelope, "retry")
            raise Retry(STEPS_ASIDE_FOR, "Others are waited for.", counted=False)
        await self._rush_door.enter()

    async def _handle(self, envelope: contracts.Envelope, delivery: JobDelivery) -> None:
        handler = HANDLERS.get(type(envelope.payload))
        if handler is None:
            raise Reject(f"The fetcher does no {envelope.type}.")
        try:
            await handler(envelope.payload, delivery, self._deps)
        except (Retry, Reject):
            raise
        except VolumeAway as error:  # nothing was changed, or it will be found done
            raise Retry(Delay.ONE_SECOND, str(error), counted=False) from error
        except Locked as error:
            raise Retry(Delay.ONE_SECOND, str(error), counted=False, locked=True) from error
        except Exception as error:
            if not (delivery.urgent and isinstance(envelope.payload, contracts.FetchPicture)):
                raise
            # Somebody waits: tell them now, and let the next client be the retry.
            _log.exception("job failed")
            job = envelope.payload
            what = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            ours = PictureError(FailureClass.OURS, f"Something went wrong here: {what}.")
            await end_in_failure(
                ours, job.source_url, None, delivery, self._deps, key=DOWNLOAD, name=job.name
            )


def _question(envelope: contracts.Envelope) -> str:
    """The job that somebody asked with, whether it is this one or led to it."""
    return envelope.follows or envelope.id
