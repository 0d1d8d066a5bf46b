"""The app that services are put into: each request observed, health, readiness and metrics answered."""

import asyncio
import errno
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import unquote_plus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from shared.background import Background
from shared.http.answers import Problem, problem_response
from shared.http.connections import MAX_CONNECTIONS
from shared.http.early import Head
from shared.http.signatures import SIGNATURE
from shared.settings import Settings
from shared.telemetry import MAX_FIELD, Level, Metrics, canonical_line, new_trace_id, traced
from shared.telemetry.logs import KnownLine, write_known_line
from shared.volume import VolumeAway


class HttpSettings(Settings):
    host: str = Field("127.0.0.1", validation_alias="HOST")
    chosen_port: int | None = Field(None, validation_alias="PORT", ge=0, le=65535)
    """None: the service's own; 0: any free one, which is logged."""
    max_connections: int = Field(MAX_CONNECTIONS, validation_alias="MAX_CONNECTIONS", ge=1)

    @property
    def is_local(self) -> bool:
        """Whether nobody reaches it but this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def port(self, default: int) -> int:
        return default if self.chosen_port is None else self.chosen_port


Check = Callable[[], Awaitable[object]]
"""Returns when a dependency is usable, raises with the reason when it is not."""

Note = Callable[[], Mapping[str, str]]
"""Says how something is without which the service is ready all the same; empty: nothing is worth a note."""

CHECK_TIMEOUT_S = 2.0
STORED_READY = "/readyz/stored"
"""Of a proxy: whether what is stored can be served, which needs no queue."""

QUIET = frozenset({"/healthz", "/readyz", STORED_READY, "/metrics"})
"""Logged at debug."""

_log = structlog.get_logger()


def health_routes(
    metrics: Metrics, checks: Mapping[str, Check], notes: Mapping[str, Note]
) -> list[web.AbstractRouteDef]:
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def measured(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    return [
        web.get("/healthz", alive),
        web.get("/readyz", readiness(checks, notes)),
        web.get("/metrics", measured),
    ]


def readiness(checks: Mapping[str, Check], notes: Mapping[str, Note]) -> Handler:
    """Each dependency by its name: 200 where all are usable, else 503. A change is logged, and not each look."""
    before: dict[str, str] = {}

    async def ready(_request: web.Request) -> web.Response:
        names = list(checks)
        results = await asyncio.gather(*(_check(checks[name]) for name in names))
        report = dict(zip(names, results, strict=True))
        for name, result in report.items():
            if (result == "ok") != (before.get(name, "ok") == "ok"):
                _tell(name, result)
        before.update(report)
        well = all(result == "ok" for result in results)
        said = {name: told for name, note in notes.items() if (told := note())}
        return web.json_response(
            {"status": "ready" if well else "not ready", "dependencies": report, **said},
            status=200 if well else 503,
        )

    return ready


def _tell(name: str, result: str) -> None:
    if result == "ok":
        _log.info("dependency ready again", dependency=name)
    else:
        _log.warning("dependency not ready", dependency=name, error=result)


async def _check(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return "no answer"
    except Exception as error:  # noqa: BLE001 - whatever a dependency raises is its report
        return str(error) or type(error).__name__
    return "ok"


API_KEY = "api_key"
"""The parameter that clients of TMDB's send their key in: ours, where they are pointed at us."""

_SECRET = frozenset({API_KEY, "code", "state"})
"""Parameters that are not told: keys, and what a browser brings back from where somebody signed in."""
_SIGNATURE_SHOWN = 8
"""Whoever has a signature may use it: a log says which one it was, and no more."""


_KEY = re.compile(
    r"(?:^(?!/api/)|(?<=/images))/[^/?]+/(?=(?:imdb|tmdb|tvdb)/|isvalid(?:/|$|\?))", re.IGNORECASE
)
"""Where programs have their key in a path: what it begins with, and what is purged by such a path."""


@lru_cache(1024)
def without_keys(path: str) -> str:
    """A path and query as a log may have them: remembered, for a page's pictures are asked for in the same words."""
    before, mark, query = _KEY.sub("/…/", path).partition("?")
    return before + mark + "&".join(map(_without_key, query.split("&")))


def _without_key(pair: str) -> str:
    name, _, value = pair.partition("=")
    called = unquote_plus(name)
    if called == SIGNATURE and len(value) > _SIGNATURE_SHOWN:
        return f"{name}={value[:_SIGNATURE_SHOWN]}…"
    return f"{name}=…" if called in _SECRET and value else pair


AWAY_RETRY_AFTER_S = 10

CLIENT_LEFT = 499
"""As nginx logs it: the connection ended before the answer did."""


