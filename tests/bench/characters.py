"""Characters: what is known at one enricher, against a bare aiohttp handler; and a cast of 60 from four sources."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import aiohttp
from PIL import Image

from tests.bench.load import Served, cpu_us
from tests.bench.proxy_hits import bare
from tests.bench.report import Figure
from tests.integration.casting import put_cast
from tests.providers import tmdb as tmdb_stand_in
from tests.providers import tvdb as tvdb_stand_in
from tests.providers.drawing import encode
from tests.providers.tmdb import TmdbHost
from tests.providers.tvdb import TvdbHost
from tests.servers.service import measured_service

FAST_PROMISE, TABLE_PROMISE = 0.5, 0.1
CAST_PROMISE_S, LATENCY_S = 1.5, 0.2
CAST, TITLE, NUMBER = 60, "Movie 1", 1
ADMIN_TOKEN = "the-token"
HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def characters(directory: Path) -> list[Figure]:
    async with AsyncExitStack() as stack:
        tmdb = await stack.enter_async_context(TmdbHost.running(requests=1000))
        tvdb = await stack.enter_async_context(TvdbHost.running(requests=1000))
        roles = [f"Character {chr(65 + place // 10)}{chr(97 + place % 10)}" for place in range(CAST)]
        picture = "https://artworks.thetvdb.com/{place}.jpg"
        put_cast(tmdb, tvdb, TITLE, NUMBER, at_tmdb=roles, at_tvdb=roles[10:40], role=picture)
        settings = {
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "TMDB_API_KEY": tmdb_stand_in.API_KEY,
            "TMDB_BASE_URL": tmdb.base_url,
            "TVDB_API_KEY": tvdb_stand_in.API_KEY,
            "TVDB_BASE_URL": tvdb.base_url,
        }
        cast = await _cast(directory / "cast", settings, tmdb, tvdb, roles)
        known = await _known(directory / "known", settings, roles[0])
        return [cast, *known]


async def _cast(
    directory: Path, settings: Mapping[str, str], tmdb: TmdbHost, tvdb: TvdbHost, roles: list[str]
) -> Figure:
    """Ten of each: an operator's files, generated ones, TVDB's; the rest is TMDB's."""
    files = directory / "static/images/characters"
    files.mkdir(parents=True)
    for role in roles[:10]:
        name = role.lower().replace(" ", "_")
        (files / f"{name}.jpg").write_bytes(encode(Image.new("RGB", (60, 90)), "jpeg"))
    own = {**settings, **_at(directory)}
    async with (
        measured_service("services.enricher", own, cwd=directory) as enricher,
        aiohttp.ClientSession(enricher.address, headers=HEADERS, raise_for_status=True) as client,
    ):
        for role in roles[10:20]:
            said = {"name": role, "movie_title": TITLE, "profile_path": "anonymous_1.jpg"}
            await client.post("/api/v1/characters", json=said)
        tmdb.latency_s = tvdb.latency_s = LATENCY_S
        began = time.perf_counter()
        async with client.post("/api/v1/characters/preload", json={"movie_title": TITLE}) as answer:
            told = await answer.json()
        seconds = time.perf_counter() - began
        tmdb.latency_s = tvdb.latency_s = 0.0
    assert (told["found"], len(told["by_source"])) == (CAST, 4), told
    asked = tmdb.counts[f"/3/movie/{NUMBER}"], tvdb.counts[f"/v4/movies/{NUMBER}/extended"]
    return Figure(
        what=f"a cast of {CAST} from four sources, the providers take {LATENCY_S * 1000:.0f} ms",
        ours=f"{seconds:.2f} s",
        reference=f"{CAST * LATENCY_S:.0f} s one after the other",
        compared=f"{asked[0]} + {asked[1]} casts asked for",
        promise=f"≤ {CAST_PROMISE_S} s, each once",
        kept=seconds <= CAST_PROMISE_S and asked == (1, 1),
    )


def _at(directory: Path) -> Mapping[str, str]:
    return {"VOLUME_URL": f"file:{directory}/data", "QUEUE_URL": f"sqlite:{directory}/queue.sqlite"}


async def _known(directory: Path, settings: Mapping[str, str], role: str) -> list[Figure]:
    """CPU of the serving process per request, as throughput: who waits for the network waits for all alike."""
    path = f"/api/v1/characters/image?name={quote(role)}&movie_title={quote(TITLE)}"
    file = directory / "answer.json"
    tiers = {"fast": "64", "table": "0.0001"}
    async with AsyncExitStack() as stack:
        served = {}
        for tier, megabytes in tiers.items():
            own = {**settings, **_at(directory / tier), "CHARACTER_CACHE_MB": megabytes}
            (directory / tier).mkdir(parents=True)
            enricher = await stack.enter_async_context(
                measured_service("services.enricher", own, cwd=directory / tier)
            )
            async with aiohttp.ClientSession(headers=HEADERS, raise_for_status=True) as client:
                for _ in range(2):
                    async with client.get(enricher.address + path) as answer:
                        body = await answer.read()
            assert json.loads(body)["cache_hit"]
            served[tier] = Served(enricher.address + path, enricher.pid)
        file.write_bytes(body)
        served["bare"] = await stack.enter_async_context(bare(file))
        took = await cpu_us(served)
    promises = {"fast": FAST_PROMISE, "table": TABLE_PROMISE}
    return [
        Figure(
            what=f"a character that the {tier} tier has, at one enricher",
            ours=f"{1e6 / took[tier]:,.0f}/s of CPU",
            reference=f"{1e6 / took['bare']:,.0f}/s bare aiohttp",
            compared=f"{took['bare'] / took[tier]:.2f} ×",
            promise=f"≥ {promise} ×",
            kept=took["bare"] / took[tier] >= promise,
        )
        for tier, promise in promises.items()
    ]


if __name__ == "__main__":
    import tempfile

    from tests.bench.report import report

    with tempfile.TemporaryDirectory() as name:
        report(asyncio.run(characters(Path(name))))
