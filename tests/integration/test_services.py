"""Each service as a process of its own, over RabbitMQ: a real picture from end to end."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio

from services.enricher.studio.studio import SETTINGS
from tests.integration.onesheet import until
from tests.providers.picture_host import PictureHost
from tests.servers.rabbitmq import Broker
from tests.servers.relay import Relay
from tests.servers.service import RunningService, running_service

POSTER = "/poster/1.jpg"
IDLE_PROXY_MB = 70


@dataclass(frozen=True)
class Services:
    proxy: RunningService
    fetcher: RunningService
    enricher: RunningService
    _client: aiohttp.ClientSession

    def __iter__(self) -> Any:
        return iter((self.proxy, self.fetcher, self.enricher))

    async def get(
        self, service: RunningService, path: str, query: Mapping[str, str] | None = None
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self._client.get(service.address + path, params=query) as response:
            return response, await response.read()


def settings_for(directory: Path, host: PictureHost, queue_url: str) -> dict[str, str]:
    authority = host.root.removeprefix("http://")
    return {
        "VOLUME_URL": f"file:{directory}/volume",
        "STATE_DIR": f"{directory}/state",
        "QUEUE_URL": queue_url,
        "ALLOWED_HOSTS": authority,
        "ALLOW_PRIVATE": authority,
    }


async def started(stack: AsyncExitStack, settings: Mapping[str, str], cwd: Path, *, warm: bool) -> Services:
    proxy, fetcher, enricher = await asyncio.gather(
        *(
            stack.enter_async_context(running_service(f"services.{name}", settings, cwd=cwd, warm=warm))
            for name in ("proxy", "fetcher", "enricher")
        )
    )
    client = await stack.enter_async_context(aiohttp.ClientSession())
    return Services(proxy, fetcher, enricher, client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host() -> AsyncIterator[PictureHost]:
    async with PictureHost.running() as host:
        yield host


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(
    tmp_path_factory: pytest.TempPathFactory, host: PictureHost, rabbitmq: Broker
) -> AsyncIterator[Services]:
    """Started as an operator does it: what they load and how much they take is their own."""
    directory = tmp_path_factory.mktemp("services")
    async with AsyncExitStack() as stack:
        settings = settings_for(directory, host, rabbitmq.vhost())
        yield await started(stack, settings, directory, warm=False)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_real_picture_goes_from_its_host_to_the_client_and_is_then_a_hit(
    services: Services, host: PictureHost
) -> None:
    query = {"url": host.url(POSTER), "size": "medium", "format": "webp"}
    miss, body = await services.get(services.proxy, "/api/images/proxy", query)
    hit, again = await services.get(services.proxy, "/api/images/proxy", query)
    assert (miss.status, hit.status) == (200, 200)
    assert (miss.headers["X-Image-Cached"], hit.headers["X-Image-Cached"]) == ("false", "true")
    assert miss.headers["Content-Type"] == "image/webp"
    assert body == again
    assert host.counts == {POSTER: 1}
    trace = miss.headers["X-Trace-Id"]
    await until(lambda: lines(services.fetcher, "job", trace_id=trace, type="RenderPicture"))
    (request,) = lines(services.proxy, "request", trace_id=trace)
    (job,) = lines(services.fetcher, "job", trace_id=trace, type="FetchPicture")
    assert (request["status"], request["outcome"]) == (200, "miss")
    assert (job["lane"], job["outcome"], job["attempt"]) == ("pictures.now", "fetched", 1)
    assert request["picture"] == job["picture"]
    assert min(request["duration_ms"], job["duration_ms"]) > 0


def lines(service: RunningService, event: str, **fields: object) -> list[dict[str, Any]]:
    wanted = {"event": event, **fields}.items()
    return [line for line in service.lines if wanted <= {**line}.items()]


@pytest.mark.asyncio(loop_scope="module")
async def test_every_service_tells_its_health_and_its_numbers(services: Services) -> None:
    keys = {
        "trakt": "TRAKT_CLIENT_ID",
        "tmdb": "TMDB_API_KEY",
        "tvdb": "TVDB_API_KEY",
        "fanart": "FANART_API_KEY",
        "hardcover": "HARDCOVER_API_KEY",
        "twitch": "TWITCH_CLIENT_ID",
    }
    off = {name: f"off: {key} is not set." for name, key in keys.items()}
    studio = {kind.value: f"off: {setting} is not set." for kind, setting in SETTINGS.items()}
    for service, well in (
        (services.proxy, {"dependencies": {"queue": "ok", "volume": "ok"}}),
        (services.fetcher, {"dependencies": {"queue": "ok", "volume": "ok"}}),
        (
            services.enricher,
            {
                "dependencies": {"queue": "ok", "database": "ok"},
                "providers": off,
                "studio": studio,
                "disk": {"room": "is made as it is needed"},
            },
        ),
    ):
        alive, _ = await services.get(service, "/healthz")
        assert (alive.status, await alive.json()) == (200, {"status": "alive"})
        ready, _ = await services.get(service, "/readyz")
        assert (ready.status, await ready.json()) == (200, {"status": "ready", **well})
        metrics, text = await services.get(service, "/metrics")
        assert metrics.headers["Content-Type"].startswith("text/plain")
        assert b"onesheet_requests_total" in text
        assert b"process_resident_memory_bytes" in text
        nothing, _ = await services.get(service, "/nothing")
        assert (nothing.status, nothing.content_type) == (404, "application/problem+json")
    assert b'onesheet_lane_depth{lane="pictures.now"}' in text


async def test_with_the_broker_down_the_queue_is_named_and_what_is_stored_is_served(
    tmp_path: Path, picture_host: PictureHost, rabbitmq: Broker
) -> None:
    stored = {"url": picture_host.url(POSTER), "size": "medium", "format": "webp"}
    missing = {"url": picture_host.url("/poster/2.jpg")}
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay.before(rabbitmq.amqp_port))
        settings = settings_for(tmp_path, picture_host, relay.url(rabbitmq.vhost()))
        services = await started(stack, settings, tmp_path, warm=True)
        assert (await services.get(services.proxy, "/api/images/proxy", stored))[0].status == 200
        relay.cut()
        for service in services:
            ready, body = await services.get(service, "/readyz")
            assert ready.status == 503
            report = json.loads(body)
            assert report["status"] == "not ready"
            assert report["dependencies"].pop("queue") != "ok"
            assert set(report["dependencies"].values()) <= {"ok"}
            assert (await services.get(service, "/healthz"))[0].status == 200
        assert (await services.get(services.proxy, "/api/images/proxy", stored))[0].status == 200
        late, _ = await services.get(services.proxy, "/api/images/proxy", missing)
        assert (late.status, late.content_type) == (503, "application/problem+json")
        assert int(late.headers["Retry-After"]) > 0
        relay.mend()

        async def is_ready() -> bool:
            answers = [(await services.get(service, "/readyz"))[0].status for service in services]
            return answers == [200, 200, 200]

        await until(is_ready, every_s=0.2)
        assert (await services.get(services.proxy, "/api/images/proxy", missing))[0].status == 200


@pytest.mark.asyncio(loop_scope="module")
async def test_an_idle_proxy_is_small_and_has_neither_pictures_nor_databases_in_it(
    services: Services,
) -> None:
    assert psutil.Process(services.proxy.pid).memory_info().rss / 2**20 <= IDLE_PROXY_MB
    proxy, fetcher = (
        " ".join(mapped.path for mapped in psutil.Process(service.pid).memory_maps())
        for service in (services.proxy, services.fetcher)
    )
    assert "/PIL/" not in proxy
    assert "sqlite" not in proxy
    assert "sqlalchemy" not in fetcher


@pytest.mark.parametrize(
    ("service", "without"),
    [
        ("proxy", ("PIL", "pebble", "sqlite3", "aiosqlite", "sqlalchemy", "alembic")),
        ("fetcher", ("sqlite3", "aiosqlite", "sqlalchemy", "alembic")),
    ],
)
def test_a_service_imports_nothing_it_does_not_need(service: str, without: tuple[str, ...]) -> None:
    program = (
        f"import sys, services.{service}.__main__, shared.queue.rabbitmq\n"
        f"print([name for name in {without!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
