"""One more kind and two more forms of path in a copy of the table: everything that is made of the table has them.

The services run as processes (`tests/servers/wider.py`), nginx with the vocabulary that is written from the same copy.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.conformance.servers import Server, Servers
from tests.integration.onesheet import until
from tests.providers.picture_host import PictureHost
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.rabbitmq import Broker
from tests.servers.service import running_service

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
WIDER = "tests.servers.wider"
ADMIN = {"Authorization": "Bearer the-token"}
PINNED = "/api/v1/admin/images/channel/tv:5/banner"
SHOWN_BY = (
    "/api/v1/images/channel/tv:5/banner/small.webp",
    "/data/somebody/banner_tv:5.webp?size=small",
    "/data/somebody/banner_tv%3A5.webp?size=small",
    "/data/somebody/banner_tv:5.webp?size=smal%6C",  # read by nginx's JavaScript
)


@dataclass(frozen=True)
class Wide:
    servers: Servers
    enricher: Server
    host: PictureHost
    client: aiohttp.ClientSession

    async def order(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
        """Of the enricher, as an operator."""
        url = self.enricher.address + path
        async with self.client.request(method, url, json=body, headers=ADMIN) as answer:
            return answer.status, await answer.json()

    async def misses(self) -> float:
        """What had to be fetched or made before it could be answered, by whichever server."""
        return sum(
            [await one.count("onesheet_pictures_served_total", outcome="miss") for one in self.servers]
        )


def _vocabulary(directory: Path) -> Path:
    environment = {"PATH": os.environ["PATH"], "STARTS": "shared.pictures.nginx_vocabulary"}
    written = subprocess.run(
        [sys.executable, "-m", WIDER], cwd=PROJECT, env=environment, check=True, capture_output=True
    )
    file = directory / "vocabulary"
    file.write_bytes(written.stdout)
    return file


def _authority(address: str) -> str:
    return address.removeprefix("http://")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wide(rabbitmq: Broker) -> AsyncIterator[Wide]:
    """Outside of pytest's directory, which every further pytest on the machine closes to nginx again."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onesheet-wider-")))
        host = await enter(PictureHost.running())
        allowed = _authority(host.root)
        settings = {
            "QUEUE_URL": rabbitmq.vhost(),
            "VOLUME_URL": f"file:{directory}/volume",
            "STATE_DIR": f"{directory}/state",
            "ADMIN_TOKEN": "the-token",
            "ALLOWED_HOSTS": allowed,
            "ALLOW_PRIVATE": allowed,
            "TMDB_IMAGE_URL": host.url("/t/p"),
            "RENDER_PROCESSES": "1",
        }

        async def started(module: str, **own: str) -> str:
            service = await enter(
                running_service(WIDER, {**settings, **own, "STARTS": module}, cwd=directory, warm=False)
            )
            return service.address

        everything = await started("services", QUEUE_URL="", STATE_DIR=f"{directory}/own")
        await started("services.fetcher")
        enricher, proxy = await started("services.enricher"), await started("services.proxy")
        nginx = await enter(
            running_onesheet_nginx(
                directory / "volume",
                proxies=[_authority(proxy)],
                enricher=_authority(enricher),
                settings={
                    "TMDB_IMAGE_URL": settings["TMDB_IMAGE_URL"],
                    "VOCABULARY": str(_vocabulary(directory)),
                },
            )
        )
        client = await enter(aiohttp.ClientSession(skip_auto_headers=("Accept",), auto_decompress=False))
        servers = Servers(
            (
                Server("one process", everything, everything, client),
                Server("nginx", nginx.root, proxy, client),
                Server("proxy", proxy, proxy, client),
            )
        )
        yield Wide(servers, Server("enricher", enricher, enricher, client), host, client)


async def test_a_new_kind_in_a_new_form_is_served_alike_and_purged(wide: Wide) -> None:
    assert (await wide.order("PUT", PINNED, {"url": wide.host.url("/poster/1-60x90.jpg")}))[0] == 200
    (bare,) = (server for server in wide.servers if server.name == "proxy")
    made = await bare.get(SHOWN_BY[0])
    assert (made.status, made.media_type) == (200, "image/webp")
    misses, hits = await wide.misses(), await bare.count("onesheet_pictures_served_total", outcome="hit")
    for target in SHOWN_BY:
        shown = await wide.servers.ask(target)
        assert (shown.status, shown.body) == (200, made.body)
        assert shown.headers["X-Image-Cached"] == "true"
    assert await wide.misses() == misses
    assert await bare.count("onesheet_pictures_served_total", outcome="hit") == hits + len(
        SHOWN_BY
    )  # none of nginx's

    for target in (
        "/data/somebody/banner_.tv.webp",
        "/data/somebody/banner_tv.gif",
        "/data/~/banner_tv.webp",
    ):
        assert (await wide.servers.ask(target, varying=("X-Trace-Id",))).status == 400

    purge = "/api/v1/admin/images/data/somebody/banner_tv:5.webp"
    assert (await wide.order("DELETE", purge))[1]["unpinned"] is True

    async def purged() -> bool:
        status, said = await wide.order("DELETE", purge)
        return status == 202 and said["unpinned"] is False

    await until(purged)
    for server in wide.servers:
        for target in SHOWN_BY:

            async def is_gone(server: Server = server, target: str = target) -> bool:
                return (await server.get(target)).status == 404

            await until(is_gone)


async def test_a_new_form_of_tmdbs_paths_is_served_alike_and_purged(wide: Wide) -> None:
    known, new = "/t/p/w342/poster17.jpg", "/pictures/of/tmdb/w342/poster17.jpg"
    (bare,) = (server for server in wide.servers if server.name == "proxy")
    made = await bare.get(known)
    assert made.status == 200
    hits = await bare.count("onesheet_pictures_served_total", outcome="hit")
    shown = await wide.servers.ask(new)
    assert (shown.status, shown.body, shown.headers["X-Image-Cached"]) == (200, made.body, "true")
    assert await bare.count("onesheet_pictures_served_total", outcome="hit") == hits + 1
    assert (await wide.order("DELETE", f"/api/v1/admin/images{new}"))[0] == 202


async def test_new_forms_and_kinds_are_described(wide: Wide) -> None:
    file, tmdb = "/data/{somebody}/banner_{id}.{format}", "/pictures/of/tmdb/{size}/{file}"
    for server in wide.servers:
        async with wide.client.get(f"{server.address}/api/images/openapi.json") as answer:
            paths = (await answer.json())["paths"]
        assert paths[file]["get"]["summary"] == "A banner"
        assert [one["name"] for one in paths[file]["get"]["parameters"]] == [
            *("somebody", "id", "format", "size")
        ]
        kind, *_ = paths["/api/v1/images/{kind}/{id}/{role}/{file}"]["get"]["parameters"]
        assert "channel" in kind["schema"]["enum"]
        assert tmdb in paths
    async with wide.client.get(f"{wide.enricher.address}/api/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    assert {f"/api/v1/admin/images{form}" for form in (file, tmdb)} <= set(paths)
    kind, *_ = paths["/api/v1/admin/images/{kind}/{id}/{role}"]["put"]["parameters"]
    assert "channel" in kind["schema"]["enum"]
