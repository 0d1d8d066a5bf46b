"""The studio's engine: so many jobs at once, what is looked at most first, each sent once, whatever ends the process meanwhile.

The steps of a job, at each of which a process may end (`on_step`):

    claimed           by this process; nothing was sent
    intended          it counts as paid, and that is written; then it is sent
    answered          the service has answered; nobody but us knows
    known             its id is written; then it is looked at
    made              the service has made it; nobody but us knows
    noted             where it is, or what it is, is written; then it is fetched and stored
    stored            it is one of our own; nobody but us knows

What ends between `intended` and `known` may have been paid. Then the service's list is looked at, where it has one: it is gone on
with where it is there. Else it ends as perhaps paid, and waits for a person.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.studio import asking
from services.enricher.studio.jobs import MILLION, BudgetReached, JobLost, StudioJob, StudioKind, StudioState
from services.enricher.studio.tables import TOLD, StudioTable
from shared.background import Background, cancel_and_wait
from shared.contracts import StudioProgressed
from shared.queue import QueueError
from shared.telemetry import Metrics

LOOK_S = 5.0
"""How often somebody looks for jobs that are due, or were left."""

BEAT_S = 5.0
STALE_AFTER = timedelta(seconds=30)
LONGEST_POLL_S = 15.0
LOOKS = 3
"""That a service's list is looked at for what was lost, with a pause between."""

STORE_TRIES = 5
GRACE_S = 15.0
FORGET_EVERY_S = 6 * 3600.0
_log = structlog.get_logger()

OnStep = Callable[[str], None]
Sleep = Callable[[float], Awaitable[None]]
OnMade = Callable[[StudioJob, str], Awaitable[None]]
"""Hears of a job whose picture is stored, and the name of its file. May hear it twice."""


@dataclass(frozen=True, slots=True)
class EngineTimes:
    """`patience`: how long a service may take. `poll_s`: from one look at it to the next, which come less often with time."""

    patience: timedelta
    poll_s: float


class Results(Protocol):
    """Where what was made goes to."""

    async def store(self, job: StudioJob, made: bytes | str) -> Mapping[str, object]:
        """Bytes, or where they are. What is told of it. Doing it twice is harmless. Raise ResultRefused, ResultUnreachable,
        QueueError or OSError.
        """

    async def sent_url(self, job: StudioJob) -> str | None:
        """Where a service has the picture that it needs, for a while; None: it needs none. Raise NotSent."""


