"""Rendered: an answer that is JSON already, told from others by its tag."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from types import MappingProxyType
from typing import Self

from aiohttp import web

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rendered:
    """`etag` changes whenever the body does."""

    body: bytes
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Self:
        """Tagged by what it says."""
        return cls(body, f'"{blake2b(body, digest_size=12).hexdigest()}"', headers)


def rendered_response(rendered: Rendered, if_none_match: str | None) -> web.Response:
    """By RFC 9110, section 13.1.2: weakly compared, for a proxy that compresses makes a tag weak."""
    headers = {"ETag": rendered.etag, "Cache-Control": "no-cache", **rendered.headers}
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if rendered.etag in tags or "*" in tags:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return web.Response(body=rendered.body, headers={**headers, "Content-Type": "application/json"})
