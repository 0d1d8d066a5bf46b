"""Walking a tree: what is taken for a movie, what for a series, and what for nothing."""

import os
from pathlib import Path

import pytest

from services.enricher.library import MediaType
from services.enricher.library.scan import sorting
from services.enricher.library.scan.listing import Folder
from services.enricher.library.scan.sorting import SortedOut
from services.enricher.library.scan.tree import Sighting, walk

MOVIE, TV = MediaType.MOVIE, MediaType.TV


def planted(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def sightings(root: Path, *, allowed: Path | None = None) -> list[Sighting]:
    visits = walk(str(root), allowed=[(allowed or root).resolve()])
    return [sighting for visit in visits for sighting in visit.sightings]


def seen(root: Path, *, allowed: Path | None = None) -> set[tuple[str, MediaType]]:
    found = sightings(root, allowed=allowed)
    return {(os.path.relpath(sighting.path, root), sighting.media_type) for sighting in found}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["Dune (2021)/Dune.mkv"], {("Dune (2021)/Dune.mkv", MOVIE)}),
        (["a.mkv", "b.mp4", "c.srt"], {("a.mkv", MOVIE), ("b.mp4", MOVIE)}),
        (["Show/Season 1/S01E01.mkv", "Show/Season 2/x.mkv", "Show/Specials/y.mkv"], {("Show", TV)}),
        (["Specials/Live.mkv", "Dune.mkv"], {("Specials/Live.mkv", MOVIE), ("Dune.mkv", MOVIE)}),
        (["Show (2008)/Show.S01E01.mkv", "Show (2008)/Show.S01E02.mkv"], {("Show (2008)", TV)}),
        (["Show.S01.1080p-X/Show.S01E01.1080p-X.mkv"], {("Show.S01.1080p-X", TV)}),
        (["Any/tvshow.nfo", "Any/Part one.mkv"], {("Any", TV)}),
        (
            ["in/Show.S01E01.mkv", "in/Show.S01E02.mkv", "in/Other.1x01.avi", "in/Dune.mkv"],
            {("in/Show.S01E01.mkv", TV), ("in/Other.1x01.avi", TV), ("in/Dune.mkv", MOVIE)},
        ),
        (["Dune/BDMV/STREAM/0.m2ts", "Dune/x.mkv"], {("Dune", MOVIE)}),
        (["Dune/VIDEO_TS/VTS_01_1.VOB"], {("Dune", MOVIE)}),
        (["Show (2001)/Season 1/VIDEO_TS/VTS_01_1.VOB"], {("Show (2001)", TV)}),
        (
            [
                "Dune/Dune.mkv",
                "Dune/Dune-trailer.mkv",
                "Dune/Extras/Making.mkv",
                "Dune/Sample/dune-sample.mkv",
            ],
            {("Dune/Dune.mkv", MOVIE)},
        ),
        (["Show/Season 1/S01E01.mkv", "Show/Featurettes/x.mkv"], {("Show", TV)}),
        (["Shorts/Luxo Jr.mkv"], {("Shorts/Luxo Jr.mkv", MOVIE)}),
        ([".hidden/a.mkv", "@eaDir/b.mkv", "#recycle/c.mkv", ".d.mkv", "$RECYCLE.BIN/e.mkv"], set()),
        (["Show/Season 1/readme.txt"], set()),
        (
            ["S21 The Machine (2003)/S21 The Machine (2003).mkv", "a.mkv"],
            {("a.mkv", MOVIE), ("S21 The Machine (2003)/S21 The Machine (2003).mkv", MOVIE)},
        ),
        (["Series 8 (2011)/Series 8 (2011).mkv"], {("Series 8 (2011)/Series 8 (2011).mkv", MOVIE)}),
        (["11x11 (2018)/11x11 (2018).mkv"], {("11x11 (2018)/11x11 (2018).mkv", MOVIE)}),
        (["Show (2001)/1x01.mkv"], {("Show (2001)", TV)}),
        (["300/300.mkv"], {("300/300.mkv", MOVIE)}),
        (["Show {tvdb-1}/Specials/Show - S00E01.mkv"], {("Show {tvdb-1}", TV)}),
        (["Show/Show - S01E01/a.mkv", "Show/Show - S01E02/b.mkv"], {("Show", TV)}),
        (["Show/Show.S01.1080p-X/a.mkv", "Show/Season 2/b.mkv"], {("Show", TV)}),
        (["dl/Other.S01E01-X/abc.mkv"], {("dl/Other.S01E01-X", TV)}),
        (
            ["Show (2001)/Blu-ray/Show - S01E01.mkv", "Show (2001)/Blu-ray/Show - S01E02.mkv"],
            {("Show (2001)", TV)},
        ),
        (["Heroes/Show (2001)/Show - S01E01.mkv"], {("Heroes/Show (2001)", TV)}),
        (["Show/Book One - Rain/101 - A.mkv", "Show/Book One - Rain/102 - B.mkv"], {("Show", TV)}),
        (["Show/show.101.hdtv.mkv", "Show/show.102.hdtv.mkv"], {("Show", TV)}),
        (["Rust/rust.2.720p.mkv"], {("Rust/rust.2.720p.mkv", MOVIE)}),
        (["Show (2013)/Show - 07.mkv", "Show (2013)/Show - 08.mkv"], {("Show (2013)", TV)}),
        (["Show/Show 112.avi", "Show/Show 113.avi"], {("Show", TV)}),
        (["Show/12.avi", "Show/13.avi"], {("Show", TV)}),
        (["Show/Show - Episode 5.mkv"], {("Show", TV)}),
        (["Rust/Rust 1.mkv", "Rust/Rust 2.mkv"], {("Rust/Rust 1.mkv", MOVIE), ("Rust/Rust 2.mkv", MOVIE)}),
        (["Rust/Rust Episode 4 (1977).mkv"], {("Rust/Rust Episode 4 (1977).mkv", MOVIE)}),
        (["Show (2010)/Show - 2011-04-12 - x.mkv"], {("Show (2010)", TV)}),
        (["Any/tvshow.nfo", "Any/1/001.mkv", "Any/2/027.mkv"], {("Any", TV)}),
        (
            ["We Live In A Trailer.mp4", "Clip/Clip.mkv"],
            {("We Live In A Trailer.mp4", MOVIE), ("Clip/Clip.mkv", MOVIE)},
        ),
    ],
)
def test_movies_are_files_and_series_are_folders(
    tmp_path: Path, files: list[str], expected: set[tuple[str, MediaType]]
) -> None:
    assert seen(planted(tmp_path / "root", *files)) == expected


