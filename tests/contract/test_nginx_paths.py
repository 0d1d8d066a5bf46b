"""nginx looks where the proxy would look, or leaves the request to it: however the request is spelled.

nginx runs the delivered configuration with one change: where it would open a file it answers with the paths it
would try, in their order, and where it would ask a proxy it answers 204. The proxy's side is its real routes,
parsing and signatures on a real server, with a delivery that answers what it was asked to deliver.
"""

import json
import logging
import os
import random
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Never, cast

import pytest
import structlog
from aiohttp import web

from services.proxy.access_counts import AccessCounts
from services.proxy.delivery import Delivered, Delivery
from services.proxy.handlers import PROXY, Proxy, picture_routes
from services.proxy.hot_answers import HotAnswers
from services.proxy.responses import Answers, Responder, picture_headers
from services.proxy.settings import ProxySettings
from services.proxy.wanted import Asked, Named, StoredPath
from shared.http import Problem, create_skeleton
from shared.http.signatures import Signatures
from shared.pictures import Format, HostRules, RefusalReason, Tree, candidates, name_path, picture_path
from shared.pictures.hosts import PICTURE_HOSTS
from shared.pictures.paths import POINTER, file_names
from shared.pictures.public_paths import PUBLIC_PATHS
from shared.telemetry import Metrics
from shared.volume import Names, StoredFile
from tests.contract.nginx_requests import Request, generated, plain, signed
from tests.servers.nginx import Nginx
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.raw_http import RawAnswer, ask_all

COUNT = int(os.environ.get("N", "4000"))
"""Enough to see a vocabulary of which one word was changed on one side; `make test N=40000` asks more."""

SEED = 20261121
GOLDEN = json.loads(
    (Path(__file__).parents[1] / "unit" / "golden" / "paths.json").read_text(encoding="utf-8")
)
_SILENT = logging.getLogger("tests.silent")
_SILENT.disabled = True
SAME_HEADERS = ("cache-control", "vary", "x-image-source")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Tens of thousands of requests need no line each."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def telling_paths(configuration: str) -> str:
    """The delivered configuration, but that it says where it would look instead of looking."""
    told = re.sub(r"try_files\s+([^;]+?)\s+@onesheet_proxies;", r'return 200 "\1";', configuration)
    told = re.sub(r'alias "[^"]*?/((?:cache|names|\$onesheet_name)/[^"]*)";', r'return 200 "/\1";', told)
    return re.sub(r"proxy_pass [^;]+;", "return 204;", told)


@asynccontextmanager
async def telling_nginx(volume: Path, **settings: str) -> AsyncIterator[Nginx]:
    async with running_onesheet_nginx(volume, settings=settings, change=telling_paths) as nginx:
        yield nginx


class TellingDelivery:
    """`Delivery` that answers with what it should deliver."""

    def refused(self, rule: RefusalReason) -> None:
        """Counted elsewhere."""

    async def deliver(self, asked: Asked, *, patience_s: float) -> Never:
        if isinstance(asked, StoredPath):
            trees = (Tree.CACHE, Tree.KEEP)
            paths = [
                f"{picture_path(tree, asked.picture)}/{asked.revision}/{asked.file_name}" for tree in trees
            ]
        elif isinstance(asked, Named):
            files = [file for rendition in asked.renditions for file in file_names(rendition)]
            paths = [f"{name_path(asked.name)}/{POINTER}/{file}" for file in files]
        else:
            paths = list(candidates(asked.picture, asked.renditions))
        headers = picture_headers(asked, Delivered(cast(StoredFile, None), first=False))
        raise Problem(HTTPStatus.IM_A_TEAPOT, json.dumps([paths, headers]))


@asynccontextmanager
async def telling_proxy(keys: Sequence[str] = ()) -> AsyncIterator[int]:
    """The port of a proxy that says where it would look."""
    skeleton = create_skeleton("proxy", Metrics())
    hot = HotAnswers(0, cast(Names, None), Format.WEBP)
    signatures, delivery = Signatures(keys), cast(Delivery, TellingDelivery())
    responder = Responder(hot, cors_origin="*", accel=False, allow_svg=True)
    skeleton.app[PROXY] = Proxy(
        settings=ProxySettings(),
        rules=HostRules.of("*"),
        signatures=signatures,
        private_signatures=signatures,
        delivery=delivery,
        hot=hot,
        answers=Answers(responder, delivery, signatures, PUBLIC_PATHS, redirects=False),
        use=cast(AccessCounts, None),
    )
    skeleton.add_routes(picture_routes(PUBLIC_PATHS))
    runner = web.AppRunner(skeleton.app, access_log=None, logger=_SILENT)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def told_by_proxy(answer: RawAnswer) -> tuple[list[str], dict[str, str]] | None:
    """None where it refuses. Drawings are left out: nginx leaves them to the proxy."""
    if answer.status != HTTPStatus.IM_A_TEAPOT:
        assert answer.status >= HTTPStatus.BAD_REQUEST, answer
        return None
    paths, headers = json.loads(json.loads(answer.body)["detail"])
    lower = {name.lower(): value for name, value in headers.items()}
    return [path for path in paths if not path.endswith(".svg")], _same(lower)


