"""A million pictures of their own directories, pointers, manifests and rows against a hundred: start, hits and statistics.

`python -m tests.bench.million`: some minutes, and two gigabytes where a file system in a file can be mounted (as root), whose blocks
are small; else twelve, and longer. The bytes of all pictures are one file's, so that no page cache is measured.
"""

import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp
import psutil

from services.enricher.database.engines import FILE_NAME
from services.enricher.keeper.catalog.table import CatalogTable
from services.enricher.wings import SHOWN_BY
from shared.pictures import Manifest, Original, PictureId, Placeholder, SourceUrl, Tree, picture_path
from shared.pictures.manifest import MANIFEST
from shared.telemetry import utc_now
from shared.volume import VolumeSettings, volume_to_keep
from shared.volume.local.inventory import _marked
from shared.volume.local.layout import prepared_layout
from tests.bench.filled import REVISION, SIZE, linkable
from tests.bench.load import load
from tests.bench.many import _script
from tests.bench.report import Figure, report
from tests.integration.onesheet import until
from tests.servers.databases import opened_database
from tests.servers.service import RunningService, measured_service

FEW, MANY = 100, int(os.environ.get("PICTURES", "1000000"))
SOME = MANY // 10
ROUNDS = 3
HIT_ROUNDS = 6
ASKED = 30
START_PROMISE, HITS_PROMISE, STATISTICS_PROMISE = 1.2, 1.05, 3.0
SWEPT_WITHIN_S = 240
_ADDRESS = "https://image.tmdb.org/t/p/original/{}.jpg"
_MADE_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


async def million(directory: Path) -> list[Figure]:
    with _roomy(directory) as roomy:
        places = {count: roomy / str(count) for count in (FEW, SOME, MANY)}
        for count, place in places.items():
            began = time.monotonic()
            place.mkdir()
            await _fill(place, count)
            print(f"{count:,} made in {time.monotonic() - began:.0f} s", flush=True)
        started = [(await _start_s(places[MANY]), await _start_s(places[FEW])) for _ in range(ROUNDS)]
        start_s, usual_s = (statistics.median(each) for each in zip(*started, strict=True))
        hit_us, usual_us, ms, usual_ms = await _running(places)
    return [
        _figure(f"start with {MANY:,} pictures, s", (start_s, usual_s), FEW, START_PROMISE),
        _figure(f"CPU of a hit on {FEW} of {MANY:,}, µs", (hit_us, usual_us), FEW, HITS_PROMISE),
        _figure(f"statistics of {MANY:,} pictures, ms", (ms, usual_ms), SOME, STATISTICS_PROMISE),
    ]


def _figure(what: str, compared: tuple[float, float], of: int, promise: float) -> Figure:
    ours, usual = compared
    return Figure(
        what=what,
        ours=f"{ours:.3g}",
        reference=f"{usual:.3g} with {of:,}",
        compared=f"{ours / usual:.2f} ×",
        promise=f"≤ {promise:g} ×",
        kept=ours <= promise * usual,
    )


async def _start_s(place: Path) -> float:
    """Of all services in one process, until they listen."""
    began = time.monotonic()
    async with measured_service("services", _settings(place), cwd=place):
        return time.monotonic() - began


async def _running(places: dict[int, Path]) -> tuple[float, float, float, float]:
    """CPU of a hit with many and few, once all is swept; milliseconds of statistics of many and some."""
    served = {}
    async with (
        measured_service("services", _settings(places[MANY]), cwd=places[MANY]) as many,
        measured_service("services", _settings(places[SOME]), cwd=places[SOME]) as some,
        measured_service("services", _settings(places[FEW]), cwd=places[FEW]) as few,
    ):
        for one in (many, some, few):
            await until(partial(_is_swept, one), within_s=SWEPT_WITHIN_S)
        for name, service, count in (("many", many, MANY), ("few", few, FEW)):
            every = count // FEW
            pictures = [SourceUrl.parse(_ADDRESS.format(number * every)).picture for number in range(FEW)]
            paths = [f"/p/{picture}/{REVISION}/{SIZE}.webp" for picture in pictures]
            served[name] = (service, _script(places[count], paths))
        hits = await _hits_us(served)
        asked = [[await _statistics_ms(many), await _statistics_ms(some)] for _ in range(ASKED)]
        took = [statistics.median(each) for each in zip(*asked, strict=True)]
    return hits["many"], hits["few"], took[0], took[1]


def _is_swept(service: RunningService) -> bool:
    return any(line.get("event") == "catalog swept" for line in service.lines)


async def _hits_us(served: dict[str, tuple[RunningService, Path]]) -> dict[str, float]:
    """Each goes first as often as the other: who does finds colder caches. What the kernel takes is shown apart. It alone grows: a hit
    looks at its file, and the directories and inodes on the way to one of a hundred lie side by side in memory, to one of a million each
    in a page of its own.
    """
    took: dict[str, list[float]] = {name: [] for name in served}
    system: dict[str, list[float]] = {name: [] for name in served}
    for number in range(HIT_ROUNDS):
        for name in sorted(served, reverse=bool(number % 2)):
            service, script = served[name]
            process = psutil.Process(service.pid)
            before = process.cpu_times()
            seen = await load(service.address, script=script)
            after = process.cpu_times()
            system[name].append((after.system - before.system) / seen.requests * 1e6)
            took[name].append(system[name][-1] + (after.user - before.user) / seen.requests * 1e6)
    for name, each in system.items():
        print(f"of a hit on {name} the kernel takes {statistics.median(each):.1f} µs", flush=True)
    return {name: statistics.median(each) for name, each in took.items()}


