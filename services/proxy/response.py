"""The response for a stored file: what nginx says of the same file, said the same way."""

import asyncio
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import web

from services.proxy.wanted import Wanted
from shared.pictures import media_type_of, picture_host
from shared.volume import StoredFile

YEAR = "public, max-age=31536000, immutable"
DAY = "public, max-age=86400, stale-while-revalidate=604800"


async def respond(
    file: StoredFile, wanted: Wanted, request: web.Request, *, first: bool
) -> web.StreamResponse:
    """Raise FileNotFoundError when the file vanished since it was found."""
    headers = _headers(file, wanted, first=first)
    if _is_unchanged(request.headers, headers["ETag"]):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    body = await asyncio.to_thread(file.path.read_bytes)
    return web.Response(body=body, headers={**headers, "Content-Type": media_type_of(file.extension)})


def _headers(file: StoredFile, wanted: Wanted, *, first: bool) -> dict[str, str]:
    host = picture_host(wanted.source.host)
    headers = {
        "ETag": f'"{file.modified_s:x}-{file.bytes:x}"',
        "Last-Modified": formatdate(file.modified_s, usegmt=True),
        "Cache-Control": YEAR if host and host.immutable else DAY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Image-Cached": "false" if first else "true",
        "X-Image-Source": host.provider if host else wanted.source.host,
    }
    if wanted.negotiated:
        headers["Vary"] = "Accept"
    return headers


def _is_unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Weak comparison of If-None-Match (RFC 9110, section 13.1.2)."""
    known = [tag.strip().removeprefix("W/") for tag in headers.get("If-None-Match", "").split(",")]
    return etag in known or "*" in known
