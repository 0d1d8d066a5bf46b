"""The proxy's description of itself (OpenAPI 3.1). Written out, for its requests are parsed by hand, and fast."""

import json
from functools import cache
from typing import Any

from aiohttp import web

from shared.pictures import SIZES, STANDARD_SIZES, Format
from shared.settings import ONESHEET_VERSION

_REVALIDATED = {
    "304": "What the client has is still good",
    "206": "The range asked for",
    "416": "No such range",
}
_STORED = {
    "200": "The picture; or, for a browser's image that is on its way, a placeholder that nobody may keep"
}
_PROBLEMS = {
    "400": "No such size, format, id or URL",
    "403": "Not signed, or a host that pictures are not fetched from",
    "404": "The source has no such picture",
    "413": "The picture is over the limits",
    "415": "The source's bytes are no picture",
    "502": "The source is broken",
    "503": "Not there yet, or too busy: see Retry-After",
}
_SIZE = {"enum": ["original", *SIZES], "default": "original"}
_TMDB_SIZE = {"enum": [size for size in ("original", *SIZES) if size not in STANDARD_SIZES]}
_FORMAT = {"enum": list(Format), "description": "Absent: what the Accept header asks for"}
_HEX = {"type": "string", "pattern": "^[0-9a-f]+$"}

_PATHS: dict[str, Any] = {
    "/api/images/proxy": {
        "summary": "A picture by the URL of its source",
        "parameters": {
            "url": ("query", {"type": "string", "format": "uri", "maxLength": 2048}),
            "size": ("query", _SIZE),
            "format": ("query", _FORMAT),
        },
    },
    "/t/p/{size}/{file}": {
        "summary": "A picture by its path at TMDB's picture host",
        "parameters": {"size": ("path", _TMDB_SIZE), "file": ("path", {"type": "string"})},
    },
    "/p/{picture}/{revision}/{file}": {
        "summary": "A stored file by its immutable path",
        "parameters": {
            "picture": ("path", _HEX),
            "revision": ("path", _HEX),
            "file": ("path", {"type": "string", "examples": ["w342.webp"]}),
        },
    },
}


@cache
def description() -> bytes:
    document = {
        "openapi": "3.1.1",
        "info": {"title": "Onesheet: pictures", "version": ONESHEET_VERSION},
        "paths": {path: {"get": _operation(**given)} for path, given in _PATHS.items()},
    }
    return json.dumps(document).encode()


def _operation(summary: str, parameters: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    answers = {**_STORED, **_REVALIDATED, **_PROBLEMS}
    described = [
        {"name": name, "in": where, "required": where == "path" or name == "url", "schema": schema}
        for name, (where, schema) in parameters.items()
    ]
    return {
        "summary": summary,
        "parameters": described,
        "responses": {status: {"description": text} for status, text in answers.items()},
    }


async def describe(_request: web.Request) -> web.Response:
    return web.Response(body=description(), content_type="application/json")