def observed(handler: Handler, route: str, service: str, metrics: Metrics) -> Handler:
    """Around each handler rather than as a middleware: aiohttp's way to those costs a hit a twentieth of its time."""
    level: Level = "debug" if route in QUIET else "info"

    async def answer(request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        trace = new_trace_id(request.headers.get("X-Request-ID"))
        path = without_keys(request.raw_path[:MAX_FIELD])
        with (
            traced(trace),
            canonical_line(
                "request", level=level, service=service, method=request.method[:20], path=path
            ) as line,
        ):
            try:
                response = await handler(request)
            except (ConnectionError, asyncio.CancelledError):  # there is nobody to tell anything any more
                line["status"] = CLIENT_LEFT
                raise
            except OSError as error:
                if (
                    error.errno == errno.ETIMEDOUT and request.transport is None
                ):  # it took nothing for too long
                    line["status"] = CLIENT_LEFT
                    raise ConnectionResetError from error
                response = problem_response(_problem(error))
            except Exception as error:  # noqa: BLE001 - the outermost edge: every error is an answer
                response = problem_response(_problem(error))
            line["status"] = response.status
        metrics.answered(service, route, response.status).count(time.perf_counter() - started)
        if not response.prepared:
            response.headers["X-Trace-Id"] = trace
        return response

    return answer


Facts = tuple[tuple[str, str], ...]
"""What a line says besides, by name."""


class Observation:
    """Of a request that is answered early: the same line and counts as others have."""

    __slots__ = ("_head", "_metrics", "_route", "_service", "_started", "trace")

    def __init__(self, head: Head, route: str, service: str, metrics: Metrics) -> None:
        self._started = time.perf_counter()
        self._head = head
        self._route = route
        self._service = service
        self._metrics = metrics
        self.trace = new_trace_id(head.headers.get("X-Request-ID"))

    def answered(self, status: int, said: Facts) -> None:
        seconds = time.perf_counter() - self._started
        known = _known_line(self._service, self._head.target, said)
        write_known_line(known, self.trace, status, round(seconds * 1000, 1))
        self._metrics.answered(self._service, self._route, status).count(seconds)


@lru_cache(512)
def _known_line(service: str, target: str, said: Facts) -> KnownLine:
    path = without_keys(target[:MAX_FIELD])
    return KnownLine(event="request", level="info", service=service, method="GET", path=path, **dict(said))


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case web.HTTPException():
            return Problem(HTTPStatus(error.status), f"{error.reason}.")
        case VolumeAway():
            _log.warning("volume away", error=str(error))
            return Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "What is stored cannot be reached just now.",
                headers={"Retry-After": str(AWAY_RETRY_AFTER_S)},
            )
    _log.error("request failed", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here.")


_ANYTHING = "/{anything:.*}"

PROBLEM_PAGE: web.AppKey[Callable[[web.Request, Problem], web.StreamResponse]] = web.AppKey("problem page")
"""Where there are pages for people: what a browser shows of a path that nobody handles."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """An app that services are put into: one, or in one process all of them."""

    app: web.Application
    service: str
    metrics: Metrics
    background: Background
    checks: dict[str, Check] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    unknown: web.AbstractResource | None = None
    """Of what nobody handles."""

    def add_routes(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        """What nobody handles comes behind them, for a path may begin with anything."""
        for route in routes:
            assert isinstance(route, web.RouteDef)
            handler = observed(route.handler, route.path, self.service, self.metrics)
            self.metrics.expect_answers(self.service, route.path)
            self.app.router.add_route(route.method, route.path, handler)
            if route.method == hdrs.METH_GET:
                self.app.router.add_route(hdrs.METH_HEAD, route.path, handler)
        if self.unknown:
            self.app.router.unindex_resource(self.unknown)
            self.app.router.index_resource(self.unknown)


def create_skeleton(service: str, metrics: Metrics) -> Skeleton:
    background, app = Background(metrics), web.Application()
    nobody = app.router.add_route("*", _ANYTHING, observed(_nobody_handles, "unknown", service, metrics))
    skeleton = Skeleton(app, service, metrics, background, unknown=nobody.resource)
    skeleton.notes["background"] = background.failing
    skeleton.app.on_response_prepare.append(_say_no_versions)
    skeleton.add_routes(health_routes(metrics, skeleton.checks, skeleton.notes))
    return skeleton


async def _nobody_handles(request: web.Request) -> web.StreamResponse:
    """Raise the Problem: no such path, or not with this method."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            allowed |= (await resource.resolve(request))[1]
    if not allowed:
        problem = Problem(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
        show = request.app.get(PROBLEM_PAGE)
        if show and "text/html" in request.headers.get("Accept", ""):
            return show(request, problem)
        raise problem
    methods = ", ".join(sorted(allowed))
    raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {methods} here.", headers={"Allow": methods})


async def _say_no_versions(_request: web.Request, response: web.StreamResponse) -> None:
    """Python and its libraries are nobody's business; nothing else sets this header."""
    response.headers.popall("Server", None)
