"""A large video, sought in by many at once: through nginx against a plain static file, by a proxy alone, and what that holds."""

import os
import statistics
from pathlib import Path

import psutil

from tests.bench.load import ROUNDS, load
from tests.bench.report import Figure
from tests.bench.standing import Standing
from tests.providers.videos import write_mp4
from tests.servers.onesheet_nginx import running_onesheet_nginx

NAME = "0e4fb7a8-33f6-4b29-8f6f-000000000200"
SIZE, SOUGHT = 200 * 1024**2, 1024**2
CLIENTS = 50
PROMISE, MEMORY_PROMISE_MB = 0.9, 16

_SEEKING = f"""
request = function()
    local first = math.random(0, {SIZE - SOUGHT})
    return wrk.format("GET", nil, {{["Range"] = string.format("bytes=%d-%d", first, first + {SOUGHT - 1})}})
end
"""


async def videos(standing: Standing) -> list[Figure]:
    file = standing.volume / "videos" / "public" / f"{NAME}.mp4"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_mp4(file, SIZE)
    plain = standing.directory / "plain.mp4"
    os.link(file, plain)
    script = standing.directory / "seeking.lua"
    script.write_text(_SEEKING)
    path = f"/videos/{NAME}.mp4"
    proxy, process = standing.proxy.address, psutil.Process(standing.proxy.pid)

    def with_a_static_file(configuration: str) -> str:
        location = f'location = /plain.mp4 {{ alias "{plain}"; max_ranges 16; }}'
        return configuration.replace("server {", f"server {{\n    {location}", 1)

    async with running_onesheet_nginx(
        standing.volume, proxies=(proxy.removeprefix("http://"),), change=with_a_static_file
    ) as nginx:
        ours, static, by_nginx = await _seeking(nginx.url(path), nginx.url("/plain.mp4"), script)
        await _seeking(proxy + path, proxy + path, script, rounds=1)
        before_mb = process.memory_info().rss / 1024**2
        alone, through, by_proxy = await _seeking(proxy + path, nginx.url(path), script)
        grown_mb = process.memory_info().rss / 1024**2 - before_mb
    what = f"{CLIENTS} clients seek in a video of {SIZE // 1024**2} MB"
    return [
        _figure(f"{what}, through nginx", ours, f"{static:,.0f} MB/s static", by_nginx),
        _figure(f"{what}, one proxy alone", alone, f"{through:,.0f} MB/s nginx", by_proxy),
        Figure(
            what="memory of the proxy meanwhile",
            ours=f"{grown_mb:+.0f} MB",
            reference="–",
            compared="–",
            promise=f"≤ +{MEMORY_PROMISE_MB} MB",
            kept=grown_mb <= MEMORY_PROMISE_MB,
        ),
    ]


async def _seeking(
    ours: str, reference: str, script: Path, *, rounds: int = ROUNDS
) -> tuple[float, float, float]:
    """Megabytes a second of both, taken in turns, and the median of the rounds' ratios."""
    seen = [[await _mb_per_s(url, script) for url in (ours, reference)] for _ in range(rounds)]
    ratio = statistics.median(mine / other for mine, other in seen)
    return statistics.median(one[0] for one in seen), statistics.median(one[1] for one in seen), ratio


async def _mb_per_s(url: str, script: Path) -> float:
    seen = await load(url, connections=CLIENTS, script=script, headers=("Accept: */*",))
    return seen.per_second * SOUGHT / 1024**2


def _figure(what: str, ours: float, reference: str, ratio: float) -> Figure:
    return Figure(
        what=what,
        ours=f"{ours:,.0f} MB/s",
        reference=reference,
        compared=f"{ratio:.2f} ×",
        promise=f"≥ {PROMISE} ×",
        kept=ratio >= PROMISE,
    )
