"""The end of a job: what becomes of a message once its handler has returned or raised.

Both engines hand a message's body to `attempt` and then do what the outcome says: `Done` removes the
message, `Again` replaces it by its follow-up, `Dead` by a dead letter. Nothing here knows an engine.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import ValidationError

from shared.contracts import DeadLetter, Envelope, FailedAttempt
from shared.contracts.message import MAX_REASON
from shared.pictures import FailureClass
from shared.queue.port import Delay, Handler, Lane, NotBegun, Reject, Retry
from shared.telemetry import traced, utc_now

RETRY_DELAYS = (Delay.TEN_SECONDS, Delay.ONE_MINUTE, Delay.TEN_MINUTES)
"""After the first, second and third attempt that failed and counts: of a job of `later`, or of a handler that raised something
unexpected.
"""


MAX_ATTEMPTS = 1 + len(RETRY_DELAYS)
"""After the last of them a job is dead."""


log = structlog.get_logger(__name__)

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Done:
    """The effect is durable: the message can go."""


@dataclass(frozen=True)
class Again:
    """The message goes, and this one comes after the delay."""

    envelope: Envelope
    delay: Delay


@dataclass(frozen=True)
class Dead:
    """The message goes, and this one is kept in the lane `dead`."""

    letter: Envelope


Outcome = Done | Again | Dead


async def attempt(
    body: bytes,
    lane: Lane,
    handler: Handler,
    *,
    redelivered: bool,
    known: Envelope | None = None,
    clock: Clock = utc_now,
) -> Outcome:
    """Run the handler on one message and say what is to become of it. Only a cancellation gets out. `known`: what the body
    says, where that need not be read.
    """
    try:
        envelope = known or read(body, lane, clock)
        if redelivered != envelope.redelivered:
            envelope = envelope.model_copy(update={"redelivered": redelivered})
    except ValidationError as error:
        log.warning("message_unreadable", lane=lane.value, error=str(error)[:MAX_REASON])
        return Dead(bury(body, lane, f"unreadable: {_first_line(error)}", clock()))
    with traced(envelope.trace_id):
        try:
            await handler(envelope)
        except Exception as end:  # noqa: BLE001 - the outermost edge of a job: judged, logged, counted
            outcome = settle(envelope, end, lane, clock())
            _report(envelope, end, lane, outcome)
            return outcome
    return Done()


def settle(envelope: Envelope, end: Exception, lane: Lane, now: datetime) -> Outcome:
    """The outcome of a handler that raised `end`.

    A dead letter cannot die again: whatever its handler raises, it comes back.
    """
    if lane is Lane.DEAD:
        return Again(envelope.deferred(now), end.delay if isinstance(end, Retry) else Delay.TEN_MINUTES)
    match end:
        case Reject():
            return Dead(_letter(envelope, lane, end.reason, now, end.failure_class))
        case NotBegun():
            return Again(envelope, end.delay)
        case Retry(counted=False):
            return Again(envelope.deferred(now, locked=end.locked), end.delay)
        case Retry():
            return _next_attempt(envelope, lane, end, now)
        case _:
            pause = RETRY_DELAYS[min(envelope.attempt, len(RETRY_DELAYS)) - 1]
            broke = Retry(
                pause, f"{type(end).__name__}: {end}", counted=True, failure_class=FailureClass.OURS
            )
            return _next_attempt(envelope, lane, broke, now)


def read(body: bytes, lane: Lane, clock: Clock) -> Envelope:
    """The envelope of a message; in the lane `dead`, of the letter around whatever the broker put there.

    Raises ValidationError when the body is no message known here.
    """
    if lane is not Lane.DEAD:
        return Envelope.model_validate_json(body)
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError as error:
        return bury(body, lane, f"unreadable: {_first_line(error)}", clock())
    if isinstance(envelope.payload, DeadLetter):
        return envelope
    return bury(body, lane, "put among the dead letters as it was", clock())


def bury(body: bytes, lane: Lane, reason: str, now: datetime) -> Envelope:
    """A dead letter around a message of `lane` that no handler ended: unreadable, or given up by the queue."""
    try:
        return _letter(Envelope.model_validate_json(body), lane, reason, now)
    except ValidationError:
        text = body.decode(errors="replace")
        letter = DeadLetter(lane=lane.value, reason=reason[:MAX_REASON], died_at=now, body=text)
        digest = hashlib.sha256(body).hexdigest()[:32]
        return _addressed(letter, f"dead-{digest}", trace_id=digest, now=now)


def _next_attempt(envelope: Envelope, lane: Lane, end: Retry, now: datetime) -> Outcome:
    if envelope.attempt >= MAX_ATTEMPTS:
        return Dead(_letter(envelope, lane, end.reason, now, end.failure_class))
    return Again(envelope.retried(end.reason, now), end.delay)


def _letter(
    envelope: Envelope, lane: Lane, reason: str, now: datetime, failure_class: str | None = None
) -> Envelope:
    """Its history includes the end; its id follows from the message's, so that dying twice is one letter."""
    reason = reason[:MAX_REASON]
    letter = DeadLetter(
        lane=lane.value,
        reason=reason,
        failure_class=failure_class,
        history=_with_end(envelope, reason, now),
        died_at=now,
        body=envelope.model_dump_json(),
    )
    return _addressed(letter, f"dead-{envelope.id}", trace_id=envelope.trace_id, now=now)


def _with_end(envelope: Envelope, reason: str, now: datetime) -> tuple[FailedAttempt, ...]:
    return envelope.retried(reason, now).history


def _addressed(letter: DeadLetter, letter_id: str, *, trace_id: str, now: datetime) -> Envelope:
    return Envelope.of(letter, trace_id=trace_id, now=now).model_copy(update={"id": letter_id})


def _report(envelope: Envelope, end: Exception, lane: Lane, outcome: Outcome) -> None:
    known = isinstance(end, Retry | Reject)
    facts = {"lane": lane.value, "type": envelope.type, "id": envelope.id, "attempt": envelope.attempt}
    if not known:
        log.error("handler_failed", exc_info=end, outcome=type(outcome).__name__.lower(), **facts)
    elif isinstance(outcome, Dead):
        log.warning("job_dead", reason=str(end)[:MAX_REASON], **facts)
    elif lane is Lane.DEAD:
        log.warning("dead_letter_put_off", reason=str(end)[:MAX_REASON], **facts)


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])} {first['msg']}".strip()
