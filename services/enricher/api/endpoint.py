"""Endpoints: a handler with the models of what it takes and answers. Parsed, checked and rendered in one place."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from services.enricher.api.access import Tokens
from services.enricher.database import DatabaseUnavailable
from shared.http import Problem, Rendered, rendered_response

MAX_PROBLEMS_TOLD = 3
JSON = "application/json"
DATABASE_AGAIN_S = 5
_Model = TypeVar("_Model", bound=BaseModel)
_log = structlog.get_logger()


class Parameters(BaseModel):
    """What stands in a path or a query, each at most once. Empty ones, as forms send them, and unknown ones are ignored."""

    model_config = ConfigDict(frozen=True)


class Body(BaseModel):
    """What is sent to an endpoint, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Result = BaseModel | Rendered | None
Handler = Callable[..., Awaitable[Result]]
"""Takes the parameters, and the body where the endpoint has one. Raises Problem."""


class Access(Enum):
    """Who may call."""

    API = "whoever has an API token, or anybody where none are set"
    ADMIN = "who has the admin token"


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

    @property
    def description(self) -> str:
        return inspect.getdoc(self.handle) or ""

    def route(self, tokens: Tokens) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            tokens.check(request.headers.get("Authorization"), admin=self.access is Access.ADMIN)
            given: list[BaseModel] = [self._parameters(request)]
            if self.body:
                given.append(_validated(self.body.model_validate_json, await request.read(), "The body"))
            try:
                result = await self.handle(*given)
            except DatabaseUnavailable:
                _log.exception("the database did not do what was asked", path=self.path)
                headers = {"Retry-After": str(DATABASE_AGAIN_S)}
                detail = "The database cannot be asked now."
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers) from None
            return self._response(result, request)

        return web.route(self.method, self.path, answer)

    def _parameters(self, request: web.Request) -> Parameters:
        query = request.query
        for name in self.parameters.model_fields:
            if len(query.getall(name, ())) > 1:
                raise Problem(HTTPStatus.BAD_REQUEST, f"Give {name} once.")
        given = {name: value for name, value in query.items() if value}
        return _validated(self.parameters.model_validate, given | dict(request.match_info), "The request")

    def _response(self, result: Result, request: web.Request) -> web.Response:
        match result:
            case None:
                return web.Response(status=HTTPStatus.NO_CONTENT)
            case Rendered():
                return rendered_response(result, request.headers.get("If-None-Match"))
            case BaseModel():
                body = result.model_dump_json(by_alias=True).encode()
                headers = {"Content-Type": JSON, "Cache-Control": "no-store"}
                return web.Response(body=body, status=self.status, headers=headers)


def _validated(parse: Callable[[Any], _Model], given: object, what: str) -> _Model:
    try:
        return parse(given)
    except ValidationError as error:
        told = [
            f"{'.'.join(map(str, one['loc'])) or what}: {one['msg'].rstrip('.')}"
            for one in error.errors()[:MAX_PROBLEMS_TOLD]
        ]
        raise Problem(HTTPStatus.BAD_REQUEST, f"{'; '.join(told)}.") from None
