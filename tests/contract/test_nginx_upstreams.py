"""The delivered nginx and who is behind it: misses, what it says itself, files left to it, its log, its settings."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from services.proxy.access_counts import AccessCounts
from shared.contracts import Envelope, PicturesUsed
from shared.pictures import Tree, picture_id, picture_path
from shared.queue import Queue
from shared.telemetry import Metrics
from shared.volume.local.layout import Layout
from shared.volume.local.names import LocalNames
from tests.contract.nginx_site import NAME, REVISION, TMDB, TMDB_PATH, YEAR, Site, at_the_site, by_url
from tests.servers.onesheet_nginx import NOBODY_THERE, render, running_onesheet_nginx
from tests.servers.raw_http import RawAnswer, raw_connection
from tests.servers.upstream import BY_UPSTREAM, running_upstream


@at_the_site
async def test_a_miss_goes_to_the_proxy_and_its_answer_comes_back_whole(site: Site) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        assert len(request.headers["X-Request-ID"]) == 32
        return web.json_response({}, status=503, headers={"Retry-After": "7", "X-Image-Pending": "1"})

    site.proxy.answer = busy
    strange = by_url(TMDB).replace("url=", "ur%6c=") + "&x=%zz+%C3"
    answer = await site.ask(strange)
    assert (answer.status, answer.headers["retry-after"], answer.headers["x-image-pending"]) == (
        503,
        "7",
        "1",
    )
    assert site.proxy.targets == [strange]


async def test_when_a_proxy_is_down_another_answers(tmp_path: Path) -> None:
    async with (
        running_upstream() as proxy,
        running_onesheet_nginx(tmp_path, proxies=[NOBODY_THERE, proxy.address, NOBODY_THERE]) as nginx,
        raw_connection(nginx.port) as connection,
    ):
        for _ in range(10):
            assert (await connection.ask(TMDB_PATH.encode())).status == 200
        assert len(proxy.requests) == 10


async def test_when_all_are_down_the_answer_says_so(tmp_path: Path) -> None:
    exposed = {"EXPOSE_API": "true"}
    async with (
        running_onesheet_nginx(tmp_path, settings=exposed) as nginx,
        raw_connection(nginx.port) as connection,
    ):
        for target in (b"/", TMDB_PATH.encode(), b"/p/x"):
            answer = await connection.ask(target)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert problem(answer)["trace_id"] == answer.headers["x-trace-id"]


@at_the_site
async def test_what_nginx_refuses_itself_is_a_problem_like_all_others(site: Site) -> None:
    for target, status in (("/p/%zz", 400), ("/" + "a" * 40_000, 414), ("/metrics", 404), ("/stored/x", 404)):
        answer = await site.ask(target)
        assert answer.status == status
        assert problem(answer)["status"] == status
    too_long = await site.ask("/", ("X-Long", "a" * 40_000))
    assert (too_long.status, problem(too_long)["status"]) == (400, 400)


def problem(answer: RawAnswer) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = json.loads(answer.body)
    assert set(document) == {"type", "title", "status", "detail", "trace_id"}
    return document


@at_the_site
async def test_a_body_that_comes_with_a_question_for_a_picture_goes_no_further(site: Site) -> None:
    heard: list[bytes] = []

    async def hear(request: web.Request) -> web.StreamResponse:
        heard.append(await request.read())
        return web.Response()

    site.proxy.answer = hear
    async with aiohttp.ClientSession() as client:
        for path in (by_url(TMDB), by_url(TMDB, "x=%zz"), TMDB_PATH, "/p/x", "/readyz", "/readyz/stored"):
            url = URL(f"http://127.0.0.1:{site.nginx.port}{path}", encoded=True)
            async with client.get(url, data=b"a body") as answer:
                assert answer.status == 200
    assert heard == [b""] * 6


@at_the_site
async def test_everything_else_is_the_enrichers(site: Site) -> None:
    back = "/trakt/callback?code=x&state=y"
    for target in ("/", "/ops", "/api/items/enriched?page=1", "/api/images/stats", back):
        assert BY_UPSTREAM.lower() in (await site.ask(target)).headers
    assert len(site.enricher.requests) == 5
    assert (await site.ask("/healthz")).status == 200
    for target in ("/readyz", "/readyz/stored"):
        assert (await site.ask(target)).headers[BY_UPSTREAM.lower()]
    assert [request.path for request in site.proxy.requests] == ["/readyz", "/readyz/stored"]


async def test_of_several_enrichers_each_is_asked_and_none_that_is_down(tmp_path: Path) -> None:
    async with running_upstream() as one, running_upstream() as another:
        enrichers = f"{one.address} {NOBODY_THERE} {another.address}"
        async with (
            running_onesheet_nginx(tmp_path, enricher=enrichers, settings={"EXPOSE_API": "true"}) as nginx,
            raw_connection(nginx.port) as connection,
        ):
            for _ in range(10):
                assert (await connection.ask(b"/api/items/enriched?page=1")).status == 200
    assert min(len(one.requests), len(another.requests)) >= 3
    assert len(one.requests) + len(another.requests) == 10


async def test_unless_it_is_told_to_nginx_shows_strangers_nothing_but_pictures(tmp_path: Path) -> None:
    async with (
        running_upstream() as proxy,
        running_upstream() as enricher,
        running_onesheet_nginx(tmp_path, proxies=[proxy.address], enricher=enricher.address) as nginx,
        raw_connection(nginx.port) as connection,
    ):
        for target in (
            "/",
            "/ops",
            "/api/docs",
            "/api/items/enriched",
            "/api/events",
            "/api/images/cache/list",
            "/api/v1/admin/tasks",
        ):
            answer = await connection.ask(target.encode())
            assert (answer.status, problem(answer)["status"]) == (404, 404), target
        for target in ("/api/v1/images/artwork/1", "/api/v1/images/storage/stats"):
            await connection.ask(target.encode())
        assert enricher.requests == []
        assert (await connection.ask(b"/api/v1/images/movie/7/poster/medium")).status == 200
        assert len(enricher.requests) == 1


@at_the_site
async def test_behind_nginx_a_service_is_asked_by_a_name_of_its_own_and_told_that_it_is(site: Site) -> None:
    for target in ("/api/docs", TMDB_PATH):
        assert (await site.ask(target)).status == 200
    for request in (*site.enricher.requests, *site.proxy.requests):
        assert request.headers["Host"] == "localhost"
        assert request.headers["X-Forwarded-Host"] == "onesheet.example"
        assert request.headers["X-Forwarded-For"] == "127.0.0.1"


@at_the_site
async def test_a_page_of_metadata_is_packed_for_who_can_unpack_it(site: Site) -> None:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"items": ["a poster"] * 1000}, headers={"ETag": '"abc"'})

    site.enricher.answer = page
    url = f"http://127.0.0.1:{site.nginx.port}/api/items/enriched"
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        async with client.get(url, headers={"Accept-Encoding": "gzip"}) as packed:
            assert (packed.headers["Content-Encoding"], packed.headers["ETag"]) == ("gzip", 'W/"abc"')
            assert packed.headers["Vary"] == "Accept-Encoding"
            body = await packed.read()
        async with client.get(url, headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert gzip.decompress(body) == await plain.read()
    assert len(body) < 1000


@at_the_site
async def test_a_url_of_2048_escaped_characters_is_read(site: Site) -> None:
    url = "http://a.example/".ljust(2048, "(")
    site.store(picture_id(url), "original.jpg", b"a picture")
    answer = await site.ask(by_url(url))
    assert (answer.status, answer.body) == (200, b"a picture")
    assert BY_UPSTREAM.lower() in (await site.ask(by_url(url + "("))).headers


@at_the_site
async def test_a_file_that_a_proxy_leaves_to_nginx_is_sent_with_the_proxys_headers(site: Site) -> None:
    file = site.store(picture_id(TMDB), "original.svg", b"a large picture")
    inside = "/stored/" + str(file.relative_to(site.volume))

    async def leave(_request: web.Request) -> web.StreamResponse:
        headers = {"X-Accel-Redirect": inside, "Content-Type": "image/svg+xml", "Cache-Control": YEAR}
        more = {"X-Image-Source": "tmdb", "X-Image-Cached": "false", "Vary": "Accept"}
        return web.Response(headers=headers | more)

    site.proxy.answer = leave
    answer = await site.ask(by_url(TMDB))
    assert (answer.status, answer.body) == (200, b"a large picture")
    assert answer.headers["cache-control"] == YEAR
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["accept-ranges"] == "bytes"
    assert [answer.headers[name] for name in ("x-image-source", "x-image-cached", "vary")] == [
        "tmdb",
        "false",
        "Accept",
    ]
    part = await site.ask(by_url(TMDB), ("Range", "bytes=2-6"))
    assert (part.status, part.body) == (206, b"large")
    inside = f"/stored/{picture_path(Tree.CACHE, picture_id(TMDB))}/current/manifest.json"
    (file.parent / "manifest.json").write_bytes(b"secret")
    assert (await site.ask(by_url(TMDB))).status == 404


class Announcing:
    """A queue, as far as it tells everybody something."""

    def __init__(self) -> None:
        self.announced: list[Envelope] = []

    async def announce(self, envelope: Envelope) -> None:
        self.announced.append(envelope)


async def test_a_sample_of_what_it_sends_is_told_to_the_proxy(tmp_path: Path) -> None:
    queue, metrics = Announcing(), Metrics()
    use = AccessCounts(cast(Queue, queue), LocalNames(Layout(tmp_path)), metrics)
    heard = asyncio.Event()

    class Hearing(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            use.hear(data)
            heard.set()

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Hearing, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    settings = {"ACCESS_LOG_ADDRESS": f"127.0.0.1:{port}", "ACCESS_LOG_SAMPLE": "1"}
    async with (
        running_upstream() as proxy,
        running_onesheet_nginx(tmp_path, proxies=[proxy.address], settings=settings) as nginx,
    ):
        site = Site(tmp_path, nginx, proxy, proxy)
        site.store(picture_id(TMDB), "w342.webp", b"a picture")
        site.name(NAME, picture_id(TMDB))
        await site.ask("/api/images/proxy?url=http://a.example/missing")
        for target in (TMDB_PATH, by_url(TMDB, "size=w342"), f"/p/{picture_id(TMDB)}/{REVISION}/w342.webp"):
            heard.clear()
            await site.ask(target)
            await asyncio.wait_for(heard.wait(), 5)
        heard.clear()
        await site.ask(f"/api/v1/images/{NAME}/w342")
        await asyncio.wait_for(heard.wait(), 5)
    transport.close()
    await use.tell()
    assert [event.payload for event in queue.announced] == [PicturesUsed(used={picture_id(TMDB): 4})]
    sent = {"outcome": "hit by nginx"}
    assert metrics.registry.get_sample_value("onesheet_pictures_served_total", sent) == 4


@pytest.mark.parametrize(
    "settings",
    [
        {"PROXIES": "a:1; }"},
        {"NGINX_LISTEN": '8080" evil'},
        {"CORS_ORIGIN": "$http_origin"},
        {"ACCESS_LOG_SAMPLE": "0"},
        {"TMDB_IMAGE_URL": "https://Image.tmdb.org/t/p"},
        {"SIGNING_KEYS": "a\nb"},
        {"VOLUME_URL": "file:/nowhere/at/all"},
        {"EXPOSE_API": "perhaps"},
        {"PROXIES": "host-without-port"},
        {"ENRICHER": "10.0.0.2:eighty"},
        {"MISS_WAIT_OTHERS": "abc"},
        {"NGINX_ERROR_LOG": "/var/log/x; evil"},
        {"NGINX_ERROR_LOG": "relative.log"},
        {"NGINX_ACCESS_LOG": "relative.log"},
        {"NGINX_USER": "Nobody at all"},
        {"NGINX_WORKERS": "many"},
        {"NGINX_MODULES": "/nowhere"},
        {"NGINX_MISS_RATE": "fast"},
        {"NGINX_MISS_BURST": "0"},
        {"NGINX_TRUSTED_PROXIES": "balancer"},
        {"NGINX_HSTS": "perhaps"},
        {"NGINX_PLAIN_LISTEN": "80"},
        {"ACCESS_LOG_ADDRESS": "proxy"},
        {"IMAGE_FORMAT": "gif"},
        {"TLS_CERTIFICATE": "/nowhere/certificate.pem"},
        {"TLS_KEY": "/nowhere/key.pem"},
    ],
)
def test_settings_that_would_break_out_of_the_configuration_are_refused(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    usual = {"VOLUME_URL": f"file:{tmp_path}", "NGINX_RUN": str(tmp_path / "run")}
    with pytest.raises(ValueError, match="render: ") as refused:
        render(tmp_path / "rendered", usual | settings)
    assert next(iter(settings)) in str(refused.value)
    assert settings.get("VOLUME_URL", "").removeprefix("file:") in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("proxies", ["a:1,b:2", "a:1, b:2", "a:1 b:2"])
def test_proxies_are_listed_as_any_other_list_or_with_spaces(tmp_path: Path, proxies: str) -> None:
    usual = {"VOLUME_URL": f"file:{tmp_path}", "NGINX_RUN": str(tmp_path / "run")}
    render(tmp_path / "rendered", {**usual, "PROXIES": proxies})
    rendered = (tmp_path / "rendered" / "onesheet.conf").read_text()
    assert ("server a:1 " in rendered, "server b:2 " in rendered) == (True, True)


def test_nobody_else_can_read_the_keys(tmp_path: Path) -> None:
    settings = {
        "VOLUME_URL": f"file:{tmp_path}",
        "NGINX_RUN": str(tmp_path / "run"),
        "SIGNING_KEYS": "secret",
    }
    render(tmp_path / "rendered", settings)
    holding = [file for file in (tmp_path / "rendered").iterdir() if "secret" in file.read_text()]
    assert [(file.name, file.stat().st_mode & 0o777) for file in holding] == [("settings.js", 0o600)]
