"""The catalog of 300,000 pictures: made anew, counted, kept within a budget, while hits go on."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import psutil

from services.enricher.keeper.catalog.budget import END_AT
from shared.pictures import Manifest, Original, PictureId, Placeholder, SourceUrl, Tree, picture_path
from shared.pictures.manifest import MANIFEST
from shared.volume import VolumeSettings
from shared.volume.local.layout import prepared_layout
from tests.bench.background import background
from tests.bench.filled import REVISION, SIZE, linkable
from tests.bench.load import CONNECTIONS, load
from tests.bench.report import Figure
from tests.integration.onesheet import until
from tests.providers.separate_host import SeparateHost
from tests.servers.service import RunningService, measured_service

MANY = 300_000
EVICTED = 10_000
SPARE = 200
"""As many more are made to go, for the directories that pictures share go with them."""

REBUILD_PROMISE = 3_000
STATISTICS_PROMISE_MS = 100
EVICTION_PROMISE_S = 30
P99_PROMISE = 2.0
OVERRUN_PROMISE = 1.02
MEMORY_PROMISE = 1.1
SECONDS = 6
SERVED = 100
"""Pictures that the hits are on, from all over the volume."""

FILLED_FOR_S = 30.0
FILLED_BUDGET_BYTES = 60 * 1024**2
ADMIN_TOKEN = "the-token"
BODY_BYTES = 2000
PROJECT = Path(__file__).resolve().parents[2]


async def catalog(directory: Path) -> list[Figure]:
    filling = directory / "filling"
    filling.mkdir()
    many = directory / "many"
    sizes = await asyncio.to_thread(filled, many)
    return [
        *await _rebuilt(many),
        *await background(many, MANY),
        *await _evicted(many, sizes),
        await _never_exceeded(filling),
    ]


async def _rebuilt(directory: Path) -> list[Figure]:
    """Its memory is looked at after a fifth of the time, and at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.enricher.catalog"),
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "VOLUME_URL": f"file:{directory}/data",
            "LOG_FORMAT": "json",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    watching = asyncio.create_task(_memory_of(process.pid))
    said = (await process.communicate())[0].decode()
    samples = await watching
    done = next(line for line in map(json.loads, said.splitlines()) if line["event"] == "catalog made anew")
    per_second = done["pictures"] / done["seconds"]
    early, late = samples[len(samples) // 5], max(samples[-len(samples) // 5 :])
    return [
        Figure(
            what=f"making the catalog of {MANY:,} pictures anew",
            ours=f"{per_second:,.0f}/s",
            reference="–",
            compared="–",
            promise=f"≥ {REBUILD_PROMISE:,}/s",
            kept=per_second >= REBUILD_PROMISE and done["pictures"] == MANY,
        ),
        Figure(
            what="memory of that, at its end and after a fifth of it",
            ours=f"{late / 1024**2:.0f} MB",
            reference=f"{early / 1024**2:.0f} MB",
            compared=f"{late / early:.2f} ×",
            promise=f"≤ {MEMORY_PROMISE} ×",
            kept=late <= MEMORY_PROMISE * early,
        ),
    ]


async def _memory_of(pid: int) -> list[int]:
    samples: list[int] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            samples.append(process.memory_info().rss)
            await asyncio.sleep(0.2)
    return samples


async def _evicted(directory: Path, picture_bytes: int) -> list[Figure]:
    """The same enricher and proxy in one process, with a budget that is exceeded by so many pictures."""
    plenty = {"VOLUME_URL": f"file:{directory}/data", "DISK_BUDGET_GB": "0", "ADMIN_TOKEN": ADMIN_TOKEN}
    async with measured_service("services", plenty, cwd=directory) as whole:
        statistics_ms = await _statistics_ms(whole)
        room = await _used_bytes(whole) - picture_bytes * (EVICTED + SPARE)
        await _swept(whole)
        saturated = (await load(whole.address, script=_script(directory, delay_ms=0))).per_second
        delay_ms = round(CONNECTIONS / (saturated / 2) * 1000 - CONNECTIONS / saturated * 1000)
        script = _script(directory, delay_ms=max(1, delay_ms))
    async with measured_service("services", plenty, cwd=directory) as whole:  # started as the other one is
        quiet = await load(whole.address, script=script, seconds=SECONDS)
    began = time.monotonic()
    tight = {**plenty, "DISK_BUDGET_GB": f"{room / END_AT / 1024**3}"}
    async with measured_service("services", tight, cwd=directory) as whole:
        hits = asyncio.create_task(load(whole.address, script=script, seconds=SECONDS))
        evicted_s = await _gone(whole, began)
        busy = await hits
    return [
        Figure(
            what=f"statistics of {MANY:,} pictures (the slowest of 20)",
            ours=f"{statistics_ms:.0f} ms",
            reference="–",
            compared="–",
            promise=f"≤ {STATISTICS_PROMISE_MS} ms",
            kept=statistics_ms <= STATISTICS_PROMISE_MS,
        ),
        Figure(
            what=f"evicting {EVICTED:,} of them, from the start of the process",
            ours=f"{evicted_s:.1f} s",
            reference="–",
            compared="–",
            promise=f"≤ {EVICTION_PROMISE_S} s",
            kept=evicted_s <= EVICTION_PROMISE_S,
        ),
        Figure(
            what=f"p99 of hits meanwhile, at half the saturated rate ({saturated:,.0f}/s)",
            ours=f"{busy.p99_ms:.1f} ms",
            reference=f"{quiet.p99_ms:.1f} ms when quiet",
            compared=f"{busy.p99_ms / quiet.p99_ms:.1f} ×",
            promise=f"≤ {P99_PROMISE:.0f} ×",
            kept=busy.p99_ms <= P99_PROMISE * quiet.p99_ms,
        ),
    ]


async def _statistics_ms(whole: RunningService) -> float:
    slowest = 0.0
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for _ in range(20):
            began = time.perf_counter()
            async with session.get(f"{whole.address}/api/images/stats") as answer:
                assert (await answer.json())["total_objects"] == MANY
            slowest = max(slowest, (time.perf_counter() - began) * 1000)
    return slowest


async def _used_bytes(whole: RunningService) -> int:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(f"{whole.address}/api/v1/images/storage/stats") as answer,
    ):
        return int((await answer.json())["used"]["bytes"])


