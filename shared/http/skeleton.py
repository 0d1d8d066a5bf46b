"""The skeleton of an app: traced, its errors turned into answers, with health and metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.http.problems import Problem, problem_response
from shared.telemetry import MAX_FIELD, Metrics, canonical_line, new_trace_id, traced

Check = Callable[[], Awaitable[object]]
"""Returns when a dependency is usable, raises with the reason when it is not."""

CHECK_TIMEOUT_S = 2.0
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked all the time by machines: logged at debug."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Skeleton:
    """An app that services are put into: one, or in one process all of them."""

    app: web.Application
    metrics: Metrics
    checks: dict[str, Check] = field(default_factory=dict)


def create_skeleton(service: str, metrics: Metrics) -> Skeleton:
    skeleton = Skeleton(web.Application(middlewares=[_observed(service, metrics)]), metrics)
    skeleton.app.on_response_prepare.append(_say_no_versions)
    skeleton.app.add_routes(_health_routes(skeleton))
    return skeleton


def _observed(service: str, metrics: Metrics) -> Middleware:
    @web.middleware
    async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unknown"
        started = time.perf_counter()
        trace = new_trace_id(request.headers.get("X-Request-ID"))
        with (
            traced(trace),
            canonical_line(
                "request",
                level="debug" if route in QUIET else "info",
                service=service,
                method=request.method,
                path=request.raw_path[:MAX_FIELD],
            ) as line,
        ):
            response = await _answer(request, handler)
            line["status"] = response.status
        answered, seconds = metrics.answered(service, route, response.status)
        answered.inc()
        seconds.observe(time.perf_counter() - started)
        if not response.prepared:
            response.headers["X-Trace-Id"] = trace
        return response

    return observed


async def _say_no_versions(_request: web.Request, response: web.StreamResponse) -> None:
    """Python and its libraries are nobody's business; nothing else sets this header."""
    response.headers.popall("Server", None)


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, or the problem it ended in."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(problem)
    except web.HTTPException as error:
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem_response(Problem(HTTPStatus(error.status), f"{error.reason}.", headers=allowed))
    except Exception:  # noqa: BLE001 - the outermost edge: logged, answered
        _log.exception("request failed")
        return problem_response(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here."))


def _health_routes(skeleton: Skeleton) -> list[web.RouteDef]:
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_request: web.Request) -> web.Response:
        names = list(skeleton.checks)
        results = await asyncio.gather(*(_check(skeleton.checks[name]) for name in names))
        report = dict(zip(names, results, strict=True))
        well = all(result == "ok" for result in results)
        return web.json_response(
            {"status": "ready" if well else "not ready", "dependencies": report}, status=200 if well else 503
        )

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(skeleton.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    return [web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics)]


async def _check(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return "no answer"
    except Exception as error:  # noqa: BLE001 - whatever a dependency raises is its report
        _log.warning("dependency not ready", error=str(error))
        return str(error) or type(error).__name__
    return "ok"
