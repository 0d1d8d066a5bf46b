"""The skeleton of an app: its handlers observed, with health and metrics, and an answer for what nobody handles."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import hdrs, web

from shared.http.health import Check, Note, health_routes
from shared.http.observed import observed
from shared.http.problems import Problem
from shared.telemetry import Metrics

_ANYTHING = "/{anything:.*}"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """An app that services are put into: one, or in one process all of them."""

    app: web.Application
    service: str
    metrics: Metrics
    checks: dict[str, Check] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)

    def add_routes(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        for route in routes:
            assert isinstance(route, web.RouteDef)
            handler = observed(route.handler, route.path, self.service, self.metrics)
            self.app.router.add_route(route.method, route.path, handler)
            if route.method == hdrs.METH_GET:
                self.app.router.add_route(hdrs.METH_HEAD, route.path, handler)


def create_skeleton(service: str, metrics: Metrics) -> Skeleton:
    skeleton = Skeleton(web.Application(), service, metrics)
    skeleton.app.on_response_prepare.append(_say_no_versions)
    skeleton.add_routes(health_routes(metrics, skeleton.checks, skeleton.notes))
    skeleton.app.router.add_route("*", _ANYTHING, observed(_nobody_handles, "unknown", service, metrics))
    return skeleton


async def _nobody_handles(request: web.Request) -> web.StreamResponse:
    """Raise the Problem: no such path, or not with this method."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            allowed |= (await resource.resolve(request))[1]
    if not allowed:
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
    methods = ", ".join(sorted(allowed))
    raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {methods} here.", headers={"Allow": methods})


async def _say_no_versions(_request: web.Request, response: web.StreamResponse) -> None:
    """Python and its libraries are nobody's business; nothing else sets this header."""
    response.headers.popall("Server", None)