async def _statistics_ms(service: RunningService) -> float:
    async with aiohttp.ClientSession(service.address, raise_for_status=True) as session:
        began = time.perf_counter()
        async with session.get("/api/images/stats") as answer:
            assert (await answer.json())["total_objects"] >= SOME
        return (time.perf_counter() - began) * 1000


def _settings(place: Path) -> dict[str, str]:
    return {
        "VOLUME_URL": f"file:{place}/data",
        "STATE_DIR": str(place / "state"),
        "DISK_BUDGET_GB": "0",
        "ADMIN_TOKEN": "the-token",
    }


async def _fill(place: Path, count: int) -> None:
    settings = VolumeSettings(volume_url=f"file:{place}/data", state_directory=place / "state")
    root = prepared_layout(settings).root
    body = place / "body"
    body.write_bytes(os.urandom(2000))
    rows = await asyncio.to_thread(lambda: [_picture(root, body, number) for number in range(count)])
    first = PictureId(rows[0][0])
    held = await volume_to_keep(settings).inventory.holdings([first])
    async with opened_database(settings.state_dir) as database:
        await CatalogTable(database, SHOWN_BY).note([first], held, now=utc_now(), source_urls={})
    await asyncio.to_thread(_multiply, settings.state_dir / FILE_NAME, rows)


def _picture(root: Path, body: Path, number: int) -> tuple[str, str, str, int]:
    """Its id, source, place and mark."""
    url = _ADDRESS.format(number)
    picture = SourceUrl.parse(url).picture
    place = picture_path(Tree.CACHE, picture)
    directory = f"{root}/{place}"
    os.makedirs(f"{directory}/{REVISION}")  # noqa: PTH103 - a Path for each of a million costs a minute
    with open(f"{directory}/{REVISION}/{MANIFEST}", "w") as file:  # noqa: PTH123 - as above
        file.write(_MANIFEST.replace(_ADDRESS, url))
    os.link(linkable(body), f"{directory}/{REVISION}/{SIZE}.webp")
    os.symlink(REVISION, f"{directory}/current")  # noqa: PTH211 - as above
    return picture, url, f"{place}/{REVISION}", _marked([directory])[0]


_MANIFEST = Manifest(
    source_url=_ADDRESS,
    provider="tmdb",
    original=Original(mime="image/jpeg", bytes=2000, width=600, height=900),
    placeholder=Placeholder(color="#102030"),
    fetched_at=_MADE_AT,
).model_dump_json()


def _multiply(database: Path, rows: list[tuple[str, str, str, int]]) -> None:
    """The row of the first picture, for each of them with what is its own; days from all over a year, and their sums."""
    with sqlite3.connect(database) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(cached_images)")]
        own = {"picture_id": "?", "image_url": "?", "local_path": "?", "mark": "?"}
        own["cached_at"] = "datetime(cached_at, ? || ' days') || '.000000'"
        chosen = ", ".join(own.get(name, name) for name in columns)
        order = [name for name in columns if name in own]
        given = (
            {"picture_id": p, "image_url": u, "local_path": place, "mark": mark, "cached_at": -(number % 365)}
            for number, (p, u, place, mark) in enumerate(rows)
        )
        connection.execute("CREATE TEMP TABLE model AS SELECT * FROM cached_images")
        connection.execute("DELETE FROM cached_images")
        connection.executemany(
            f"INSERT INTO cached_images SELECT {chosen} FROM model",
            ([one[name] for name in order] for one in given),
        )
        group = ", ".join(
            f"coalesce({name}, '')" for name in ("source", "mime_type", "kind", "failure_class")
        )
        connection.execute("DELETE FROM cached_image_totals")
        connection.execute(
            "INSERT INTO cached_image_totals (source, mime_type, kind, failure_class, cached_on, entries, pictures,"
            " original_bytes, cached_bytes, cached_files, kept_bytes, kept_files)"
            f" SELECT {group}, date(cached_at), count(*), count(*), sum(file_size), sum(cached_bytes), sum(cached_files),"
            f" sum(kept_bytes), sum(kept_files) FROM cached_images GROUP BY {group}, date(cached_at)"
        )


@contextmanager
def _roomy(directory: Path) -> Iterator[Path]:
    """A file system of small blocks and inodes in a sparse file, where that can be mounted: a directory of two names needs no block."""
    image, mounted = directory / "image", directory / "mounted"
    mounted.mkdir()
    inodes = str(int((FEW + SOME + MANY) * 4.1) + 300_000)
    made = [
        "mkfs.ext4",
        "-q",
        "-b",
        "1024",
        "-I",
        "256",
        "-O",
        "inline_data,^has_journal",
        "-m",
        "0",
        "-N",
        inodes,
        str(image),
    ]
    with image.open("wb") as file:
        file.truncate(8 * 1024**3)
    try:
        subprocess.run(made, check=True)
        subprocess.run(["mount", "-o", "loop,noatime", str(image), str(mounted)], check=True)
    except (OSError, subprocess.CalledProcessError):
        image.unlink()
        yield mounted
        return
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        figures = asyncio.run(million(Path(name).absolute()))
    sys.exit(report(figures) if os.environ.get("CHECK") == "1" else report(figures) * 0)
