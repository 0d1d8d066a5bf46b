"""Health, readiness and metrics: what machines ask all the time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.telemetry import Metrics

Check = Callable[[], Awaitable[object]]
"""Returns when a dependency is usable, raises with the reason when it is not."""

Note = Callable[[], Mapping[str, str]]
"""Says how something is without which the service is ready all the same."""

CHECK_TIMEOUT_S = 2.0
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Logged at debug."""

_log = structlog.get_logger()


def health_routes(
    metrics: Metrics, checks: Mapping[str, Check], notes: Mapping[str, Note]
) -> list[web.AbstractRouteDef]:
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_request: web.Request) -> web.Response:
        names = list(checks)
        results = await asyncio.gather(*(_check(checks[name]) for name in names))
        report = dict(zip(names, results, strict=True))
        well = all(result == "ok" for result in results)
        said = {name: note() for name, note in notes.items()}
        return web.json_response(
            {"status": "ready" if well else "not ready", "dependencies": report, **said},
            status=200 if well else 503,
        )

    async def measured(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    return [web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", measured)]


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
