"""A page of 60 cold posters by name, all asked for at once over one HTTP/2 connection, as browsers do through nginx."""

import asyncio
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import aiohttp
from PIL import Image

from shared.pictures import SIZES
from tests.bench.by_name import LATENCY_S, POSTERS, drawn_posters, found_at
from tests.bench.earlier import idle
from tests.bench.report import Figure
from tests.providers.separate_host import SeparateHost
from tests.providers.tmdb import TmdbHost
from tests.servers.certificates import made_certificate
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.service import measured_service

SIZE = "w342"
ROUNDS = 3
DIRECT_PROMISE = 1.3
BROWSERS_CONNECTIONS = 6
OLDER_PROMISE = 1.05
"""No slower than by HTTP/1.1, within what two runs on these machines differ."""


ALIKE = {"RENDER_WHEN_IDLE": "false"}
"""What else this machine does takes of ours as much as of what is compared."""

CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Way:
    """How a page is asked for."""

    version: str
    at_once: int
    connections: int


MULTIPLEXED = Way("--http2", POSTERS, 1)
OLDER = Way("--http1.1", BROWSERS_CONNECTIONS, BROWSERS_CONNECTIONS)


async def multiplexed(directory: Path) -> list[Figure]:
    """In turns, each time by services that know nothing. The posters are drawn beforehand: 1000 × 1500 pixels."""
    tls = made_certificate(directory)
    posters = range(1, POSTERS + 1)
    ours: list[float] = []
    older: list[float] = []
    direct = []
    async with SeparateHost.running() as host, TmdbHost.running(requests=1000) as tmdb:
        await drawn_posters(host, [*posters])
        tmdb.latency_s = LATENCY_S
        for number in range(ROUNDS):
            for way, took in ((MULTIPLEXED, ours), (OLDER, older)):
                place = directory / f"{way.version}-{number}"
                place.mkdir()
                settings = found_at(host, tmdb) | {"VOLUME_URL": f"file:{place}/data", **ALIKE}
                took.append(await _fresh_page(settings, tls, posters, way, into=place))
            direct.append(await _directly(host, posters))
    ours_s, older_s, direct_s = map(statistics.median, (ours, older, direct))
    what = f"{POSTERS} cold posters by name through nginx, one HTTP/2 connection"
    return [
        Figure(
            what=what,
            ours=f"{ours_s:.2f} s",
            reference=f"{direct_s:.2f} s directly",
            compared=f"{ours_s / direct_s:.2f} ×",
            promise=f"≤ {DIRECT_PROMISE} ×",
            kept=ours_s <= DIRECT_PROMISE * direct_s,
        ),
        Figure(
            what=what,
            ours=f"{ours_s:.2f} s",
            reference=f"{older_s:.2f} s by {OLDER.connections} of HTTP/1.1",
            compared=f"{ours_s / older_s:.2f} ×",
            promise=f"≤ {OLDER_PROMISE} ×",
            kept=ours_s <= OLDER_PROMISE * older_s,
        ),
    ]


async def _fresh_page(
    settings: dict[str, str], tls: dict[str, str], posters: range, way: Way, *, into: Path
) -> float:
    async with (
        measured_service("services", settings, cwd=into) as onesheet,
        running_onesheet_nginx(
            into / "data", proxies=[onesheet.address.removeprefix("http://")], settings=tls, workers=CORES
        ) as nginx,
    ):
        await idle(onesheet.pid, for_s=1)
        return await _page(f"https://127.0.0.1:{nginx.port}", posters, way, into=into)


async def _page(origin: str, numbers: range, way: Way, *, into: Path) -> float:
    """By curl, which takes next to nothing of the processors. Raise RuntimeError where a poster does not come at once."""
    asked = [
        word
        for number in numbers
        for word in (
            *("-o", f"{into}/{number}.webp"),
            f"{origin}/api/v1/images/movie/tmdb:{number}/poster/{SIZE}",
        )
    ]
    began = time.perf_counter()
    curl = await asyncio.create_subprocess_exec(
        *("curl", "-k", "--no-progress-meter", way.version, "--parallel", "--parallel-max", str(way.at_once)),
        *("-H", "Accept: image/webp"),
        *("-w", "%{http_code} %{content_type} %{http_version} %{num_connects}\n", *asked),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await curl.communicate()
    took = time.perf_counter() - began
    answers = [line.split() for line in said.decode().splitlines()]
    if {tuple(answer[:2]) for answer in answers} != {("200", "image/webp")} or len(answers) != len(numbers):
        raise RuntimeError(f"not every poster came: {answers}")
    if (connections := sum(int(answer[3]) for answer in answers)) != way.connections:
        raise RuntimeError(f"{connections} connections by {way.version}: {answers}")
    return took


async def _directly(host: SeparateHost, numbers: range) -> float:
    """What one process needs that knows where the posters are: download them all at once, render on all cores."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CORES) as cores:
        async with aiohttp.ClientSession(raise_for_status=True) as session:

            async def one(number: int) -> bytes:
                async with session.get(host.url(f"/t/p/original/poster{number}en.jpg")) as answer:
                    body = await answer.read()
                return await asyncio.get_running_loop().run_in_executor(cores, _rendered, body)

            await asyncio.gather(*map(one, numbers))
    return time.perf_counter() - began


def _rendered(body: bytes) -> bytes:
    with Image.open(BytesIO(body)) as image:
        size = SIZES[SIZE].fit(*image.size)
        image.draft(None, (2 * size[0], 2 * size[1]))
        made = BytesIO()
        image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2).save(made, "WEBP", quality=85, method=2)
    return made.getvalue()
