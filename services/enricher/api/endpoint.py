"""Endpoints: a handler with the models of what it takes and answers. Parsed, checked and rendered in one place."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus
from typing import Annotated, Any, Self, TypeVar

import aiohttp
import structlog
from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from services.enricher.api.access import Access, Gate
from services.enricher.database.database import DatabaseUnavailable
from shared.http import NO_STORE, Problem, RenderedBody, rendered_response
from shared.http.untrusted import read_sent
from shared.queue import QueueError

__all__ = [
    "DRY_RUN",
    "JSON",
    "AcceptedJob",
    "Access",
    "Body",
    "Endpoint",
    "Handler",
    "Parameters",
    "Result",
    "SeeOther",
    "SeenOrigin",
    "Sent",
]

MAX_PROBLEMS_TOLD = 3
DRY_RUN = "dry_run"
"""Asks what would be done. An endpoint that cannot say that must not do it instead."""

JSON = "application/json"
FORM = "multipart/form-data"
_HOST = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?", re.ASCII)
MAX_FORM_PARTS = 20
MAX_FIELD_BYTES = 4096
"""Of a form's field that is no file."""

NOTHING_SAID = b"{}"
"""What an empty body says."""

DATABASE_AGAIN_S = 5
QUEUE_AGAIN_S = 5
_Model = TypeVar("_Model", bound=BaseModel)
_log = structlog.get_logger()


class Parameters(BaseModel):
    """What stands in a path or a query, each at most once. Empty ones, as forms send them, are ignored,
    and unknown ones but `dry_run`.
    """

    model_config = ConfigDict(frozen=True)


class Body(BaseModel):
    """What is sent to an endpoint, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such moment in UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""When something is. The first and last days of the calendar are none everywhere."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent to an endpoint that takes other things than JSON, too. `fields`: short ones of a form, beside its file."""

    body: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenOrigin:
    """Scheme and host that the client sees us under, as far as the request says it."""

    url: str

    @classmethod
    def of(cls, request: web.Request) -> Self:
        host = request.headers.get("X-Forwarded-Host", request.host).split(",")[0].strip()
        scheme = request.headers.get("X-Forwarded-Proto", request.scheme).split(",")[0].strip().lower()
        if not _HOST.fullmatch(host) or scheme not in ("http", "https"):
            raise Problem(HTTPStatus.BAD_REQUEST, "The request does not say which host it is for.")
        return cls(f"{scheme}://{host}")


@dataclass(frozen=True, slots=True)
class SeeOther:
    """Where what was asked for is, and how long that counts, in seconds."""

    location: str
    max_age_s: int


@dataclass(frozen=True, slots=True)
class AcceptedJob:
    """What was asked for takes longer than anybody waits: how far it is, and where that is told."""

    told: BaseModel
    location: str


