"""The proxy's description of itself (OpenAPI 3.1). Written out, for its requests are parsed by hand, and fast."""

import json
from functools import cache
from typing import Any

from aiohttp import web

from shared.pictures import SIZES, STANDARD_SIZES, Format, Kind, Role
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
_FORMAT_OF_FILE = {"enum": list(Format), "description": "Of a rendition; an original is what it is"}
_ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"}
_SIZE_AND_FORMAT = {
    "type": "string",
    "pattern": f"^original$|^({'|'.join(SIZES)})([.]({'|'.join(Format)}))?$",
    "description": "No format: what the Accept header asks for",
    "examples": ["w342", "medium.webp"],
}
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
    "/api/v1/images/{kind}/{id}/{role}/{file}": {
        "summary": "A picture by what it shows; a bare number is this library's id of a series or a movie",
        "parameters": {
            "kind": ("path", {"enum": list(Kind)}),
            "id": ("path", {**_ID, "examples": ["tvdb:81189", "imdb:tt0133093"]}),
            "role": ("path", {"enum": list(Role)}),
            "file": ("path", _SIZE_AND_FORMAT),
        },
    },
    "/data/images/profiles/profile_avatar_{id}.{format}": {
        "summary": "The profile picture of a streamer",
        "parameters": {"id": ("path", _ID), "format": ("path", _FORMAT_OF_FILE), "size": ("query", _SIZE)},
    },
    "/data/images/categories/{slug}.{format}": {
        "summary": "The cover of a category",
        "parameters": {"slug": ("path", _ID), "format": ("path", _FORMAT_OF_FILE), "size": ("query", _SIZE)},
    },
    "/data/images/artwork/{streamer}/stream_{id}.{format}": {
        "summary": "The artwork of a stream",
        "parameters": {
            "streamer": ("path", _ID),
            "id": ("path", _ID),
            "format": ("path", _FORMAT_OF_FILE),
            "size": ("query", _SIZE),
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
