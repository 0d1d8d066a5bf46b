"""Doing the jobs of the lanes `resolve.now` and `resolve.later`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from services.enricher.database import DatabaseUnavailable
from services.enricher.resolving.resolver import LATER, NOW, Pace, Resolver
from shared.contracts import Envelope, ResolvePicture
from shared.queue import Delay, Lane, Queue, QueueError, Reject, Retry
from shared.telemetry import Metrics, canonical_line, utc_now

AT_ONCE = {Lane.RESOLVE_NOW: 64, Lane.RESOLVE_LATER: 8}
_PACES = {Lane.RESOLVE_NOW: NOW, Lane.RESOLVE_LATER: LATER}


@asynccontextmanager
async def resolving_jobs(resolver: Resolver, queue: Queue, metrics: Metrics) -> AsyncIterator[None]:
    """While the context lasts. Leaving it finishes what is being done."""
    async with AsyncExitStack() as stack:
        for lane, pace in _PACES.items():
            handle = partial(_do, lane=lane, pace=pace, resolver=resolver, metrics=metrics)
            await stack.enter_async_context(queue.consume(lane, handle, concurrency=AT_ONCE[lane]))
        yield


async def _do(envelope: Envelope, *, lane: Lane, pace: Pace, resolver: Resolver, metrics: Metrics) -> None:
    """Raise Retry where the database or the queue cannot be had."""
    age_s = max(0.0, (utc_now() - envelope.occurred_at).total_seconds())
    metrics.took(lane, age_s)
    with canonical_line("job", type=envelope.type, lane=lane, attempt=envelope.attempt) as line:
        line["age_s"] = round(age_s, 3)
        with metrics.job_seconds.labels(envelope.type).time():
            try:
                await _resolve(envelope, pace, resolver)
            except (DatabaseUnavailable, QueueError) as error:
                line |= {"outcome": "retry", "reason": str(error)}
                raise Retry(Delay.ONE_SECOND, str(error), counted=True) from error
            finally:
                metrics.jobs.labels(envelope.type, line.get("outcome", "broken")).inc()


async def _resolve(envelope: Envelope, pace: Pace, resolver: Resolver) -> None:
    job = envelope.payload
    if not isinstance(job, ResolvePicture):
        raise Reject(f"The enricher does no {envelope.type}.")
    if job.name:
        await resolver.resolve_name(job.name, job.rendition, pace)
    elif job.picture:
        await resolver.resolve_picture(job.picture, job.rendition, pace)
