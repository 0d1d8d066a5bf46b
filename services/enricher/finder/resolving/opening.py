"""Resolving, composed: jobs are done, names refreshed and events heard while the context lasts."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pydantic import Field

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.finder.artwork.artwork import Artwork
from services.enricher.finder.resolving.explaining import Explaining
from services.enricher.finder.resolving.pinning import EventWaiters, Pinning
from services.enricher.finder.resolving.resolver import (
    LATER,
    NOW,
    Evicted,
    Jobs,
    Resolver,
    Urgencies,
)
from services.enricher.finder.resolving.table import ArtworkTable, SourcesElsewhere, StoredArtwork
from services.enricher.ground import Ground
from shared.background import Background
from shared.contracts import Envelope, ResolvePicture, changed_pictures
from shared.pictures.public_paths import PublicPaths
from shared.queue import Delay, Lane, Queue, QueueError, Reject, Retry, UnwaitedJobs, step_back
from shared.settings import Settings
from shared.telemetry import Metrics, canonical_line, utc_now


class ResolvingSettings(Settings):
    refresh_s: float = Field(86_400, validation_alias="ARTWORK_REFRESH", ge=1)
    question_lasts_s: float = Field(60, validation_alias="FETCH_TIMEOUT", gt=0)
    """How long a proxy waits for a name at most."""

    @property
    def refresh(self) -> timedelta:
        return timedelta(seconds=self.refresh_s)


AT_ONCE = {Lane.RESOLVE_NOW: 64, Lane.RESOLVE_LATER: 8}
_PACES = {Lane.RESOLVE_NOW: NOW, Lane.RESOLVE_LATER: LATER}


@asynccontextmanager
async def resolving_jobs(
    resolver: Resolver, queue: Queue, metrics: Metrics, unwaited: UnwaitedJobs, *, question_lasts_s: float
) -> AsyncIterator[None]:
    """While the context lasts. Leaving it finishes what is being done. What nobody waits for, or nobody can wait for any
    more, goes behind all that somebody waits for.
    """

    async def do(envelope: Envelope, lane: Lane) -> None:
        age_s = max(0.0, (utc_now() - envelope.occurred_at).total_seconds())
        if lane is Lane.RESOLVE_NOW and (envelope.id in unwaited or age_s > question_lasts_s):
            await step_back(queue, envelope, Lane.RESOLVE_LATER)
            metrics.jobs.labels(envelope.type, "nobody waits").inc()
        else:
            await _do(envelope, age_s, lane=lane, resolver=resolver, metrics=metrics)

    async with AsyncExitStack() as stack:
        for lane, at_once in AT_ONCE.items():
            await stack.enter_async_context(queue.consume(lane, partial(do, lane=lane), concurrency=at_once))
        yield


async def _do(envelope: Envelope, age_s: float, *, lane: Lane, resolver: Resolver, metrics: Metrics) -> None:
    """Raise Retry where the database or the queue cannot be had."""
    metrics.took(lane, age_s)
    with canonical_line("job", type=envelope.type, lane=lane, attempt=envelope.attempt) as line:
        line["age_s"] = round(age_s, 3)
        with metrics.job_seconds.labels(envelope.type).time():
            try:
                await _resolve(envelope, _PACES[lane], resolver)
            except (DatabaseUnavailable, QueueError) as error:
                line |= {"outcome": "retry", "reason": str(error)}
                raise Retry(Delay.ONE_SECOND, str(error), counted=True) from error
            finally:
                metrics.jobs.labels(envelope.type, line.get("outcome", "broken")).inc()


async def _resolve(envelope: Envelope, pace: Urgencies, resolver: Resolver) -> None:
    job = envelope.payload
    if not isinstance(job, ResolvePicture):
        raise Reject(f"The enricher does no {envelope.type}.")
    if job.name:
        await resolver.resolve_name(job.name, job.rendition, pace, follows=envelope.id)
    elif job.picture:
        await resolver.resolve_picture(job.picture, job.rendition, pace, follows=envelope.id)


SWEEP_EVERY_S = 30.0
AT_MOST = 200
"""Names in one sweep. One that was full is soon followed by the next."""

SOON_S = 1.0


def refreshing(
    table: ArtworkTable, resolver: Resolver, background: Background
) -> AbstractAsyncContextManager[None]:
    """Sweep now and then while the context lasts."""
    return background.repeating(
        "refreshing names",
        partial(sweep, table, resolver),
        every_s=SWEEP_EVERY_S,
        soon_s=SOON_S,
        expected=(DatabaseUnavailable, QueueError),
    )


async def sweep(table: ArtworkTable, resolver: Resolver, *, now: Callable[[], datetime] = utc_now) -> bool:
    """Whether there may be more that is due. Raise QueueError and DatabaseUnavailable."""
    due = await table.due(now(), at_most=AT_MOST)
    for known in due:
        await resolver.refresh(known.name)
    return len(due) == AT_MOST


@dataclass(frozen=True, slots=True)
class OpenResolving:
    table: ArtworkTable
    stored: StoredArtwork
    pinning: Pinning
    explaining: Explaining
    jobs: Jobs
    resolver: Resolver
    waiting: EventWaiters


@asynccontextmanager
async def open_resolving(
    settings: ResolvingSettings,
    ground: Ground,
    artwork: Artwork,
    *,
    evicted: Evicted,
    also_from: Sequence[SourcesElsewhere],
    paths: PublicPaths,
) -> AsyncIterator[OpenResolving]:
    table, jobs, waiting = ArtworkTable(ground.database, also_from), Jobs(ground.queue), EventWaiters()
    stored = StoredArtwork(table, ground.volume.pictures, paths)
    resolver = Resolver(table, artwork, ground.volume.names, jobs, evicted=evicted, refresh=settings.refresh)

    unwaited = UnwaitedJobs()

    async def hear(event: Envelope) -> None:
        waiting.hear(event.payload)
        unwaited.hear(event.payload)
        for picture in changed_pictures(event.payload):
            stored.hear(picture)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stored.open())
        await stack.enter_async_context(ground.queue.listen(hear))
        jobs_done = resolving_jobs(
            resolver, ground.queue, ground.metrics, unwaited, question_lasts_s=settings.question_lasts_s
        )
        await stack.enter_async_context(jobs_done)
        await stack.enter_async_context(refreshing(table, resolver, ground.led))
        yield OpenResolving(
            table=table,
            stored=stored,
            pinning=Pinning(table, ground.volume.names, ground.volume.inbox, jobs, waiting),
            explaining=Explaining(table, artwork, ground.volume.names, ground.volume.pictures),
            jobs=jobs,
            resolver=resolver,
            waiting=waiting,
        )
