"""Scans: what changed is read, what is no more is taken out, and whatever is odd does not stop them."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.enricher.database.database import Database
from services.enricher.guessing.guesser import Guess, Guesser
from services.enricher.library import (
    Item,
    ItemIds,
    LibraryEntry,
    LibrarySettings,
    MediaType,
    ScanRefused,
    Window,
)
from services.enricher.library.scan import reading
from services.enricher.library.scan import scan as scanning
from services.enricher.library.scan.reading import PathReading, RememberedFiles
from services.enricher.library.scan.tree import Sighting
from services.enricher.tasks.task import Task, TaskState
from tests.servers.databases import opened_database
from tests.unit.libraries import ScannedLibrary, scanned_library

MOVIE, TV = MediaType.MOVIE, MediaType.TV


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    root.mkdir()
    return root


class Patient:
    """A busy machine may keep a guesser waiting longer than it usually may take."""

    ready = partial(Guesser.ready, timeout_s=60)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.enricher.library.scan.scan.Guesser", Patient)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened_database(tmp_path / "state") as database:
        yield database


@pytest.fixture
async def opened(database: Database, root: Path) -> AsyncIterator[ScannedLibrary]:
    async with scanned_library(database, LibrarySettings(roots=(str(root),))) as opened:
        yield opened


def plant(root: Path, *files: str) -> None:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def plant_odd_names(root: Path) -> None:
    for name in (b"Am\xe9lie (2001).mkv", b"new\nline (2002).mkv", b"%_' (2003).mkv", b"\xff\xfe.mkv"):
        (root / os.fsdecode(name)).touch()


async def scanned(opened: ScannedLibrary, path: Path) -> Task:
    return await ended(opened, await opened.scans.start(str(path)))


async def ended(opened: ScannedLibrary, task: Task) -> Task:
    async with asyncio.timeout(30):
        while not task.state.ended:
            await asyncio.sleep(0.01)
            task = await opened.tasks.get(task.id) or task
    return task


async def listed(opened: ScannedLibrary) -> dict[str, Item]:
    page = await opened.library.page(window=Window(limit=1000))
    return {item.title: item for item in page.items}


async def test_ids_from_names_and_nfo_files_need_no_guessing(opened: ScannedLibrary, root: Path) -> None:
    plant(root, "Dune (2021) {imdb-tt1160419}/Dune.2021.2160p.mkv", "Heat/heat.mkv", "Heat/heat.nfo")
    plant(
        root, "Breaking Bad (2008) [tvdbid-81189]/Season 01/S01E01.mkv", "Alien (1979)/Alien (1979) - 4K.mkv"
    )
    (root / "Heat/heat.nfo").write_text(
        '<movie><title>Heat</title><year>1995</year><uniqueid type="tmdb">949</uniqueid></movie>'
    )
    task = await scanned(opened, root)
    assert (task.state, task.errors) == (TaskState.DONE, ())
    assert task.counts == {"files": 4, "changed": 4, "guessed": 0, "removed": 0}
    items = await listed(opened)
    found = {i.title: (i.media_type, i.year, i.imdb_id, i.tmdb_id, i.tvdb_id) for i in items.values()}
    assert found == {
        "Dune": (MOVIE, 2021, "tt1160419", None, None),
        "Heat": (MOVIE, 1995, None, 949, None),
        "Breaking Bad": (TV, 2008, None, None, 81189),
        "Alien": (MOVIE, 1979, None, None, None),
    }
    assert items["Breaking Bad"].full_path == f"{root}/Breaking Bad (2008) [tvdbid-81189]"
    assert items["Dune"].full_path == f"{root}/Dune (2021) {{imdb-tt1160419}}/Dune.2021.2160p.mkv"


async def test_names_that_say_it_are_read_and_others_are_guessed(opened: ScannedLibrary, root: Path) -> None:
    plant(root, "The.Matrix.1999.1080p.BluRay.x264-GRP.mkv", "Severance/Season 1/e1.mkv")
    plant(root, "dl/Some.Show.S01E01.720p.mkv", "dl/Dune.2021.Part.One.mkv")
    task = await scanned(opened, root)
    assert task.counts["guessed"] == 1
    found = {(item.title, item.media_type, item.year) for item in (await listed(opened)).values()}
    assert {("The Matrix", MOVIE, 1999), ("Severance", TV, None), ("Some Show", TV, None)} < found


async def test_a_second_scan_reads_what_changed_and_removes_what_is_no_more(
    opened: ScannedLibrary, root: Path
) -> None:
    plant(root, *(f"{name} (2000)/{name} (2000).mkv" for name in ("Stays", "Goes", "Changes")))
    plant(root, "Show (2001)/Season 1/S01E01.mkv")
    await scanned(opened, root)
    before = await listed(opened)
    (root / "Goes (2000)/Goes (2000).mkv").unlink()
    (root / "Show (2001)/Season 1/S01E01.mkv").unlink()
    (root / "Changes (2000)/movie.nfo").write_text("https://www.imdb.com/title/tt1160419")
    plant(root, "New (2002)/New (2002).mkv")
    task = await scanned(opened, root)
    assert task.counts == {"files": 3, "changed": 2, "guessed": 0, "removed": 2}
    after = await listed(opened)
    assert set(after) == {"Stays", "Changes", "New"}
    assert after["Stays"] == before["Stays"]
    assert (after["Changes"].id, after["Changes"].imdb_id) == (before["Changes"].id, "tt1160419")
    assert (await scanned(opened, root)).counts == {"files": 3, "changed": 0, "guessed": 0, "removed": 0}


async def test_only_what_is_below_the_folder_and_was_found_by_a_scan_is_removed(
    opened: ScannedLibrary, root: Path
) -> None:
    plant(root, "a/A (2000).mkv", "a b/B (2000).mkv", "a/C (2000).mkv")
    await scanned(opened, root)
    await opened.library.add(LibraryEntry("By hand", MOVIE, full_path=f"{root}/a/by hand.mkv"))
    for gone in ("a/A (2000).mkv", "a b/B (2000).mkv"):
        (root / gone).unlink()
    await scanned(opened, root / "a")
    assert set(await listed(opened)) == {"B", "C", "By hand"}


async def test_a_root_that_is_empty_or_gone_removes_nothing(opened: ScannedLibrary, root: Path) -> None:
    plant(root, "A (2000).mkv")
    await scanned(opened, root)
    (root / "A (2000).mkv").unlink()
    task = await scanned(opened, root)
    assert task.state is TaskState.FAILED
    assert task.reason
    assert "is its disk mounted?" in task.reason
    await asyncio.to_thread(root.rmdir)
    with pytest.raises(ScanRefused, match="cannot be read: No such file"):
        await opened.scans.start(str(root))
    assert set(await listed(opened)) == {"A"}


async def test_a_disk_that_is_not_mounted_below_the_root_keeps_its_items(
    opened: ScannedLibrary, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(root, "here/A (2000).mkv", "disk/B (2000).mkv", "disk/x/C (2000).mkv")
    await scanned(opened, root)
    for gone in ("disk/B (2000).mkv", "disk/x/C (2000).mkv"):
        (root / gone).unlink()
    (root / "disk/x").rmdir()
    monkeypatch.setattr(scanning, "_device", lambda _folder: -1)
    await scanned(opened, root)
    assert set(await listed(opened)) == {"A", "B", "C"}
    plant(root, "disk/D (2000).mkv")
    await scanned(opened, root)
    assert set(await listed(opened)) == {"A", "D"}


async def test_a_folder_that_cannot_be_read_keeps_its_items(
    opened: ScannedLibrary, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(root, "a/A (2000).mkv", "b/B (2000)/B (2000).mkv")
    await scanned(opened, root)
    really = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    task = await scanned(opened, root)
    assert task.state is TaskState.DONE
    assert task.errors == (f"{root}/b cannot be read: Permission denied.",)
    assert set(await listed(opened)) == {"A", "B"}


async def test_odd_names_and_broken_nfo_files_do_not_stop_a_scan(opened: ScannedLibrary, root: Path) -> None:
    plant_odd_names(root)
    plant(root, "Huge (2004).mkv")
    (root / "Huge (2004).nfo").write_bytes(b"<movie>" + b" " * 2_000_000)
    task = await scanned(opened, root)
    assert task.state is TaskState.DONE
    assert task.errors == (f"{root}/Huge (2004).nfo is left out: larger than 1048576 bytes.",)
    items = await listed(opened)
    assert {"Amélie", "new line", "%_'", "Huge"} < set(items)
    assert items["Amélie"].full_path == f"{root}/Am\\xe9lie (2001).mkv"
    assert (await scanned(opened, root)).counts == {"files": 5, "changed": 0, "guessed": 0, "removed": 0}


async def test_a_name_that_cannot_be_guessed_is_read_roughly(
    opened: ScannedLibrary, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_guesser: Guesser, names: Sequence[tuple[str, str]]) -> Sequence[Guess | None]:
        return [None for _ in names]

    monkeypatch.setattr(Guesser, "guess", nothing)
    plant(root, "The.Matrix.1999.1080p.mkv")
    assert (await scanned(opened, root)).state is TaskState.DONE
    assert set(await listed(opened)) == {"The Matrix"}


async def test_what_cannot_be_read_or_kept_is_told_and_costs_only_itself(
    opened: ScannedLibrary, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(sighting: Sighting, *, root: str) -> PathReading:
        if "Odd" in sighting.path:
            raise TypeError("a list of years")
        return reading.read(sighting, root=root)

    really = RememberedFiles.keep

    async def keep(
        remembered: RememberedFiles, entries: Sequence[LibraryEntry], sightings: Sequence[Sighting]
    ) -> None:
        if any(entry.title == "Bad" for entry in entries):
            raise OverflowError("too large")
        await really(remembered, entries, sightings)

    monkeypatch.setattr("services.enricher.library.scan.scan.read", read)
    monkeypatch.setattr(RememberedFiles, "keep", keep)
    plant(root, "Odd (2001).mkv", "Bad (2002).mkv", *(f"Film {number} (2000).mkv" for number in range(5)))
    task = await scanned(opened, root)
    assert task.state is TaskState.DONE
    assert sorted(task.errors) == [
        f"{root}/Bad (2002).mkv cannot be kept: OverflowError: too large.",
        f"{root}/Odd (2001).mkv is taken by its name alone: TypeError: a list of years.",
    ]
    assert set(await listed(opened)) == {"Odd", *(f"Film {number}" for number in range(5))}


async def test_years_that_span_do_not_stop_a_scan(opened: ScannedLibrary, root: Path) -> None:
    plant(root, "Salt Road (1996-2007)/Salt Road - 317.mkv", "Lost (1999)(2000).mkv", "Found [1999-2000].mkv")
    plant(root, "Sea (1994-2004)/Season 01/Sea S01E01.mkv", "Sky (1994 - 2004) [tvdbid-5]/Season 1/1.mkv")
    plant(root, "Ice - The Complete Series (1994-2004)/Season 1/Ice S01E01.mkv")
    task = await scanned(opened, root)
    assert (task.state, task.errors) == (TaskState.DONE, ())
    found = {(item.title, item.media_type, item.year) for item in (await listed(opened)).values()}
    assert found == {
        ("Salt Road", TV, 1996),
        ("Lost", MOVIE, 1999),
        ("Found", MOVIE, 1999),
        ("Sea", TV, 1994),
        ("Sky", TV, 1994),
        ("Ice", TV, 1994),
    }


async def test_guessit_listing_years_or_failing_is_no_failure() -> None:
    async with Guesser.ready(processes=1, timeout_s=60) as guesser:
        assert await guesser.guess([("Friends (1994-2004)", "episode")]) == [("Friends", 1994)]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["Drift (2010)/{}/01 - Pilot.avi", "Drift (2010)/{}/02 - Second.avi"], ("Drift", TV, 2010, None)),
        (["Drift (2010) {{tvdb-7}}/{}/Drift - S01E01.mkv"], ("Drift", TV, 2010, 7)),
    ],
)
@pytest.mark.parametrize(
    "season",
    ["Kausi 1", "3.Staffel", "2", "Volume 1", "Season One", "Drift.S01.1080p.WEB-X", "Drift Season 1"],
)
async def test_a_series_keeps_the_year_and_ids_of_its_folder_whatever_its_seasons_are_called(
    opened: ScannedLibrary, root: Path, files: list[str], expected: tuple[object, ...], season: str
) -> None:
    plant(root, *(file.format(season) for file in files))
    await scanned(opened, root)
    [item] = (await listed(opened)).values()
    assert (item.title, item.media_type, item.year, item.tvdb_id) == expected


async def test_a_folder_of_several_versions_is_one_film_with_the_ids_of_its_nfo(
    opened: ScannedLibrary, root: Path
) -> None:
    plant(root, "Drift (1999)/Drift (1999) - 1080p.mkv", "Drift (1999)/Drift (1999) - 2160p.mkv")
    plant(root, *(f"Iron/Iron{end}.mkv" for end in ("", "_720p", "-test", "_3d.hsbs", " - Long Cut")))
    plant(root, *(f"Rust/Rust {number}.mkv" for number in (1, 2)), "Sea Part 1.avi", "Sea Part 2.avi")
    plant(root, *(f"Snow/Snow{end}.mkv" for end in ("", " (2008)", " - B (2009)")))
    (root / "Drift (1999)/movie.nfo").write_text("<movie><tmdbid>5</tmdbid></movie>")
    await scanned(opened, root)
    items = (await opened.library.page(window=Window(limit=1000))).items
    assert {(item.title, item.year, item.tmdb_id, len(item.paths)) for item in items} == {
        ("Drift", 1999, 5, 2),
        ("Iron", None, None, 5),
        ("Rust 1", None, None, 1),
        ("Rust 2", None, None, 1),
        ("Sea", None, None, 2),
        ("Snow", None, None, 1),
        ("Snow", 2008, None, 1),
        ("Snow - B", 2009, None, 1),
    }


async def test_a_file_whose_name_says_nothing_is_called_as_its_folder(
    opened: ScannedLibrary, root: Path
) -> None:
    plant(root, "Salt.Road.2001.1080p.BluRay-X/abcxyz.mkv", "Harvest 1984 (2020)/Harvest.1984.1080p.mkv")
    plant(root, "Drift.S01E01.720p.HDTV/ajifeqwer_eppj.mkv")
    await scanned(opened, root)
    found = {(item.title, item.media_type, item.year) for item in (await listed(opened)).values()}
    assert found == {("Salt Road", MOVIE, 2001), ("Harvest 1984", MOVIE, 2020), ("Drift", TV, None)}


async def test_a_root_can_have_a_type(database: Database, root: Path) -> None:
    plant(root, "films/Drift S01E01.mkv", "films/300/300 - 12.mkv")
    plant(
        root,
        "tv/Drift (2010)/Anything.mkv",
        "tv/Sea - 12.mkv",
        "tv/Sky (2001)/Part/x.mkv",
        "mixed/Rust (2001).mkv",
    )
    roots = (f"{root}/films:movie", f"{root}/tv:tv", f"{root}/mixed")
    async with scanned_library(database, LibrarySettings(roots=roots)) as opened:
        for folder in ("films", "tv", "mixed"):
            assert (await scanned(opened, root / folder)).state is TaskState.DONE
        items = await listed(opened)
    films = {item.title for item in items.values() if item.media_type is MOVIE}
    assert films == {"Drift S01E01", "300 - 12", "Rust"}
    assert {item.title for item in items.values() if item.media_type is TV} == {"Drift", "Sea", "Part"}


async def test_a_folder_in_a_root_with_a_type_is_scanned_by_it(database: Database, root: Path) -> None:
    plant(root, "tv/Drift (2010)/Anything.mkv")
    async with scanned_library(database, LibrarySettings(roots=(str(root), f"{root}/tv:tv"))) as opened:
        await scanned(opened, root)
        assert [item.media_type for item in (await listed(opened)).values()] == [TV]
        await scanned(opened, root / "tv" / "Drift (2010)")
        assert [item.media_type for item in (await listed(opened)).values()] == [TV]


async def test_a_name_that_takes_too_long_costs_only_itself() -> None:
    async with Guesser.ready(processes=1, timeout_s=0.01) as guesser:
        assert await guesser.guess([("The.Matrix.1999.mkv", "movie")]) == [None]
    async with Guesser.ready(processes=1, timeout_s=60) as guesser:
        names = [("The.Matrix.1999.mkv", "movie"), ("", "movie"), ("Severance", "episode")]
        assert await guesser.guess(names) == [("The Matrix", 1999), None, ("Severance", None)]


async def test_guessing_goes_on_after_its_processes_were_killed() -> None:
    async with Guesser.ready(processes=1, timeout_s=60) as guesser:
        matrix = ("The.Matrix.1999.mkv", "movie")
        assert await guesser.guess([matrix]) == [("The Matrix", 1999)]
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
        await guesser.guess([matrix] * 3)
        async with asyncio.timeout(20):
            while await guesser.guess([matrix]) != [("The Matrix", 1999)]:
                pass


async def test_a_folder_with_very_many_files_is_taken_in_part_by_part(
    opened: ScannedLibrary, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.library.scan.scan.AT_ONCE", 7)
    monkeypatch.setattr("services.enricher.library.scan.reading.AT_ONCE", 7)
    plant(root, *(f"Film {number} (2000).mkv" for number in range(20)))
    parts: list[int] = []
    really = RememberedFiles.changed

    async def changed(remembered: RememberedFiles, sightings: Sequence[Sighting]) -> Sequence[Sighting]:
        parts.append(len(sightings))
        return await really(remembered, sightings)

    monkeypatch.setattr(RememberedFiles, "changed", changed)
    assert (await scanned(opened, root)).counts["changed"] == 20
    assert parts == [7, 7, 6]
    for number in range(15):
        (root / f"Film {number} (2000).mkv").unlink()
    assert (await scanned(opened, root)).counts["removed"] == 15
    assert (await opened.library.page()).total == 5


async def test_what_was_known_of_a_place_stays_when_a_scan_finds_less(
    opened: ScannedLibrary, root: Path
) -> None:
    plant(root, "A (2000).mkv")
    path = f"{root}/A (2000).mkv"
    added = await opened.library.add(
        LibraryEntry("A", MOVIE, 2000, ItemIds("tt1"), full_path=path, status="available")
    )
    await scanned(opened, root)
    [item] = (await listed(opened)).values()
    assert (item.id, item.imdb_id, item.status, item.paths) == (added.id, "tt1", "available", (path,))


async def test_a_scan_is_cancelled_between_batches_and_can_be_run_again(
    opened: ScannedLibrary, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.library.scan.scan.AT_ONCE", 1)
    kept, go_on = asyncio.Event(), asyncio.Event()
    really = RememberedFiles.keep

    async def keep(remembered: RememberedFiles, *what: Any) -> None:
        await really(remembered, *what)
        kept.set()
        await go_on.wait()

    monkeypatch.setattr(RememberedFiles, "keep", keep)
    plant(root, *(f"{number}/Film {number} (2000).mkv" for number in range(20)))
    task = await opened.scans.start(str(root))
    await kept.wait()
    await opened.tasks.cancel(task.id)
    go_on.set()
    assert (await ended(opened, task)).state is TaskState.CANCELLED
    assert 0 < (await opened.library.page()).total < 20
    assert (await scanned(opened, root)).state is TaskState.DONE
    assert (await opened.library.page()).total == 20


async def test_writes_to_the_library_are_heard_and_those_of_tasks_are_not(
    database: Database, root: Path
) -> None:
    heard: list[None] = []
    plant(root, "A (2000).mkv")
    settings = LibrarySettings(roots=(str(root),))
    async with scanned_library(database, settings, on_written=lambda: heard.append(None)) as opened:
        await scanned(opened, root)
        assert len(heard) == 1
        await scanned(opened, root)
        assert len(heard) == 1
        await opened.library.add(LibraryEntry("B", MOVIE))
        assert len(heard) == 2


async def test_only_folders_below_the_allowed_ones_are_scanned(
    database: Database, opened: ScannedLibrary, root: Path, tmp_path: Path
) -> None:
    (root / "out").symlink_to(tmp_path)
    outside = tmp_path / "media2"
    outside.mkdir()
    for path in (outside, root / "..", root / "out", Path("/"), root / ".." / "media2"):
        with pytest.raises(ScanRefused, match="outside of LIBRARY_ROOTS"):
            await opened.scans.start(str(path))
    async with scanned_library(database, LibrarySettings()) as closed:
        with pytest.raises(ScanRefused, match="name those that may in LIBRARY_ROOTS"):
            await closed.scans.start(str(root))


async def test_a_root_that_is_a_link_keeps_the_name_that_the_operator_knows(
    opened: ScannedLibrary, root: Path, tmp_path: Path
) -> None:
    plant(root, "A (2000).mkv")
    (tmp_path / "link").symlink_to(root)
    await scanned(opened, tmp_path / "link")
    assert (await listed(opened))["A"].full_path == f"{tmp_path}/link/A (2000).mkv"
