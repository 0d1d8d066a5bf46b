"""Many streamers and categories added at once: how soon all their pictures are there, and what a restart in the middle costs.

python -m tests.bench.streamers 500 2000
"""

import asyncio
import math
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.enricher.finder.providers.twitch.client import AT_ONCE
from services.enricher.streamers import StreamerSettings
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.settings import HostSettings
from tests.bench.report import Figure, report
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.picture_host import PictureHost
from tests.providers.twitch import TwitchHost

STREAMERS, CATEGORIES = 500, 2_000
POINTS, PERIOD_S = 5, 15.0
"""Of the stand-in, which has no need to wait at Twitch's own 800 in a minute."""

PROMISE = 1.2
PATIENCE_S = 600


async def streamers(
    directory: Path, *, streamers: int = STREAMERS, categories: int = CATEGORIES
) -> list[Figure]:
    requests = 1 + math.ceil(streamers / AT_ONCE) + math.ceil(categories / AT_ONCE)
    demanded_s = (math.ceil(requests / POINTS) - 1) * PERIOD_S
    async with (
        PictureHost.running() as host,
        TwitchHost.running(requests=POINTS, period_s=PERIOD_S) as twitch,
    ):
        _settle(twitch, host, streamers, categories)
        paths = _paths(streamers, categories)

        def fetched() -> int:
            return sum(host.count(path) > 0 for path in paths)

        begun = time.perf_counter()
        async with _running(directory, twitch, host) as enricher:
            await _add(enricher, twitch)
            half = (streamers + categories) // 2
            await until(lambda: fetched() >= half, within_s=PATIENCE_S, every_s=0.5)
        async with _running(directory, twitch, host) as enricher:
            whole = streamers + categories
            await until(lambda: fetched() == whole, within_s=PATIENCE_S, every_s=0.5)
            await until(lambda: _stored(enricher, whole), within_s=PATIENCE_S, every_s=2)
            took_s = time.perf_counter() - begun
            listed = (await enricher.manage("GET", "/data/images/stats")).json
    twice = sum(host.count(path) > 1 for path in paths)
    ratio = took_s / demanded_s if demanded_s else 0.0
    return [
        Figure(
            what=f"{streamers} streamers and {categories:,} categories at once, a restart in the middle",
            ours=f"{took_s:.0f} s, {listed['total_cached']:,} pictures, {twice} fetched twice, {twitch.over_limit} refused",
            reference=f"{demanded_s:.0f} s that {POINTS} requests in {PERIOD_S:.0f} s demand for {requests}",
            compared=f"{ratio:.2f} ×" if demanded_s else "–",
            promise=f"≤ {PROMISE} ×, none lost",
            kept=ratio <= PROMISE and listed["total_cached"] == streamers + categories,
        )
    ]


def _settle(twitch: TwitchHost, host: PictureHost, streamers: int, categories: int) -> None:
    twitch.world.host = host
    for number in range(streamers):
        twitch.world.add_channel(str(number + 1), f"streamer{number + 1}")
    for number in range(categories):
        twitch.world.add_game(str(number + 1), f"Category {number + 1}")


def _paths(streamers: int, categories: int) -> list[str]:
    return [f"/profile-streamer{number + 1}-300x300.jpg" for number in range(streamers)] + [
        f"/boxart-{number + 1}-1200x1600.jpg" for number in range(categories)
    ]


@asynccontextmanager
async def _running(directory: Path, twitch: TwitchHost, host: PictureHost) -> AsyncIterator[RunningEnricher]:
    authority = host.root.removeprefix("http://")
    os.environ |= {
        "ALLOW_PRIVATE": authority,
        "ALLOWED_HOSTS": authority,
        "DISK_FREE_FLOOR_GB": "0",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "HOST_CONCURRENCY": "32",
    }
    async with running_enricher(
        directory,
        twitch=twitch,
        fetcher=FetcherSettings(),
        proxy=ProxySettings(),
        hosts=HostSettings(),
        streamers=StreamerSettings(live_every_s=0),
    ) as enricher:
        yield enricher


async def _add(enricher: RunningEnricher, twitch: TwitchHost) -> None:
    logins = [channel.login for channel in twitch.world.channels.values()]
    assert (await enricher.manage("POST", "/api/streamers", {"logins": logins})).status == 201
    names = list(twitch.world.games.values())
    assert (await enricher.manage("POST", "/api/categories", {"names": names})).status == 201


async def _stored(enricher: RunningEnricher, count: int) -> bool:
    return bool((await enricher.manage("GET", "/data/images/stats")).json["total_cached"] >= count)


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:3]] or [STREAMERS, CATEGORIES]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        report(asyncio.run(streamers(Path(name).absolute(), streamers=sizes[0], categories=sizes[1])))
