"""What a good host has at a path: bytes, their headers, and the answer to "is it still the same?"."""

import hashlib
import mimetypes
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

_TYPES = {".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Page:
    """One resource in one version. `headers` are complete but for Content-Length."""

    body: bytes
    headers: dict[str, str]
    etag: str | None = None
    changed_at: datetime | None = None

    def is_known_to(self, request: web.Request) -> bool:
        """Whether 304 is right: If-None-Match decides, and If-Modified-Since only without it (RFC 9110, 13.2.2)."""
        if (known := request.if_none_match) is not None:
            return any(etag.value in ("*", self.etag) for etag in known)
        since = request.if_modified_since
        return since is not None and self.changed_at is not None and self.changed_at <= since


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a page says about itself."""

    content_type: str
    cache_control: str | None = None
    changed_at: datetime | None = None
    validators: bool = True
    """Whether it has an ETag and a Last-Modified at all."""
    headers: dict[str, str] = field(default_factory=dict)


def page_of(body: bytes, labels: Labels) -> Page:
    """The page for a body; its ETag follows from the bytes, its date is now unless given (whole seconds)."""
    headers = {"Content-Type": labels.content_type} | labels.headers
    if labels.cache_control is not None:
        headers["Cache-Control"] = labels.cache_control
    if not labels.validators:
        return Page(body, headers)
    etag = hashlib.sha256(body).hexdigest()[:16]
    changed_at = (labels.changed_at or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    headers |= {"ETag": f'"{etag}"', "Last-Modified": format_datetime(changed_at, usegmt=True)}
    return Page(body, headers, etag, changed_at)


def content_type_of(path: str) -> str:
    """By the extension of a path; octet-stream when it says nothing."""
    extension = "." + path.rpartition(".")[2].lower()
    return _TYPES.get(extension) or mimetypes.types_map.get(extension, "application/octet-stream")
