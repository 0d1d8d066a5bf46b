"""Failures: remembered, announced, and ended or retried by the rule of their class and lane."""

from datetime import timedelta

import structlog

from services.fetcher.errors import HostIsBusy, NotDialled, PictureError
from services.fetcher.work import Deps, JobDelivery
from shared.pictures import Failure, FailureClass, Name, Rendition, Source
from shared.queue import MAX_ATTEMPTS, RETRY_DELAYS, Delay, Reject, Retry
from shared.telemetry import add_to_line

_FINAL = frozenset({FailureClass.GONE, FailureClass.REFUSED, FailureClass.UNSOUND})
_log = structlog.get_logger()


class RememberedFailure(PictureError):
    """A failure that is remembered and not over: answered again, not tried again."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.failure_class, failure.reason, status=failure.status)
        self.failure = failure


async def check_remembered(
    source: Source, rendition: Rendition, delivery: JobDelivery, deps: Deps, *, stored: bool
) -> None:
    """Raise RememberedFailure for what somebody else has just tried in vain; a retry of the queue tries again."""
    if delivery.is_retry:
        return
    state = await deps.pictures.state(source.picture)
    failure = state.blocking(rendition, stored=stored, now=deps.now())
    if failure:
        raise RememberedFailure(failure)


async def end_in_failure(
    error: PictureError,
    source: Source,
    rendition: Rendition | None,
    delivery: JobDelivery,
    deps: Deps,
    *,
    key: str,
    name: Name | None = None,
    waited_for: bool = True,
) -> None:
    """Return where the job ends with this failure; raise Retry or Reject where the queue goes on with it.

    `name`: that was to be pointed at the picture. Where somebody waits, and nothing of the picture can be had, the
    failure is the name's as well. `waited_for`: somebody may wait for what failed, and is told.
    """
    if isinstance(error, HostIsBusy):
        raise Retry(Delay.ONE_SECOND, error.reason, counted=False) from error
    if isinstance(error, RememberedFailure):
        failure = error.failure
    elif isinstance(error, NotDialled):
        failure = _following(None, error, deps)
    else:
        failure = await remember(error, source, deps, key=key)
        await deps.announcements.record(source.picture, source, "failed")
    add_to_line(outcome="failed", failure_class=failure.failure_class, reason=failure.reason)
    if name and rendition is None and delivery.urgent:
        await _refuse(name, failure, deps)
    if waited_for:
        await deps.announcements.failed(source.picture, rendition, failure, name=name)
    if not delivery.urgent:
        _retry_later(failure, delivery, deps)


async def remember(error: PictureError, source: Source, deps: Deps, *, key: str) -> Failure:
    """Write the failure into the state; where even that is impossible, it is only announced."""
    state = await deps.pictures.state(source.picture)
    failure = _following(state.failures.get(key), error, deps)
    deps.metrics.failures.labels(failure.failure_class).inc()
    if failure.failure_class is FailureClass.OURS:
        _log.error("our own failure", source_url=str(source), reason=failure.reason)
    try:
        await deps.pictures.put_state(source.picture, state.failed(key, failure))
    except OSError as broken:
        _log.error("failure not remembered", source_url=str(source), error=str(broken))
    return failure


async def _refuse(name: Name, failure: Failure, deps: Deps) -> None:
    try:
        await deps.names.refuse(name, failure)
    except OSError as broken:
        _log.error("failure not remembered", name=str(name), error=str(broken))


def _following(previous: Failure | None, error: PictureError, deps: Deps) -> Failure:
    return Failure.after(
        previous,
        error.failure_class,
        error.reason,
        now=deps.now(),
        status=error.status,
        retry_after=error.retry_after,
        crashed=error.crashed,
    )


def _retry_later(failure: Failure, delivery: JobDelivery, deps: Deps) -> None:
    if failure.failure_class in _FINAL:
        return
    if failure.failure_class is FailureClass.BUSY:
        wait = max(timedelta(seconds=1), failure.retry_at - deps.now())
        raise Retry(Delay.within(wait.total_seconds()), failure.reason, counted=False)
    attempt = delivery.envelope.attempt
    if attempt >= MAX_ATTEMPTS:
        raise Reject(failure.reason, failure_class=failure.failure_class)
    raise Retry(RETRY_DELAYS[attempt - 1], failure.reason, counted=True, failure_class=failure.failure_class)
