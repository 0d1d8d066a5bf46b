"""nginx towards strangers: TLS with HTTP/2, how much each may ask, what it says of itself in headers and logs."""

import asyncio
import json
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from shared.pictures import picture_id
from tests.contract.nginx_site import TMDB, TMDB_PATH, Site
from tests.contract.test_documents import blocks
from tests.integration.onesheet import until
from tests.servers.certificates import made_certificate
from tests.servers.onesheet_nginx import DELIVERED, render, running_onesheet_nginx
from tests.servers.upstream import running_upstream


@asynccontextmanager
async def front(tmp_path: Path, **settings: str) -> AsyncIterator[Site]:
    volume = tmp_path / "volume"
    volume.mkdir()
    async with AsyncExitStack() as stack:
        proxy, enricher = [await stack.enter_async_context(running_upstream()) for _ in range(2)]
        nginx = await stack.enter_async_context(
            running_onesheet_nginx(
                volume, proxies=[proxy.address], enricher=enricher.address, settings=settings
            )
        )
        yield Site(volume, nginx, proxy, enricher)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return made_certificate(tmp_path_factory.mktemp("tls"))


async def test_with_a_certificate_it_speaks_http_2_and_only_by_tls(
    tmp_path: Path, certificate: dict[str, str]
) -> None:
    trust = ssl.create_default_context(cafile=certificate["TLS_CERTIFICATE"])
    trust.set_alpn_protocols(["h2"])
    async with front(tmp_path, **certificate) as site:
        _, writer = await asyncio.open_connection("127.0.0.1", site.nginx.port, ssl=trust)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        writer.close()
        trust.set_alpn_protocols(["http/1.1"])
        site.store(picture_id(TMDB), "w342.webp", b"picture")
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"https://127.0.0.1:{site.nginx.port}{TMDB_PATH}", ssl=trust) as answer,
        ):
            assert await answer.read() == b"picture"
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert (await site.ask("/healthz")).status == 400  # plain HTTP at the port of TLS


