"""What becomes of asking a provider, as an answer."""

from datetime import datetime
from http import HTTPStatus
from math import ceil

from services.enricher.api.access import showed_token
from services.enricher.finder.metadata import Found, NotFound, Outcome, Pending, Unavailable, Urgency
from services.enricher.finder.metadata.outcomes import Value
from shared.http import Problem
from shared.pictures import Failure, FailureClass
from shared.telemetry import utc_now

_STATUS = {
    FailureClass.GONE: HTTPStatus.NOT_FOUND,
    FailureClass.UPSTREAM: HTTPStatus.BAD_GATEWAY,
    FailureClass.UNSOUND: HTTPStatus.BAD_GATEWAY,
}
"""Of what cannot be had now; 503 where it is our key, our haste or ourselves."""

_OF_PICTURES = {
    FailureClass.GONE: HTTPStatus.NOT_FOUND,
    FailureClass.REFUSED: HTTPStatus.FORBIDDEN,
    FailureClass.UNSOUND: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    FailureClass.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    FailureClass.UPSTREAM: HTTPStatus.BAD_GATEWAY,
    FailureClass.OURS: HTTPStatus.SERVICE_UNAVAILABLE,
}

ASK_AGAIN_S = 2


def askers_urgency() -> Urgency:
    """How urgent a question is that anybody may make up: strangers leave the share of who shows a token, and of pages."""
    return Urgency.NOW if showed_token() else Urgency.LATER


def found_or_problem(outcome: Outcome[Value]) -> Found[Value]:
    """Raise the Problem that says why there is nothing."""
    match outcome:
        case Found():
            return outcome
        case NotFound():
            raise Problem(HTTPStatus.NOT_FOUND, "The providers know no such thing.")
        case Pending():
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "It was asked for and is not here yet.",
                headers={"Retry-After": str(ASK_AGAIN_S)},
            )
        case Unavailable():
            status = _STATUS.get(outcome.failure_class, HTTPStatus.SERVICE_UNAVAILABLE)
            raise Problem(status, outcome.reason, headers=_retry_after(outcome.retry_at))


def failure_problem(failure: Failure) -> Problem:
    """The Problem that says why a picture cannot be had."""
    too_large = failure.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else _OF_PICTURES[failure.failure_class]
    return Problem(status, failure.reason, headers=_retry_after(failure.retry_at))


def _retry_after(until: datetime | None) -> dict[str, str]:
    if until is None:
        return {}
    return {"Retry-After": str(max(1, ceil((until - utc_now()).total_seconds())))}
