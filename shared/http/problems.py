"""Problems: what went wrong, in a sentence a user can act on (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from shared.telemetry import trace_id


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
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store", **problem.headers}
    return web.Response(body=json.dumps(body).encode(), status=problem.status, headers=headers)