@pytest.mark.parametrize("document", ["docs/behind-nginx.md", "deploy/nginx/README.md"])
def test_what_documents_say_to_type_makes_a_configuration_that_nginx_takes(
    document: str, tmp_path: Path, certificate: dict[str, str]
) -> None:
    typed = next(block for block in blocks(DELIVERED.parents[1] / document) if "nginx/render" in block)
    for word, here in (
        ("/etc/ssl/onesheet.pem", certificate["TLS_CERTIFICATE"]),
        ("/etc/ssl/onesheet.key", certificate["TLS_KEY"]),
        ("/srv/onesheet/data", str(tmp_path)),
        ("/etc/onesheet-nginx", str(tmp_path / "rendered")),
        ("nginx -c", "nginx -t -c"),
    ):
        typed = typed.replace(word, here)
    done = subprocess.run(
        ["sh", "-eu"],
        input=typed,
        cwd=DELIVERED.parents[1],
        env={"PATH": os.environ["PATH"], "NGINX_RUN": str(tmp_path / "run")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "syntax is ok" in done.stderr) == (0, True), done.stderr


async def test_what_is_not_stored_is_rationed_by_client_and_hits_are_not(tmp_path: Path) -> None:
    async with front(tmp_path, NGINX_MISS_RATE="1", NGINX_MISS_BURST="3") as site:
        missing = [await site.ask(TMDB_PATH) for _ in range(6)]
        assert [answer.status for answer in missing].count(429) == 2
        refused = missing[-1]
        assert (refused.headers["retry-after"], json.loads(refused.body)["status"]) == ("2", 429)
        site.store(picture_id(TMDB), "w342.webp", b"picture")
        assert {(await site.ask(TMDB_PATH)).status for _ in range(6)} == {200}


async def test_behind_a_trusted_balancer_the_client_is_who_the_balancer_says(tmp_path: Path) -> None:
    settings = {"NGINX_MISS_RATE": "1", "NGINX_MISS_BURST": "1", "NGINX_TRUSTED_PROXIES": "127.0.0.1"}
    async with front(tmp_path, **settings) as site:
        for number in range(5):
            client = ("X-Forwarded-For", f"203.0.113.{number}")
            assert (await site.ask(TMDB_PATH, client)).status == 200


async def test_what_nobody_here_takes_is_refused_by_nginx(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        unknown = await site.ask("/api/library/items", method="PROPFIND")
        assert (unknown.status, "GET, HEAD" in unknown.headers["allow"]) == (405, True)
        assert json.loads(unknown.body)["status"] == 405
        async with (
            aiohttp.ClientSession() as client,
            client.post(site.nginx.url(TMDB_PATH), data=b"x" * 2000) as answer,
        ):
            assert answer.status == 413
        assert (await site.ask("/api/library/items", method="POST")).status == 404
        assert site.proxy.requests + site.enricher.requests == []


async def test_pages_are_sent_with_headers_that_protect_them(tmp_path: Path) -> None:
    async with front(tmp_path, EXPOSE_API="true") as site:
        headers = (await site.ask("/")).headers
        sent = [headers[name] for name in ("x-content-type-options", "referrer-policy", "x-frame-options")]
        assert sent == ["nosniff", "same-origin", "SAMEORIGIN"]


async def test_the_log_of_each_request_has_the_trace_that_the_services_are_told(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    async with front(tmp_path, NGINX_ACCESS_LOG=str(log)) as site:
        await site.ask(TMDB_PATH)
        site.store(picture_id(TMDB), "w342.webp", b"picture")
        await site.ask(TMDB_PATH, ("User-Agent", 'a "quoted" one'))
        await until(lambda: log.read_text().count("\n") == 2)
        miss, hit = map(json.loads, log.read_text().splitlines())
        (request,) = site.proxy.requests
        assert miss["trace_id"] == request.headers["X-Request-ID"]
        parent = request.headers["traceparent"]
        assert parent == f"00-{miss['trace_id']}-{miss['trace_id'][:16]}-01"
        assert (hit["status"], hit["bytes"], hit["user_agent"]) == (200, 7, 'a "quoted" one')


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("/t/p/w342/x.jpg?a=1", "/t/p/w342/x.jpg?a=1"),
        ("/t/p/w342/x.jpg?exp=9&sig=abcdefghijkl", "/t/p/w342/x.jpg?…"),
        ("/t/p/w342/x.jpg?s%69g=abcdefghijkl", "/t/p/w342/x.jpg?…"),
    ],
)
async def test_the_log_has_no_keys_and_no_signatures(tmp_path: Path, asked: str, told: str) -> None:
    log = tmp_path / "access.log"
    async with front(tmp_path, NGINX_ACCESS_LOG=str(log)) as site:
        await site.ask(asked)
        await until(lambda: log.read_text().count("\n") == 1)
        assert json.loads(log.read_text())["path"] == told


def test_settings_come_from_the_env_file_where_the_environment_has_none(tmp_path: Path) -> None:
    """The file is the services' own: what nginx does not know of it is nothing to it."""
    env = tmp_path / "env"
    env.write_text(
        "# ours\nexport NGINX_LISTEN = 9000\nNGINX_LISTEN='9001' \nPROXIES=\"a:1, b:2\"\nEXPOSE_API=true # yes\n"
        "TMDB_API_KEY=$(exit 1)\nNGINX_USER=\nENRICHER=c:3"
    )
    settings = {
        "ENV_FILE": str(env),
        "VOLUME_URL": f"file:{tmp_path}",
        "NGINX_RUN": str(tmp_path / "run"),
        "ENRICHER": "d:4",
    }
    render(tmp_path / "rendered", settings)
    rendered = (tmp_path / "rendered" / "onesheet.conf").read_text()
    for line in ("listen 9001;", "server a:1 ", "server b:2 ", "server d:4 ", "client_max_body_size 16m;"):
        assert line in rendered
    assert "c:3" not in rendered


def test_the_delivered_configuration_passes_nginx_s_own_check_with_everything_set(
    tmp_path: Path, certificate: dict[str, str]
) -> None:
    settings = {
        "VOLUME_URL": f"file:{tmp_path}",
        "NGINX_RUN": str(tmp_path / "run"),
        "NGINX_PLAIN_LISTEN": "127.0.0.1:8081",
        "NGINX_ACCESS_LOG": "syslog:server=unix:/dev/log",
        "NGINX_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32",
        "EXPOSE_API": "true",
        "ACCESS_LOG_ADDRESS": "127.0.0.1:5140",
        **certificate,
    }
    render(tmp_path / "rendered", settings)
    command = ["nginx", "-t", "-q", "-c", str(tmp_path / "rendered/nginx.conf"), "-e", str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