async def _swept(whole: RunningService) -> None:
    await until(lambda: any(line.get("event") == "catalog swept" for line in whole.lines), within_s=120)


async def _gone(whole: RunningService, began: float) -> float:
    async with aiohttp.ClientSession(raise_for_status=True) as session, asyncio.timeout(120):
        while True:
            async with session.get(f"{whole.address}/api/images/stats") as answer:
                if (await answer.json())["total_objects"] <= MANY - EVICTED:
                    return time.monotonic() - began
            await asyncio.sleep(0.1)


async def _never_exceeded(directory: Path) -> Figure:
    """Pictures are fetched as fast as they can be, through a budget of some hundreds; the disk is looked at meanwhile."""
    async with SeparateHost.running() as host:
        authority = host.root.removeprefix("http://")
        settings = {
            "ALLOWED_HOSTS": authority,
            "ALLOW_PRIVATE": authority,
            "VOLUME_URL": f"file:{directory}/data",
            "DISK_BUDGET_GB": f"{FILLED_BUDGET_BYTES / 1024**3}",
            "EVICTION_GRACE": "1",
        }
        async with measured_service("services", settings, cwd=directory) as whole, _filling(whole, host):
            largest = await _largest(directory / "data")
    share = largest / FILLED_BUDGET_BYTES
    return Figure(
        what=f"the disk while pictures are fetched for {FILLED_FOR_S:.0f} s, against its budget of 60 MiB",
        ours=f"{largest / 1024**2:.1f} MiB at most",
        reference="–",
        compared=f"{share:.3f} ×",
        promise=f"≤ {OVERRUN_PROMISE} ×",
        kept=share <= OVERRUN_PROMISE,
    )


@asynccontextmanager
async def _filling(whole: RunningService, host: SeparateHost) -> AsyncIterator[None]:
    numbers = iter(range(100_000))

    async def ask_on() -> None:
        async with aiohttp.ClientSession() as session:
            for number in numbers:
                source = quote(host.url(f"/poster/{number % 50}-600x900.jpg?n={number}"), safe="")
                url = f"{whole.address}/api/images/proxy?url={source}&size=small&format=webp"
                async with session.get(url) as answer:
                    await answer.read()

    tasks = [asyncio.create_task(ask_on()) for _ in range(8)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _largest(volume: Path) -> int:
    largest, until = 0, time.monotonic() + FILLED_FOR_S
    while time.monotonic() < until:
        largest = max(largest, await asyncio.to_thread(_disk_use, volume))
        await asyncio.sleep(0.25)
    return largest


def _disk_use(volume: Path) -> int:
    """Of the trees, as `du` counts."""
    used = 0
    for tree in Tree:
        for directory, _, files in os.walk(volume / tree):
            for path in (directory, *(f"{directory}/{file}" for file in files)):
                with contextlib.suppress(FileNotFoundError):
                    used += os.lstat(path).st_blocks * 512
    return used


def filled(directory: Path) -> int:
    """So many pictures, each with a manifest of its own and links to small files; what each takes on the disk."""
    root = prepared_layout(
        VolumeSettings(volume_url=f"file:{directory}/data", state_directory=directory / "state")
    ).root
    long_ago = datetime.now(UTC) - timedelta(days=1)
    body = directory / "body"
    body.write_bytes(os.urandom(BODY_BYTES))
    picture = PictureId("")
    for number in range(MANY):
        source = _source(number)
        picture = source.picture
        revision = f"{root}/{picture_path(Tree.CACHE, picture)}/{REVISION}"
        os.makedirs(revision)  # noqa: PTH103 - a Path for each of 300,000 costs seconds
        manifest = Manifest(
            source_url=str(source),
            provider="tmdb",
            original=Original(mime="image/jpeg", bytes=BODY_BYTES, width=600, height=900),
            placeholder=Placeholder(color="#102030"),
            fetched_at=long_ago + timedelta(milliseconds=number),
        )
        Path(revision, MANIFEST).write_text(manifest.model_dump_json())
        for name in ("original.jpg", f"{SIZE}.webp"):
            Path(revision, name).hardlink_to(linkable(body))
        Path(revision).with_name("current").symlink_to(REVISION)
    one = root / picture_path(Tree.CACHE, picture)
    return sum(entry.lstat().st_blocks * 512 for entry in (one, *one.rglob("*")))


def _source(number: int) -> SourceUrl:
    return SourceUrl.parse(f"https://image.tmdb.org/t/p/original/{number}.jpg")


def _script(directory: Path, *, delay_ms: int) -> Path:
    """For wrk: the last pictures that were fetched, one after the other, each connection pausing in between."""
    paths = [f"/p/{_source(MANY - 1 - number).picture}/{REVISION}/{SIZE}.webp" for number in range(SERVED)]
    listed = ",".join(f'"{path}"' for path in paths)
    script = directory / "paths.lua"
    script.write_text(
        f"paths={{{listed}}} n=0\n"
        "request=function() n=n+1 return wrk.format('GET',paths[n%#paths+1]) end\n"
        + (f"delay=function() return {delay_ms} end\n" if delay_ms else "")
    )
    return script