class Engine:
    def __init__(
        self,
        table: StudioTable,
        services: Mapping[str, asking.StudioService],
        results: Results,
        *,
        seats: int,
        times: EngineTimes,
        tell: Callable[[StudioProgressed], Awaitable[None]],
        metrics: Metrics,
        now: Callable[[], datetime],
        sleep: Sleep,
        on_step: OnStep,
    ) -> None:
        self._table = table
        self._services = services
        self._results = results
        self._seats = seats
        self._times = times
        self._tell = tell
        self._metrics = metrics
        self._now = now
        self._sleep = sleep
        self._at = on_step
        self._working: dict[str, asyncio.Task[None]] = {}
        self._cancelling: set[str] = set()
        self._sending: set[str] = set()
        self._sent_one = asyncio.Event()
        self.counts: Mapping[str, int] = {}
        self.on_made: OnMade | None = None
        self.wake = asyncio.Event()

    @asynccontextmanager
    async def working(self, background: Background, *, alone: bool) -> AsyncIterator[None]:
        """Jobs are done while the context lasts. `alone`: no other process has the database."""
        if alone:
            await self._table.release_all()
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            stack.push_async_callback(self._end_all)
            await enter(beating(self, background))
            await enter(forgetting(self, background))
            await enter(taking(self, background))
            yield

    async def take(self) -> None:
        """Whatever is due, as far as there are seats."""
        while job := await self._table.claim(self._seats):
            if job.id in self._working:  # its heart did not beat for long, and it is ours all the same
                return
            self._working[job.id] = task = asyncio.create_task(self._do(job), name=f"studio {job.id}")
            task.add_done_callback(partial(self._ended, job.id))

    async def beat(self) -> None:
        self._cancelling |= await self._table.beat(list(self._working))
        self.counts = await self._table.counts()
        for state in TOLD:
            self._metrics.studio_jobs.labels(state).set(self.counts.get(state, 0))
        spent = (await self._table.spent()).by_service
        for service in self._services:
            self._metrics.studio_spent.labels(service).set(spent.get(service, 0) / MILLION)

    async def forget(self) -> None:
        await self._table.forget_old()

    def hear_cancelled(self, id_: str) -> None:
        if id_ in self._working:
            self._cancelling.add(id_)

    async def _end_all(self) -> None:
        """What is being paid has a moment for its answer: else nobody would know what became of it."""
        ids = list(self._working)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                while self._sending:
                    self._sent_one.clear()
                    await self._sent_one.wait()
        await cancel_and_wait(*self._working.values())
        try:
            await self._table.leave(ids)
        except DatabaseUnavailable as error:
            _log.error("studio jobs not left", error=str(error))

    def _ended(self, id_: str, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            _log.error("a studio job was broken off", job=id_, error=repr(error))
        self._working.pop(id_, None)
        self._cancelling.discard(id_)
        self.wake.set()

    async def _do(self, job: StudioJob) -> None:
        """What cannot be written is found, and gone on with, once its heart has not beaten for long."""
        try:
            await self._tell_of(await self._gone_on(job))
        except JobLost:
            known = await self._table.get(job.id)
            if known and known.state is StudioState.WAITING and known.cancelling:
                await self._tell_of(await self._table.end(known, StudioState.CANCELLED))
        except (DatabaseUnavailable, QueueError) as error:
            _log.error("a studio job is not written", job=job.id, error=str(error))
        except Exception:  # noqa: BLE001 - the outermost edge of a job
            _log.exception("studio job failed", job=job.id, kind=job.kind)

    async def _gone_on(self, job: StudioJob) -> StudioJob:
        """From the state that it is in to where it ends, or waits again."""
        self._at("claimed")
        if job.state is StudioState.STORING:
            return await self._stored(job)
        service = self._services.get(job.service)
        if service is None:
            return await self._table.end(
                job, _WITHOUT_KEY[job.state], reason=f"{job.service} has no key any more."
            )
        if job.state is StudioState.WAITING:
            job = await self._in_one_piece(job, service)
        elif job.state is StudioState.SENDING:
            job = await self._found(job, service, "The process ended while it was being sent.")
        if job.state is StudioState.RUNNING:
            job = await self._watched(job, service)
        if job.state is StudioState.STORING:
            job = await self._stored(job)
        return job

    async def _in_one_piece(self, job: StudioJob, service: asking.StudioService) -> StudioJob:
        """Who ends the process waits for it, for a moment."""
        self._sending.add(job.id)
        try:
            return await self._sent(job, service)
        finally:
            self._sending.discard(job.id)
            self._sent_one.set()

    async def _sent(self, job: StudioJob, service: asking.StudioService) -> StudioJob:
        try:
            job = await self._table.begin(job, await self._results.sent_url(job))
        except asking.NotSent as error:
            return await self._table.end(job, StudioState.FAILED, reason=error.reason)
        except BudgetReached as error:
            await self._table.put_off(job, error.until, str(error))
            return await self._known(job)
        self._at("intended")
        await self._tell_of(job)
        try:
            answer = await service.send(job, await self._table.picture(job.id))
        except asking.StudioError as error:
            return await self._not_answered(job, service, error)
        self._at("answered")
        self._count(job, "paid")
        if not isinstance(answer, asking.Begun):
            return await self._noted(job, answer)
        job = await self._table.sent(job, answer.provider_id)
        self._at("known")
        await self._tell_of(job)
        return job

    async def _not_answered(
        self, job: StudioJob, service: asking.StudioService, error: asking.StudioError
    ) -> StudioJob:
        """What was, or may have been, paid by a request that has no good answer."""
        match error:
            case asking.ComeLater(wait_s=wait_s):
                self._count(job, "put off")
                await self._table.put_off(job, self._now() + timedelta(seconds=wait_s), error.reason)
                return await self._known(job)
            case asking.NotSent():
                self._count(job, "refused")
                return await self._table.end(job, StudioState.FAILED, reason=error.reason, paid=False)
            case asking.PaidInVain():
                self._count(job, "in vain")
                return await self._table.end(job, StudioState.FAILED, reason=error.reason)
            case _:
                self._count(job, "lost")
                return await self._found(job, service, error.reason)

    async def _found(self, job: StudioJob, service: asking.StudioService, why: str) -> StudioJob:
        """What became of a paid request whose answer nobody has."""
        if service.keeps_a_list:
            for look in range(LOOKS):
                if look:
                    await self._sleep(self._times.poll_s * 2**look)
                try:
                    provider_id = await service.find(job, await self._table.ids_known(job.service))
                except (asking.AnswerLost, asking.NotThere):
                    continue
                if provider_id:
                    self._count(job, "found")
                    return await self._table.sent(job, provider_id)
            why = f"{why} It is not in the list of what {job.service} did, as far as that can be seen."
        self._count(job, "perhaps paid")
        _log.error("a studio job is perhaps paid", job=job.id, kind=job.kind, service=job.service)
        reason = f"{why} It may have been paid: nothing is sent again before somebody says so."
        return await self._table.end(job, StudioState.PERHAPS_PAID, reason=reason)

    async def _watched(self, job: StudioJob, service: asking.StudioService) -> StudioJob:
        """Until the service has made it."""
        until = max(job.sent_at or job.created_at, job.not_before or job.created_at) + self._times.patience
        pause_s, why, missed = self._times.poll_s, f"{job.service} did not end it in time.", 0
        while True:
            if job.id in self._cancelling or job.cancelling:
                return await self._cancelled(job, service)
            try:
                made = await service.look(job)
            except asking.PaidInVain as error:
                return await self._table.end(job, StudioState.FAILED, reason=error.reason)
            except (asking.AnswerLost, asking.NotThere) as error:
                made, why = None, error.reason
                pause_s = min(pause_s * 2, LONGEST_POLL_S)
                missed += isinstance(error, asking.NotThere)
                if missed >= LOOKS:
                    return await self._unfetched(job, why)
            else:
                pause_s = min(pause_s * 1.2, LONGEST_POLL_S)
            if made:
                self._at("made")
                return await self._noted(job, made)
            if self._now() > until:
                return await self._unfetched(job, why)
            await self._sleep(pause_s)

    async def _cancelled(self, job: StudioJob, service: asking.StudioService) -> StudioJob:
        try:
            await service.cancel(job)
            reason = "It was cancelled while it was being made, and counts as paid."
        except asking.StudioError as error:
            reason = f"It was cancelled here, and counts as paid. {error.reason}"
        return await self._table.end(job, StudioState.CANCELLED, reason=reason)

    async def _noted(self, job: StudioJob, made: asking.Made) -> StudioJob:
        match made:
            case asking.Saying(result=result):
                return await self._table.end(job, StudioState.DONE, result=result)
            case asking.AtUrl(url=url):
                job = await self._table.made(job, url=url)
            case asking.Inline(body=body):
                job = await self._table.made(job, held=body)
        self._at("noted")
        await self._tell_of(job)
        return job

    async def _stored(self, job: StudioJob) -> StudioJob:
        made = job.result_url or await self._table.held(job.id)
        if not made:
            return await self._unfetched(job, "What was made is not there any more.")
        why = ""
        for number in range(STORE_TRIES):
            if number:
                await self._sleep(self._times.poll_s * 2**number)
            try:
                result = await self._results.store(job, made)
                break
            except asking.ResultRefused as error:
                return await self._unfetched(job, error.reason)
            except asking.ResultUnreachable as error:
                why = error.reason
            except (QueueError, OSError) as error:
                why = f"It could not be stored ({type(error).__name__})."
        else:
            return await self._unfetched(job, why)
        self._at("stored")
        file = result.get("filename")
        if self.on_made and job.kind is StudioKind.GENERATE and isinstance(file, str):
            await self.on_made(job, file)
        return await self._table.end(job, StudioState.DONE, result=result)

    async def _unfetched(self, job: StudioJob, why: str) -> StudioJob:
        self._count(job, "unfetched")
        return await self._table.end(
            job, StudioState.UNFETCHED, reason=f"It was paid, and not fetched. {why}"
        )

    async def _known(self, job: StudioJob) -> StudioJob:
        return await self._table.get(job.id) or job

    async def _tell_of(self, job: StudioJob) -> None:
        event = StudioProgressed(job=job.id, kind=job.kind, state=job.state, done=job.done, reason=job.reason)
        try:
            await self._tell(event)
        except QueueError as error:
            _log.info("an event of the studio is not told", job=job.id, error=str(error))

    def _count(self, job: StudioJob, outcome: str) -> None:
        self._metrics.studio_requests.labels(job.service, outcome).inc()


_WITHOUT_KEY = {
    StudioState.WAITING: StudioState.FAILED,
    StudioState.SENDING: StudioState.PERHAPS_PAID,
    StudioState.RUNNING: StudioState.UNFETCHED,
}
EXPECTED = (DatabaseUnavailable, QueueError)
OUTCOMES = ("paid", "refused", "put off", "in vain", "lost", "found", "perhaps paid", "unfetched")


def taking(engine: Engine, background: Background) -> AbstractAsyncContextManager[None]:
    return background.repeating(
        "taking studio jobs", engine.take, every_s=LOOK_S, wake=engine.wake, expected=EXPECTED
    )


def beating(engine: Engine, background: Background) -> AbstractAsyncContextManager[None]:
    return background.repeating(
        "telling that studio jobs go on", engine.beat, every_s=BEAT_S, expected=EXPECTED
    )


def forgetting(engine: Engine, background: Background) -> AbstractAsyncContextManager[None]:
    return background.repeating(
        "forgetting old studio jobs", engine.forget, every_s=FORGET_EVERY_S, at_once=False, expected=EXPECTED
    )