def test_a_season_that_is_scanned_by_itself_stays_below_the_root(tmp_path: Path) -> None:
    root = planted(tmp_path / "Show" / "Season 1", "S01E01.mkv")
    assert {path for path, _ in seen(root)} == {"."}


def test_links_are_followed_once_and_only_to_where_scanning_is_allowed(tmp_path: Path) -> None:
    root = planted(tmp_path / "allowed" / "root", "a.mkv")
    other = planted(tmp_path / "allowed" / "other", "b.mkv")
    planted(tmp_path / "outside", "secret.mkv")
    for name, target in {
        "loop": root,
        "up": root.parent,
        "there": other,
        "there again": other,
        "out": tmp_path / "outside",
        "nowhere": tmp_path / "gone",
    }.items():
        (root / name).symlink_to(target)
    (other / "back").symlink_to(root)
    (other / "itself").symlink_to(other)
    (root / "broken.mkv").symlink_to(tmp_path / "gone.mkv")
    found = {path for path, _ in seen(root, allowed=tmp_path / "allowed")}
    assert found == {"a.mkv", "there/b.mkv"}


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = planted(tmp_path / "root", "a/a.mkv", "b/b.mkv")
    really = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    visits = list(walk(str(root), allowed=[root]))
    assert {(visit.folder, visit.problem) for visit in visits if visit.problem} == {
        (f"{root}/a", "Permission denied")
    }
    assert [s.path for visit in visits for s in visit.sightings] == [f"{root}/b/b.mkv"]


def test_whatever_goes_wrong_in_a_folder_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = planted(tmp_path / "root", "a/a.mkv", "b/b.mkv")

    def sorted_out(folder: Folder) -> SortedOut:
        if folder.name == "a":
            raise TypeError("odd")
        return sorting.sorted_out(folder)

    monkeypatch.setattr("services.enricher.library.scan.tree.sorted_out", sorted_out)
    visits = list(walk(str(root), allowed=[root]))
    assert [(visit.folder, visit.problem) for visit in visits if visit.problem] == [(f"{root}/a", "odd")]
    assert [s.path for visit in visits for s in visit.sightings] == [f"{root}/b/b.mkv"]


def test_a_link_that_leads_nowhere_in_a_circle_is_told_and_hides_nothing_beside_it(tmp_path: Path) -> None:
    root = planted(tmp_path / "root", "a.mkv")
    (root / "circle").symlink_to("circle")
    visits = list(walk(str(root), allowed=[root]))
    assert [s.path for visit in visits for s in visit.sightings] == [f"{root}/a.mkv"]
    assert [visit.folder for visit in visits if visit.problem] == [f"{root}/circle"]


def test_the_nfo_of_a_movie_is_its_own_or_that_of_its_folder(tmp_path: Path) -> None:
    root = planted(
        tmp_path / "root",
        *("a/x.mkv", "a/X.nfo", "a/movie.nfo"),
        *("b/x.mkv", "b/movie.nfo"),
        *("c/x.mkv", "c/some.release.nfo"),
        *("d/x.mkv", "d/y.mkv", "d/movie.nfo", "d/y.nfo"),
        *("f/x - 1080p.mkv", "f/x - 2160p.mkv", "f/movie.nfo"),
        *("g/VIDEO_TS/VTS_01_1.VOB", "g/VIDEO_TS/VIDEO_TS.nfo"),
        *("h/BDMV/STREAM/1.m2ts", "h/BDMV/index.nfo"),
        *("e/Season 1/S01E01.mkv", "e/tvshow.nfo", "e/Season 1/S01E01.nfo"),
    )
    found = {
        s.path.removeprefix(f"{root}/"): s.nfo and s.nfo.removeprefix(f"{root}/") for s in sightings(root)
    }
    assert found == {
        "a/x.mkv": "a/X.nfo",
        "b/x.mkv": "b/movie.nfo",
        "c/x.mkv": "c/some.release.nfo",
        "d/x.mkv": None,
        "d/y.mkv": "d/y.nfo",
        "e": "e/tvshow.nfo",
        "f/x - 1080p.mkv": "f/movie.nfo",
        "f/x - 2160p.mkv": "f/movie.nfo",
        "g": "g/VIDEO_TS/VIDEO_TS.nfo",
        "h": "h/BDMV/index.nfo",
    }


def test_the_state_changes_with_the_file_and_its_nfo(tmp_path: Path) -> None:
    root = planted(tmp_path / "root", "x.mkv", "x.nfo")
    states = [sightings(root)[0].state]
    for file in ("x.mkv", "x.nfo"):
        os.utime(root / file, (1, len(states)))
        states.append(sightings(root)[0].state)
    (root / "x.nfo").unlink()
    states.append(sightings(root)[0].state)
    assert len(set(states)) == 4
    assert sightings(root)[0].state == states[-1]
