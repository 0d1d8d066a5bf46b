"""GraphQL: what is posted, and what an answer means, for errors come with status 200."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from services.enricher.finder.providers.errors import NothingThere, Unreadable

Model = TypeVar("Model", bound=BaseModel)

_STATUSES = {
    "UNAUTHENTICATED": 401,
    "INVALID_JWT": 401,
    "INVALID_HEADERS": 401,
    "FORBIDDEN": 403,
    "ACCESS_DENIED": 403,
    "NOT_FOUND": 404,
    "BAD_USER_INPUT": 422,
    "BAD_REQUEST": 422,
    "GRAPHQL_PARSE_FAILED": 422,
    "GRAPHQL_VALIDATION_FAILED": 422,
    "PARSE_FAILED": 422,
    "VALIDATION_FAILED": 422,
    "RATE_LIMITED": 429,
    "RATE_LIMIT_EXCEEDED": 429,
    "THROTTLED": 429,
    "TOO_MANY_REQUESTS": 429,
}
"""By `extensions.code`, as Apollo Server and Hasura write them."""

_OTHERWISE = 500


class _GraphqlEnvelope(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: dict[str, Any] | None = None
    errors: list[Any] | None = None


def status_of(body: bytes) -> int:
    """The HTTP status that says what the answer says: 200 without errors, 500 for errors that are not known.

    The error that is known counts where there are several. What cannot be read is 200: see `data_of`.
    """
    try:
        errors = _GraphqlEnvelope.model_validate_json(body).errors
    except ValidationError:
        return 200
    known = (_STATUSES.get(_code(error)) for error in errors or ())
    return next((status for status in known if status), _OTHERWISE) if errors else 200


def data_of(body: bytes, provider: str, model: type[Model]) -> Model:
    """What was asked for. Raise NothingThere without any, and Unreadable for what is no such thing."""
    try:
        data = _GraphqlEnvelope.model_validate_json(body).data
        if data is None or all(value is None for value in data.values()):
            raise NothingThere(f"{provider} has nothing there.")
        return model.model_validate(data)
    except ValidationError:
        raise Unreadable(f"{provider} sent something else than it documents.") from None


def _code(error: object) -> str:
    extensions = error.get("extensions") if isinstance(error, Mapping) else None
    code = extensions.get("code") if isinstance(extensions, Mapping) else None
    return str(code).upper().replace("-", "_")
