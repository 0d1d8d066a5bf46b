"""The proxy's description of itself (OpenAPI 3.1). Written out, for its requests are parsed by hand, and fast."""

import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from aiohttp import web

from shared.pictures import SIZES, Format, Kind, Role, public_paths
from shared.pictures.name import ID_PATTERN
from shared.pictures.source import MAX_LENGTH
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
_TMDB_SIZE = {"enum": ["original", *public_paths.TMDB_SIZES]}
_FORMAT = {"enum": list(Format), "description": "Absent: what the Accept header asks for"}
_FORMAT_OF_FILE = {"enum": list(Format), "description": "Of a rendition; an original is what it is"}
_ID = {"type": "string", "pattern": f"^{ID_PATTERN}$"}
_SIZE_AND_FORMAT = {
    "type": "string",
    "pattern": f"^original$|^({'|'.join(SIZES)})([.]({'|'.join(Format)}))?$",
    "description": "No format: what the Accept header asks for",
    "examples": ["w342", "medium.webp"],
}
_CHECK_OF_KEY = {
    "summary": "Whether a key opens the paths that have one",
    "parameters": [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
    "responses": {"200": {"description": "It does"}, "403": {"description": "It does not"}},
}
_VIDEO = {
    "summary": "A video, to whoever knows its name; a private one by a signed URL alone",
    "parameters": [
        {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{public_paths.VIDEO_NAME}$"},
        }
    ],
    "responses": {
        "200": {"description": "The video"},
        "206": {"description": "The ranges asked for: several as multipart/byteranges, sixteen at most"},
        "304": {"description": "What the client has is still good"},
        "403": {"description": "It is private, and the URL is not signed, or not any more"},
        "404": {"description": "There is no such video"},
        "412": {"description": "It is not the one that the request is about"},
        "416": {"description": "None of the ranges lies within it, or they are none"},
        "503": {"description": "The volume cannot be reached: see Retry-After"},
    },
}
_HEX = {"type": "string", "pattern": "^[0-9a-f]+$"}

_Parameters = dict[str, tuple[str, dict[str, Any]]]


@cache
def description(paths: public_paths.PublicPaths = public_paths.PUBLIC_PATHS) -> bytes:
    document = {
        "openapi": "3.1.1",
        "info": {"title": "Onesheet: pictures", "version": ONESHEET_VERSION},
        "paths": {form.pattern: {"get": _operation(form.summary, _parameters(form))} for form in paths.forms}
        | {public_paths.KEY_CHECK: {"get": _CHECK_OF_KEY}}
        | {f"{folder}/{{name}}.mp4": {"get": _VIDEO} for folder in public_paths.VIDEO_FOLDERS},
    }
    return json.dumps(document).encode()


def _parameters(form: public_paths.Form) -> _Parameters:
    """Where each stands, and its schema."""
    match form:
        case public_paths.SourceForm():
            return {
                "url": ("query", {"type": "string", "format": "uri", "maxLength": MAX_LENGTH}),
                "size": ("query", _SIZE),
                "format": ("query", _FORMAT),
            }
        case public_paths.TmdbForm():
            return {"size": ("path", _TMDB_SIZE), "file": ("path", {"type": "string"})}
        case public_paths.StoredForm():
            return {
                "picture": ("path", _HEX),
                "revision": ("path", _HEX),
                "file": ("path", {"type": "string", "examples": ["w342.webp"]}),
            }
        case public_paths.NameForm() | public_paths.BareNameForm():
            of_name: _Parameters = {
                "kind": ("path", {"enum": list(Kind)}),
                "id": ("path", {**_ID, "examples": ["tvdb:81189", "imdb:tt0133093"]}),
                "role": ("path", {"enum": list(Role)}),
            }
            sized: _Parameters = {"file": ("path", _SIZE_AND_FORMAT)}
            return of_name | sized if isinstance(form, public_paths.NameForm) else of_name
        case public_paths.KeyedForm():
            return {
                "key": ("path", {"type": "string", "examples": ["t0-free"]}),
                "whose": ("path", {"enum": list(public_paths.KEYED_IDS)}),
                "shown": ("path", {"enum": list(public_paths.KEYED_ROLES)}),
                "id": ("path", {"type": "string", "examples": ["tt0133093", "movie-603", "series-1399"]}),
                "format": ("path", {"enum": list(public_paths.KEYED_FORMATS)}),
            }
        case public_paths.FileForm():
            *ids, extension = form.placeholders
            return {
                **dict.fromkeys(ids, ("path", _ID)),
                extension: ("path", _FORMAT_OF_FILE),
                "size": ("query", _SIZE),
            }
        case _:
            raise TypeError(f"Nothing describes {form}.")


def _operation(summary: str, parameters: _Parameters) -> dict[str, Any]:
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


def describing(paths: public_paths.PublicPaths) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def describe(_request: web.Request) -> web.Response:
        return web.Response(body=description(paths), content_type="application/json")

    return describe
