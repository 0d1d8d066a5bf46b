"""200,000 pictures on the volume: how soon a proxy is up, and whether hits are as fast as with 100."""

import time
from pathlib import Path

from shared.pictures import SourceUrl
from tests.bench.filled import REVISION, SIZE, linkable, store
from tests.bench.load import ROUNDS, load
from tests.bench.report import Figure
from tests.bench.standing import Standing
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import measured_service

MANY, FEW = 200_000, 100
START_PROMISE_S = 2.0
SPEED_PROMISE = 0.9
"""As fast, within what two runs on these machines differ."""


async def many_pictures(standing: Standing, node: RabbitNode, directory: Path) -> list[Figure]:
    """The pictures are links to one file, so that the page cache is not what is measured."""
    few, many = directory / "few", directory / "many"
    few_urls = _filled(few / "data", standing.file, FEW)
    many_urls = _filled(many / "data", standing.file, MANY)
    settings = {**standing.settings, "QUEUE_URL": node.vhost()}
    started = time.monotonic()
    async with measured_service(
        "services.proxy", {**settings, "VOLUME_URL": f"file:{many}/data"}, cwd=many
    ) as large:
        start_s = time.monotonic() - started
        async with measured_service(
            "services.proxy", {**settings, "VOLUME_URL": f"file:{few}/data"}, cwd=few
        ) as small:
            fast, usual = [], []
            for _ in range(ROUNDS):
                fast.append((await load(large.address, script=_script(many, many_urls))).per_second)
                usual.append((await load(small.address, script=_script(few, few_urls))).per_second)
    ratio = sorted(mine / other for mine, other in zip(fast, usual, strict=True))[ROUNDS // 2]
    return [
        Figure(
            what=f"a proxy's start with {MANY:,} pictures on the volume",
            ours=f"{start_s:.2f} s",
            reference="–",
            compared="–",
            promise=f"≤ {START_PROMISE_S:.0f} s",
            kept=start_s <= START_PROMISE_S,
        ),
        Figure(
            what=f"hits on {FEW} different ones of {MANY:,} pictures at one proxy",
            ours=f"{sorted(fast)[ROUNDS // 2]:,.0f}/s",
            reference=f"{sorted(usual)[ROUNDS // 2]:,.0f}/s of {FEW}",
            compared=f"{ratio:.2f} ×",
            promise=f"≥ {SPEED_PROMISE} ×",
            kept=ratio >= SPEED_PROMISE,
        ),
    ]


def _filled(volume: Path, file: Path, count: int) -> list[str]:
    """Fill a volume; return the paths of FEW pictures, from all over it."""
    body = volume.parent / "body"
    volume.mkdir(parents=True)
    body.write_bytes(file.read_bytes())
    every = count // FEW
    pictures = [
        SourceUrl.parse(f"https://image.tmdb.org/t/p/original/{number}.jpg").picture
        for number in range(count)
    ]
    for picture in pictures:
        store(volume, picture, linkable(body))
    return [f"/p/{picture}/{REVISION}/{SIZE}.webp" for picture in pictures[::every]]


def _script(directory: Path, paths: list[str]) -> Path:
    """For wrk: one path after the other."""
    script = directory / "paths.lua"
    listed = ",".join(f'"{path}"' for path in paths)
    script.write_text(
        f"paths={{{listed}}} n=0\nrequest=function() n=n+1 return wrk.format('GET',paths[n%#paths+1]) end\n"
    )
    return script
