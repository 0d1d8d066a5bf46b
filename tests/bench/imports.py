"""Taking over from ListSync: its items within seconds, and its pictures for a share of what they cost as misses.

Alone, and with fewer pictures: `python -m tests.bench.imports 300`.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import psutil

from services.enricher.api.bearer_tokens import ADMIN_TOKEN_FILE
from shared.pictures import SourceUrl, Tree, picture_path
from tests.bench.load import load
from tests.bench.report import Figure, report
from tests.providers.gallery import picture_at
from tests.providers.listsync import ListSyncFolder, proxied
from tests.providers.separate_host import SeparateHost
from tests.servers.service import RunningService, measured_service

ITEMS, PICTURES = 10_000, 5_000
WITHIN_S, SHARE, PACE = 30, 0.35, 0.7
AT_ONCE = 8
ADOPTED = 1_000_000
"""What is adopted has these numbers, so that no miss has fetched it before."""

SIZE = "w342"
OF_POSTERS = ("medium", "small", "thumbnail")
"""What is made ahead of one."""


async def imports(directory: Path, *, pictures: int = PICTURES) -> list[Figure]:
    """Misses cost what they do by default, with the renditions that are made ahead; what is adopted gets those in `later`,
    which is not counted, and so not done here.
    """
    async with SeparateHost.running() as host:
        left = await asyncio.to_thread(_left_behind, directory / "listsync", host, pictures)
        async with _served(directory, host) as (service, client):
            await _misses(service, client, host, directory, range(20))  # warm
            misses = _misses(service, client, host, directory, range(20, 20 + pictures))
            misses_cpu_s = await _cpu_of(service, misses)
        async with _served(directory, host, ENABLE_IMAGE_OPTIMIZATION="false") as (service, client):
            figures = await _measured(
                service, client, host, left, pictures=pictures, misses_cpu_s=misses_cpu_s
            )
        (directory / "paced").mkdir()
        async with _served(directory / "paced", host) as (service, client):
            return [
                *figures,
                *await _paced(directory / "paced", service, client, host, left, pictures=pictures),
            ]


@asynccontextmanager
async def _served(
    directory: Path, host: SeparateHost, **more: str
) -> AsyncIterator[tuple[RunningService, aiohttp.ClientSession]]:
    """With a client that has the admin token."""
    authority = host.root.removeprefix("http://")
    settings = {
        "ALLOWED_HOSTS": authority,
        "ALLOW_PRIVATE": authority,
        "VOLUME_URL": f"file:{directory}/data",
        "STATE_DIR": f"{directory}/state",
        "MISS_WAIT_OTHERS": "120",
        **more,
    }
    async with measured_service("services", settings, cwd=directory) as service:
        token = (directory / "state" / ADMIN_TOKEN_FILE).read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as client:
            yield service, client


async def _measured(
    service: RunningService,
    client: aiohttp.ClientSession,
    host: SeparateHost,
    left: ListSyncFolder,
    *,
    pictures: int,
    misses_cpu_s: float,
) -> list[Figure]:
    items_s, items = await _timed(_import(service, client, left, images=False))
    reading_cpu_s = await _cpu_of(service, _import(service, client, left, images=False))
    adopted: dict[str, Any] = {}

    async def adopt() -> None:
        adopted.update(await _import(service, client, left, images=True))

    adopting_cpu_s = await _cpu_of(service, adopt()) - reading_cpu_s
    again = await _import(service, client, left, images=True)
    asked = await host.counts()
    downloads = sum(asked.get(_path(ADOPTED + number), 0) for number in range(pictures))
    some = range(0, pictures, max(1, pictures // 100))
    hits = [await _is_hit(service, client, host, number) for number in some]
    share = adopting_cpu_s / misses_cpu_s
    sound = (
        items["counts"].get("items added") == ITEMS
        and adopted["counts"].get("picture adopted") == pictures
        and again["counts"] == {"items unchanged": ITEMS, "picture was stored": pictures}
    )
    return [
        Figure(
            what=f"{ITEMS:,} items of ListSync's database are there",
            ours=f"{items_s:.1f} s",
            reference="–",
            compared=f"{items_s:.1f} s",
            promise=f"≤ {WITHIN_S} s",
            kept=items_s <= WITHIN_S,
        ),
        Figure(
            what=f"{pictures:,} pictures of 1000×1500 adopted: CPU of each, checked, committed and a hit",
            ours=f"{1000 * adopting_cpu_s / pictures:.1f} ms",
            reference=f"{1000 * misses_cpu_s / pictures:.1f} ms as a miss of {SIZE}, with its renditions",
            compared=f"{share:.2f} ×",
            promise=f"≤ {SHARE} ×",
            kept=share <= SHARE,
        ),
        Figure(
            what="of them not hits; downloaded; a second run changes something",
            ours=f"{hits.count(False)}; {downloads}; {'no' if sound else 'yes'}",
            reference="–",
            compared="–",
            promise="0; 0; no",
            kept=all(hits) and not downloads and sound,
        ),
    ]


async def _paced(
    directory: Path,
    service: RunningService,
    client: aiohttp.ClientSession,
    host: SeparateHost,
    left: ListSyncFolder,
    *,
    pictures: int,
) -> list[Figure]:
    """While the renditions of what was adopted follow."""
    await _asked(service, client, _url(host, 0), SIZE)
    await _import(service, client, left, images=False)
    hit, page = (
        _asked_by(service, _url(host, 0), SIZE),
        f"{service.address}/api/items/enriched?page=1&limit=50",
    )
    hits, pages = await load(hit), await load(page)
    await _import(service, client, left, images=True)
    hits_beside, pages_beside = await load(hit), await load(page)
    is_busy = not all(_is_rendered(directory, _url(host, ADOPTED + number)) for number in range(pictures))
    return [
        Figure(
            what=f"{what} a second while the renditions of adopted pictures follow",
            ours=f"{beside.per_second:,.0f}, p99 {beside.p99_ms:.0f} ms",
            reference=f"{alone.per_second:,.0f}, p99 {alone.p99_ms:.0f} ms before",
            compared=f"{beside.per_second / alone.per_second:.2f} ×",
            promise=f"≥ {PACE} ×",
            kept=beside.per_second / alone.per_second >= PACE and is_busy,
        )
        for what, beside, alone in (("hits", hits_beside, hits), ("pages", pages_beside, pages))
    ]


def _left_behind(directory: Path, host: SeparateHost, pictures: int) -> ListSyncFolder:
    left = ListSyncFolder(directory)
    left.add("media_items", (_item(number, host, pictures) for number in range(ITEMS)))
    left.add("cached_images", (_cached(number, host) for number in range(pictures)))
    for number in range(pictures):
        left.put(_url(host, ADOPTED + number), picture_at(_path(ADOPTED + number)) or b"")
    return left


def _path(number: int) -> str:
    return f"/many/{number}.jpg"


def _url(host: SeparateHost, number: int) -> str:
    return host.url(_path(number))


def _item(number: int, host: SeparateHost, pictures: int) -> dict[str, object]:
    return {
        "full_path": f"/media/{number}.mkv" if number % 2 else None,
        "title": f"Title {number}",
        "media_type": "tv" if number % 3 else "movie",
        "year": 1950 + number % 70,
        "imdb_id": f"tt{number:07}",
        "tmdb_id": number + 1,
        "created_at": "2025-01-01 00:00:00",
        "updated_at": "2025-02-01 00:00:00",
        "poster_url": proxied(_url(host, ADOPTED + number)) if number < pictures else None,
        "poster_cached_at": None,
    }


def _cached(number: int, host: SeparateHost) -> dict[str, object]:
    return {
        "image_url": _url(host, ADOPTED + number),
        "cached_at": "2026-01-02 03:04:05",
        "last_accessed": "2026-05-06 07:08:09",
    }


async def _import(
    service: RunningService, client: aiohttp.ClientSession, left: ListSyncFolder, *, images: bool
) -> dict[str, Any]:
    order = {"database": str(left.database), "images": str(left.images) if images else None}
    async with client.post(f"{service.address}/api/import/listsync", json=order) as answer:
        task: dict[str, Any] = await answer.json()
    while task["state"] in ("queued", "running"):
        await asyncio.sleep(0.2)
        async with client.get(f"{service.address}/api/v1/admin/tasks/{task['id']}") as answer:
            task = await answer.json()
    if task["state"] != "done":
        raise RuntimeError(f"the import failed: {task['reason']}")
    return task | {"counts": {name: count for name, count in task["counts"].items() if name != "bytes"}}


async def _misses(
    service: RunningService,
    client: aiohttp.ClientSession,
    host: SeparateHost,
    directory: Path,
    numbers: Sequence[int],
) -> None:
    """Until all that is made ahead is there, too."""
    waiting = iter(numbers)

    async def some() -> None:
        for number in waiting:
            await _asked(service, client, _url(host, number), SIZE)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    for number in numbers:
        while not _is_rendered(directory, _url(host, number)):  # noqa: ASYNC110 - another process makes them
            await asyncio.sleep(0.1)


def _is_rendered(directory: Path, url: str) -> bool:
    folder = directory / "data" / picture_path(Tree.CACHE, SourceUrl.parse(url).picture) / "current"
    return all((folder / f"{size}.webp").exists() for size in OF_POSTERS)


def _asked_by(service: RunningService, url: str, size: str) -> str:
    return f"{service.address}/api/images/proxy?size={size}&url={quote(url, safe='')}"


async def _asked(service: RunningService, client: aiohttp.ClientSession, url: str, size: str) -> bool:
    """Whether it was there already."""
    path = _asked_by(service, url, size)
    async with client.get(path, headers={"Accept": "image/webp"}) as answer:
        await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a picture was answered {answer.status}")
        return answer.headers["X-Image-Cached"] == "true"


async def _is_hit(
    service: RunningService, client: aiohttp.ClientSession, host: SeparateHost, number: int
) -> bool:
    return await _asked(service, client, _url(host, ADOPTED + number), "original")


async def _timed(work: Awaitable[dict[str, Any]]) -> tuple[float, dict[str, Any]]:
    begun = time.perf_counter()
    done = await work
    return time.perf_counter() - begun, done


async def _cpu_of(service: RunningService, work: Awaitable[object]) -> float:
    """Seconds of all its processes, with those that have ended."""
    before = _cpu_s(service.pid)
    await work
    return _cpu_s(service.pid) - before


def _cpu_s(pid: int) -> float:
    process = psutil.Process(pid)
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
        report(asyncio.run(imports(Path(name).absolute(), pictures=wanted)))
