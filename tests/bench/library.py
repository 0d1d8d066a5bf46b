"""The library with 100,000 items: its pages, and the scans that fill it."""

import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
from sqlalchemy import Select
from sqlalchemy.dialects import sqlite

from services.enricher.database.engines import FILE_NAME, DatabaseSettings, open_database
from services.enricher.guessing.guesser import guessed
from services.enricher.library import (
    ItemIds,
    Library,
    LibraryEntry,
    LibrarySettings,
    MediaType,
    Selection,
    Window,
)
from services.enricher.library.listing import counted, windowed
from tests.bench.report import Figure
from tests.unit.libraries import scanned_library

ITEMS = 100_000
NAMED, GUESSED = 100_000, 2_000
PAGE_MS, NAMED_RATE, RELEASE_RATE, MEMORY_MB = 20, 2_000, 600, 200
WINDOWS = [
    (selection, Window(50, offset))
    for selection in (
        Selection(),
        Selection(MediaType.MOVIE),
        Selection(None, "watchlist"),
        Selection(MediaType.TV, "watchlist"),
    )
    for offset in (0, 10_000, ITEMS - 50)
]


async def library(directory: Path) -> list[Figure]:
    return [await _pages(directory), *_named_scan(directory), _guessed_scan(directory)]


async def _pages(directory: Path) -> Figure:
    async with open_database(DatabaseSettings(), state_dir=directory) as database:
        filled = Library(database)
        for start in range(0, ITEMS, 1000):
            await filled.add_all([_entry(number) for number in range(start, start + 1000)])
        medians = []
        for selection, window in WINDOWS:
            times = []
            for _ in range(9):
                begun = time.perf_counter()
                await filled.page(selection, window)
                times.append(time.perf_counter() - begun)
            medians.append(1000 * statistics.median(times))
    bare_ms = max(_bare_ms(directory, selection, window) for selection, window in WINDOWS)
    return Figure(
        what=f"the slowest of {len(WINDOWS)} pages of 50 in {ITEMS:,} items",
        ours=f"{max(medians):.1f} ms",
        reference=f"{bare_ms:.1f} ms, the same statements by sqlite3 alone",
        compared=f"{max(medians):.1f} ms",
        promise=f"≤ {PAGE_MS} ms",
        kept=max(medians) <= PAGE_MS,
    )


def _entry(number: int) -> LibraryEntry:
    """Every title twice, by id or by name."""
    title = number // 2
    return LibraryEntry(
        f"Title {title}",
        MediaType.MOVIE if title % 3 else MediaType.TV,
        1950 + title % 70,
        ItemIds(imdb=f"tt{title:07d}") if title % 2 else ItemIds(),
        full_path=f"/media/{number}.mkv",
        list_source=None if title % 4 else "watchlist",
    )


def _bare_ms(directory: Path, selection: Selection, window: Window) -> float:
    statements = [_as_text(counted(selection)), _as_text(windowed(selection, window))]
    times = []
    with closing(sqlite3.connect(directory / FILE_NAME)) as file:
        for _ in range(9):
            begun = time.perf_counter()
            for statement in statements:
                file.execute(statement).fetchall()
            times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


def _as_text(statement: Select[tuple[object, ...]]) -> str:
    return str(statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))


def _named_scan(directory: Path) -> list[Figure]:
    root = _planted(directory / "named", NAMED, lambda n: f"Film {n} ({1950 + n % 70}) {{imdb-tt{n:07d}}}")
    begun = time.perf_counter()
    looked = sum(len([os.stat(f"{folder}/{file}") for file in files]) for folder, _, files in os.walk(root))  # noqa: PTH116 - as fast as it can be
    bare = looked / (time.perf_counter() - begun)
    rate, peak_mb = _scan(directory / "of named", root, NAMED)
    return [
        Figure(
            what=f"scan of {NAMED:,} files with ids in their names",
            ours=f"{rate:,.0f} files/s",
            reference=f"{bare:,.0f} files/s, listed and looked at, nothing else",
            compared=f"{rate:,.0f}/s",
            promise=f"≥ {NAMED_RATE:,}/s",
            kept=rate >= NAMED_RATE,
        ),
        _memory("scan with ids", peak_mb),
    ]


def _guessed_scan(directory: Path) -> Figure:
    root = _planted(
        directory / "guessed", GUESSED, lambda n: f"Some.Film.{n}.{1950 + n % 70}.1080p.BluRay.x264-X"
    )
    guessed("Some.Film.1999.1080p.mkv", "movie")
    begun = time.perf_counter()
    for number in range(100):
        guessed(f"Some.Film.{number}.1999.1080p.BluRay.x264-X", "movie")
    alone = 100 / (time.perf_counter() - begun)
    rate, peak_mb = _scan(directory / "of guessed", root, GUESSED)
    return Figure(
        what=f"scan of {GUESSED:,} files with names of releases ({peak_mb:.0f} MB with all processes)",
        ours=f"{rate:,.0f} files/s",
        reference=f"{alone:,.0f} names/s, guessit in one process",
        compared=f"{rate:,.0f}/s",
        promise=f"≥ {RELEASE_RATE}/s, ≤ {MEMORY_MB} MB",
        kept=rate >= RELEASE_RATE and peak_mb <= MEMORY_MB,
    )


def _memory(what: str, peak_mb: float) -> Figure:
    return Figure(
        what=f"memory of a {what}, all processes",
        ours=f"{peak_mb:.0f} MB",
        reference="–",
        compared="–",
        promise=f"≤ {MEMORY_MB} MB",
        kept=peak_mb <= MEMORY_MB,
    )


def _planted(root: Path, files: int, name: Callable[[int], str]) -> Path:
    for number in range(files):
        folder = root / str(number // 500) / name(number)
        folder.mkdir(parents=True)
        (folder / f"{name(number)}.mkv").touch()
    return root


def _scan(state_dir: Path, root: Path, files: int) -> tuple[float, float]:
    """Files in a second, and the peak in MB, of a process that does nothing else."""
    code = "import sys; from tests.bench.library import scan_alone; scan_alone(*sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", code, state_dir, root], stdout=subprocess.PIPE, text=True
    ) as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(0.05)
        output = process.stdout.read() if process.stdout else ""
    return files / float(output.splitlines()[-1]), peak / 1024**2


def _resident(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def scan_alone(state_dir: str, root: str) -> None:
    print(asyncio.run(_seconds(Path(state_dir), root)))


async def _seconds(state_dir: Path, root: str) -> float:
    async with (
        open_database(DatabaseSettings(), state_dir=state_dir) as database,
        scanned_library(database, LibrarySettings(roots=(root,))) as opened,
    ):
        begun = time.perf_counter()
        task = await opened.scans.start(root)
        while not task.state.ended:
            await asyncio.sleep(0.05)
            task = await opened.tasks.get(task.id) or task
        assert task.done, task.reason
        return time.perf_counter() - begun
