"""The API's description, made of its endpoints. Imported where somebody asks for it: what it stands on takes long to load."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import openapi_pydantic as oa
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from services.enricher.api.access import Access
from services.enricher.api.endpoint import Endpoint

_IN_PATH = re.compile(r"\{(\w+)[^}]*\}")
_BEARER = "token"
_NEVER_OPEN = frozenset({Access.ADMIN, Access.UPLOADING, Access.USER, Access.STUDIO})


class ProblemBody(BaseModel):
    """What went wrong, in a sentence (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    trace_id: str


def described(endpoints: Sequence[Endpoint], *, version: str) -> bytes:
    """The document, as JSON."""
    paths = {_plain(path): _path_item(endpoints, path) for path in dict.fromkeys(e.path for e in endpoints)}
    document = oa.OpenAPI(
        openapi="3.1.1",
        info=oa.Info(title="Onesheet", version=version),
        paths=paths,
        components=oa.Components(securitySchemes={_BEARER: oa.SecurityScheme(type="http", scheme="bearer")}),
    )
    whole = construct_open_api_with_schema_class(document)
    return whole.model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True).encode()


def _plain(path: str) -> str:
    """Without the patterns that aiohttp allows in a path."""
    return _IN_PATH.sub(r"{\1}", path)


def _path_item(endpoints: Iterable[Endpoint], path: str) -> oa.PathItem:
    operations: dict[str, Any] = {
        endpoint.method.lower(): _operation(endpoint) for endpoint in endpoints if endpoint.path == path
    }
    return oa.PathItem(**operations)


def _operation(endpoint: Endpoint) -> oa.Operation:
    summary, _, rest = endpoint.description.partition("\n")
    content = _json(endpoint.body) if endpoint.body else {}
    if endpoint.max_sent_bytes:
        content["*/*"] = oa.MediaType()
    body = oa.RequestBody(required=True, content=content) if content else None
    nothing = not (endpoint.answer or endpoint.stream) and endpoint.status is HTTPStatus.OK
    status = HTTPStatus.NO_CONTENT if nothing else endpoint.status
    answered = _json(endpoint.answer) if endpoint.answer else None
    if endpoint.stream:
        answered = {"text/event-stream": oa.MediaType()}
    answer = oa.Response(description=status.phrase, content=answered)
    problem = oa.Response(description="A problem", content=_json(ProblemBody, "application/problem+json"))
    accepted = oa.Response(
        description="It takes longer", content=_json(endpoint.pending) if endpoint.pending else None
    )
    return oa.Operation(
        summary=summary.rstrip("."),
        description=rest.strip() or None,
        parameters=list(_parameters(endpoint)) or None,
        requestBody=body,
        responses={
            str(status.value): answer,
            **({"202": accepted} if endpoint.pending else {}),
            "default": problem,
        },
        security=[{_BEARER: []}] if endpoint.access in _NEVER_OPEN else None,
    )


def _parameters(endpoint: Endpoint) -> Iterable[oa.Parameter]:
    in_path = set(_IN_PATH.findall(endpoint.path))
    schema = endpoint.parameters.model_json_schema()
    for name, property_ in schema.get("properties", {}).items():
        described_ = _inline(property_, schema.get("$defs", {}))
        where = "path" if name in in_path else "query"
        required = name in in_path or name in schema.get("required", ())
        description = described_.pop("description", None)
        yield oa.Parameter.model_validate(
            {
                "name": name,
                "in": where,
                "required": required,
                "schema": described_,
                "description": description,
            }
        )


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """With what it refers to in the place of references: a parameter has no definitions of its own."""
    if isinstance(schema, list):
        return [_inline(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {name: _inline(value, definitions) for name, value in schema.items() if name != "$ref"}
    if "$ref" not in schema:
        return rest
    return {**_inline(definitions[schema["$ref"].rpartition("/")[2]], definitions), **rest}


def _json(model: type[BaseModel], media_type: str = "application/json") -> dict[str, oa.MediaType]:
    return {media_type: oa.MediaType(schema=PydanticSchema(schema_class=model))}