def told_by_nginx(answer: RawAnswer) -> tuple[list[str], dict[str, str]] | None:
    """None where it declines, or refuses what no server can read."""
    if answer.status != HTTPStatus.OK:
        assert answer.status in (204, 400, 404, 414), answer
        return None
    paths = [path.removeprefix("/") for path in answer.body.decode().split()]
    if paths[0].endswith(".unclear"):  # a name that no file has, for a header that is not plain
        return None
    if len(paths) == 1:  # a stored path, where keep/ is looked into when opening has failed
        paths.append(paths[0].replace("cache/", "keep/", 1))
    return list(dict.fromkeys(paths)), _same(answer.headers)


def _same(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in SAME_HEADERS if name in headers}


def asked(requests: Sequence[Request]) -> list[tuple[bytes, list[tuple[str, str]]]]:
    return [
        (each.target, [] if each.accept is None else [("Accept", each.accept.encode().decode("latin-1"))])
        for each in requests
    ]


async def test_nginx_looks_where_the_proxy_looks_or_declines(tmp_path: Path) -> None:
    requests = list(generated(SEED, COUNT))
    async with telling_nginx(tmp_path) as nginx, telling_proxy() as proxy_port:
        by_nginx = [told_by_nginx(answer) for answer in await ask_all(nginx.port, asked(requests))]
        pairs = list(zip(requests, by_nginx, strict=True))
        declined = [request for request, told in pairs if told is None]
        answered = [(request, told) for request, told in pairs if told is not None]
        by_proxy = await ask_all(proxy_port, asked([request for request, _ in answered]))
        others = await ask_all(proxy_port, asked(declined[: COUNT // 8]))
    assert [request for request in declined if request.plain] == []
    assert [
        (request, told, told_by_proxy(answer))
        for (request, told), answer in zip(answered, by_proxy, strict=True)
        if told != told_by_proxy(answer)
    ] == []
    assert [answer for answer in others if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR] == []
    assert min(len(answered), len(declined)) > COUNT / 4


@pytest.mark.parametrize("word", ["w342", "avif"])
async def test_so_few_requests_show_already_that_nginx_lacks_a_word(tmp_path: Path, word: str) -> None:
    """How many are asked by default is enough for that."""
    requests = list(generated(SEED, min(COUNT, 4000)))

    def lacking(configuration: str) -> str:
        return telling_paths(re.sub(rf"\b{word}\b", "unheard-of", configuration))

    async with running_onesheet_nginx(tmp_path, change=lacking) as nginx:
        told = [told_by_nginx(answer) for answer in await ask_all(nginx.port, asked(requests))]
    declined = [request for request, paths in zip(requests, told, strict=True) if paths is None]
    assert [request for request in declined if request.plain] != []


async def test_plain_requests_are_never_declined_whatever_else_they_say(tmp_path: Path) -> None:
    """Also with parameters that count only for signed URLs, and where each source host's facts are looked up."""
    random_ = random.Random(SEED)
    requests = [plain(random_) for _ in range(2000)]
    async with telling_nginx(tmp_path) as nginx:
        told = [told_by_nginx(answer) for answer in await ask_all(nginx.port, asked(requests))]
    assert None not in told
    sources = {headers.get("x-image-source") for _, headers in filter(None, told)}
    assert sources == {host.provider for host in PICTURE_HOSTS} | {None}  # of names


@pytest.mark.parametrize("keys", [("new-key", "old-key"), ('a key "with\\ everything ü',)])
async def test_nginx_accepts_the_signatures_that_the_proxy_accepts(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    random_ = random.Random(SEED)
    requests = [signed(random_, keys) for _ in range(COUNT // 4)]
    async with (
        telling_nginx(tmp_path, SIGNING_KEYS=", ".join(keys)) as nginx,
        telling_proxy(keys) as proxy_port,
    ):
        by_nginx = [told_by_nginx(answer) for answer in await ask_all(nginx.port, asked(requests))]
        by_proxy = [told_by_proxy(answer) for answer in await ask_all(proxy_port, asked(requests))]
    triples = list(zip(requests, by_nginx, by_proxy, strict=True))
    assert [each for each in triples if each[1] not in (None, each[2])] == []
    assert [each for each in triples if each[0].plain and each[1] is None] == []
    assert sum(told is not None for told in by_nginx) > len(requests) / 6
    assert sum(told is None for told in by_proxy) > len(requests) / 6