Result = BaseModel | RenderedBody | SeeOther | AcceptedJob | None
Handler = Callable[..., Awaitable[Result]]
"""Takes the parameters, and the body where the endpoint has one. Raises Problem."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. Parameters that the path does not name stand in the query."""

    method: str
    path: str
    handle: Handler
    answer: type[BaseModel] | None = None
    """None: an answer without a body."""
    parameters: type[Parameters] = Parameters
    body: type[Body] | None = None
    access: Access = Access.API
    status: HTTPStatus = HTTPStatus.OK
    max_sent_bytes: int = 0
    """What may be sent that is no JSON: the handler gets it as `Sent`, of a form its file. 0: only JSON is taken."""
    max_json_bytes: int = 0
    """Where JSON may be longer than usual."""
    wants_origin: bool = False
    """The handler gets, last of all, the `SeenOrigin` of the request."""
    stream: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    """Answers instead of the handler, as long as the client listens."""
    pending: type[BaseModel] | None = None
    """What an `AcceptedJob` tells, where the handler may answer with one."""

    @property
    def description(self) -> str:
        return inspect.getdoc(self.handle) or ""

    def route(self, gate: Gate) -> web.RouteDef:
        async def answer(request: web.Request) -> web.StreamResponse:
            if self.stream:
                return await self.stream(request)
            given: list[BaseModel | Sent | SeenOrigin] = [self._parameters(request)]
            if self.body:
                given.append(await self._sent(request, self.body))
            if self.wants_origin:
                given.append(SeenOrigin.of(request))
            return self._response(await self._handled(given), request)

        return gate.guarded(web.route(self.method, self.path, answer), self.access)

    async def call(self, given: Mapping[str, object], body: Sent | None = None) -> Result:
        """What a request with these values would be answered with, for our own pages. What is None or an empty text is left
        out. Raise Problem.
        """
        values = {
            name: value.value
            if isinstance(value, Enum)
            else value  # each wing has its own words for the same
            for name, value in given.items()
            if value not in (None, "")
        }
        sent: list[BaseModel | Sent] = [_validated(self.parameters.model_validate, values, "What was sent")]
        if self.body:
            own = {name: value for name, value in values.items() if name in self.body.model_fields}
            sent.append(body or _validated(self.body.model_validate, own, "What was sent"))
        return await self._handled(sent)

    async def _handled(self, given: Sequence[BaseModel | Sent | SeenOrigin]) -> Result:
        try:
            return await self.handle(*given)
        except QueueError as error:
            _log.warning("not queued", path=self.path, error=str(error))
            headers = {"Retry-After": str(QUEUE_AGAIN_S)}
            detail = "Nothing can be queued now."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers) from None
        except DatabaseUnavailable as error:
            _log.warning("the database did not do what was asked", path=self.path, error=str(error))
            headers = {"Retry-After": str(DATABASE_AGAIN_S)}
            detail = "The database cannot be asked now."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers) from None

    async def _sent(self, request: web.Request, body: type[Body]) -> Body | Sent:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "Send the body as it is, not packed.",
                headers={"Accept-Encoding": "identity"},
            )
        if self.max_sent_bytes and request.content_type == FORM:
            return await _sent_by_form(request, self.max_sent_bytes)
        if self.max_sent_bytes and request.content_type != JSON:
            return Sent(await _sent_bytes(request, self.max_sent_bytes))
        limit = self.max_json_bytes
        said = await _sent_bytes(request, limit) if limit else await request.read()
        return _validated(body.model_validate_json, said or NOTHING_SAID, "The body")

    def _parameters(self, request: web.Request) -> Parameters:
        query = request.query
        if query.get(DRY_RUN) and DRY_RUN not in self.parameters.model_fields:
            raise Problem(HTTPStatus.BAD_REQUEST, f"There is no {DRY_RUN} of this: nothing was done.")
        for name in self.parameters.model_fields:
            if len(query.getall(name, ())) > 1:
                raise Problem(HTTPStatus.BAD_REQUEST, f"Give {name} once.")
        given = {name: value for name, value in query.items() if value}
        return _validated(self.parameters.model_validate, given | dict(request.match_info), "The request")

    def _response(self, result: Result, request: web.Request) -> web.Response:
        match result:
            case None:
                return web.Response(status=HTTPStatus.NO_CONTENT)
            case SeeOther():
                headers = {"Location": result.location, "Cache-Control": f"max-age={result.max_age_s}"}
                return web.Response(status=self.status, headers=headers)
            case RenderedBody():
                return rendered_response(result, request.headers.get("If-None-Match"))
            case AcceptedJob(told=told, location=location):
                return _json_response(told, HTTPStatus.ACCEPTED, Location=location)
            case BaseModel():
                return _json_response(result, self.status)


def _json_response(model: BaseModel, status: HTTPStatus, **headers: str) -> web.Response:
    body = model.model_dump_json(by_alias=True).encode()
    return web.Response(
        body=body, status=status, headers={"Content-Type": JSON, "Cache-Control": NO_STORE, **headers}
    )


async def _sent_bytes(request: web.Request, at_most: int) -> bytes:
    """Raise Problem for more than that, and for nothing."""
    body = await read_sent(request.content.readany, at_most)
    if not body:
        raise Problem(HTTPStatus.BAD_REQUEST, "Send something.")
    return body


async def _sent_by_form(request: web.Request, at_most: int) -> Sent:
    """The first file of a form, and its fields. Raise Problem where there is none, or it is larger."""
    body: bytes | None = None
    fields: dict[str, str] = {}
    try:
        parts = await request.multipart()
        for _ in range(MAX_FORM_PARTS):
            part = await parts.next()
            if not isinstance(part, aiohttp.BodyPartReader):
                break
            if part.filename is None:
                field = await read_sent(part.read_chunk, MAX_FIELD_BYTES)
                fields[part.name or ""] = field.decode(errors="replace")
            else:  # further files are read within the same bound, and dropped
                sent = await read_sent(part.read_chunk, at_most)
                body = sent if body is None else body
    except (ValueError, LookupError, AssertionError, aiohttp.ClientError):
        raise Problem(HTTPStatus.BAD_REQUEST, "The form cannot be read.") from None
    if body is None:
        raise Problem(HTTPStatus.BAD_REQUEST, "There is no file in the form.")
    return Sent(body, fields)


def _validated(parse: Callable[[Any], _Model], given: object, what: str) -> _Model:
    try:
        return parse(given)
    except ValidationError as error:
        told = [
            f"{'.'.join(map(str, one['loc'])) or what}: {_what_is_wrong(one)}"
            for one in error.errors()[:MAX_PROBLEMS_TOLD]
        ]
        raise Problem(HTTPStatus.BAD_REQUEST, f"{'; '.join(told)}.") from None


def _what_is_wrong(error: ErrorDetails) -> str:
    match error:
        case {"type": "too_short", "ctx": {"min_length": wanted, "actual_length": given}}:
            return f"At least {wanted} are needed, and {given} are given"
        case {"type": "too_long", "ctx": {"max_length": allowed}}:
            return f"{allowed} at most can be given at a time"
        case _:
            return error["msg"].removeprefix("Value error, ").rstrip(".")
