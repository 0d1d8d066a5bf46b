"""Answers: problems (RFC 9457), bodies with their tag, and the header Retry-After."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from http import HTTPStatus
from types import MappingProxyType
from typing import Self

from aiohttp import web

from shared.telemetry import trace_id

NO_STORE = "no-store"
"""`Cache-Control` of what nobody may keep."""


class Problem(Exception):
    """An answer other than the one asked for. Raised anywhere below a handler, rendered in one place.

    `detail` is public: a sentence, without internals.
    """

    def __init__(self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def problem_response(problem: Problem) -> web.Response:
    body = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "trace_id": trace_id(),
    }
    headers = {"Content-Type": "application/problem+json", "Cache-Control": NO_STORE, **problem.headers}
    return web.Response(body=json.dumps(body).encode(), status=problem.status, headers=headers)


NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RenderedBody:
    """`etag` changes whenever the body does."""

    body: bytes
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Self:
        """Tagged by what it says."""
        return cls(body, f'"{blake2b(body, digest_size=12).hexdigest()}"', headers)


def rendered_response(rendered: RenderedBody, if_none_match: str | None) -> web.Response:
    """By RFC 9110, section 13.1.2: weakly compared, for a proxy that compresses makes a tag weak."""
    headers = {"ETag": rendered.etag, "Cache-Control": "no-cache", **rendered.headers}
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if rendered.etag in tags or "*" in tags:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return web.Response(body=rendered.body, headers={**headers, "Content-Type": "application/json"})


_LONGEST_S = 10**9


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Seconds or a date, as time from `now` and never below zero; None for neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return timedelta(seconds=min(int(value.strip()[:10]), _LONGEST_S))
    try:
        return max(timedelta(0), parsedate_to_datetime(value) - now)
    except (ValueError, TypeError, OverflowError):
        return None
