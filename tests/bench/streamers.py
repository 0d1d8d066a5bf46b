"""Many streamers and categories added at once: how soon all their pictures are there, and what a restart in the middle costs.

python -m tests.bench.streamers 500 2000
"""

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from services.enricher.api.bearer_tokens import ADMIN_TOKEN_FILE
from services.enricher.finder.providers.twitch.client import AT_ONCE
from tests.bench.report import Figure, report
from tests.integration.onesheet import until
from tests.providers.picture_host import PictureHost
from tests.providers.twitch import CLIENT_ID, CLIENT_SECRET, TwitchHost
from tests.servers.service import measured_service

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
        async with _running(directory, twitch, host) as client:
            await _add(client, twitch)
            half = (streamers + categories) // 2
            await until(lambda: fetched() >= half, within_s=PATIENCE_S, every_s=0.5)
        async with _running(directory, twitch, host) as client:
            whole = streamers + categories
            await until(lambda: fetched() == whole, within_s=PATIENCE_S, every_s=0.5)
            await until(lambda: _stored(client, whole), within_s=PATIENCE_S, every_s=2)
            took_s = time.perf_counter() - begun
            listed = await _stats(client)
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
async def _running(
    directory: Path, twitch: TwitchHost, host: PictureHost
) -> AsyncIterator[aiohttp.ClientSession]:
    """A process of its own, and who has its admin token."""
    authority = host.root.removeprefix("http://")
    settings = {
        "VOLUME_URL": f"file:{directory}/data",
        "STATE_DIR": f"{directory}/state",
        "ALLOW_PRIVATE": authority,
        "ALLOWED_HOSTS": authority,
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "HOST_CONCURRENCY": "32",
        "LIVE_THUMBNAILS_EVERY": "0",
        "TWITCH_BASE_URL": twitch.base_url,
        "TWITCH_AUTH_URL": twitch.auth_url,
        "TWITCH_CLIENT_ID": CLIENT_ID,
        "TWITCH_CLIENT_SECRET": CLIENT_SECRET,
    }
    async with measured_service("services", settings, cwd=directory) as service:
        token = (directory / "state" / ADMIN_TOKEN_FILE).read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(service.address, headers=headers) as client:
            yield client


async def _add(client: aiohttp.ClientSession, twitch: TwitchHost) -> None:
    logins = [channel.login for channel in twitch.world.channels.values()]
    names = list(twitch.world.games.values())
    for path, said in (("/api/streamers", {"logins": logins}), ("/api/categories", {"names": names})):
        async with client.post(path, json=said) as answer:
            if answer.status != HTTPStatus.CREATED:
                raise RuntimeError(f"{path} was answered {answer.status}: {await answer.text()}")


async def _stored(client: aiohttp.ClientSession, count: int) -> bool:
    return bool((await _stats(client))["total_cached"] >= count)


async def _stats(client: aiohttp.ClientSession) -> dict[str, Any]:
    async with client.get("/data/images/stats") as answer:
        stats: dict[str, Any] = await answer.json()
        return stats


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:3]] or [STREAMERS, CATEGORIES]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        report(asyncio.run(streamers(Path(name).absolute(), streamers=sizes[0], categories=sizes[1])))
