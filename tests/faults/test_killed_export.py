"""The export's process killed at random instants, and its disk really full: whole files only, and nobody else's is touched.

`N=50 make test TESTS=tests/faults/test_killed_export.py` for a long run.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from services.enricher.streamers.export import Export
from services.enricher.streamers.placing import ExportFolder, Placed, Prepared, WantedFile
from tests.servers.exporting import FILES, VERSIONS, body_of, exporting

KILLS = int(os.environ.get("N", "4"))
FOREIGN = b"somebody else's"
OF_OURS = re.compile(r"\.onesheet-[0-9a-f]{32}\.part")
PICTURE = re.compile(r"\.images/categories/category_([0-9]+)\.jpg")
PROJECT = Path(__file__).parents[2]
ELSEWHERE = Path("/dev/shm")


@pytest.fixture(params=["linked", "copied"])
def recordings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """On the volume's file system, or on another one; with what is somebody else's."""
    if request.param == "copied" and not os.access(ELSEWHERE, os.W_OK):
        pytest.skip("there is no second file system")
    folder = tmp_path / "recordings" if request.param == "linked" else ELSEWHERE / f"onesheet-{os.getpid()}"
    (folder / ".images" / "categories").mkdir(parents=True)
    for foreign in foreign_in(folder):
        foreign.write_bytes(FOREIGN)
    yield folder
    shutil.rmtree(folder)


def foreign_in(folder: Path) -> tuple[Path, Path, Path]:
    categories = folder / ".images" / "categories"
    return folder / "mine.mp4", categories / "category_0.jpg", categories / ".onesheet-mine.part"


async def test_killed_at_random_instants_the_tree_is_whole_and_the_next_export_ends_it(
    tmp_path: Path, recordings: Path
) -> None:
    random_, placed = Random(19), 0
    for _ in range(KILLS):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.servers.exporting", str(tmp_path), str(recordings)),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        assert await process.stdout.readline() == b"exporting\n"
        await asyncio.sleep(random_.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        placed += len(checked(recordings))
    assert placed
    async with exporting(tmp_path, recordings) as (export, show):
        await show(0)
        await export.bring_up_to_date()
        assert_done(recordings, export)


def checked(recordings: Path) -> Mapping[int, bytes]:
    """The pictures there, each as it was at one moment; and beside them nothing but parts and what was there."""
    foreign, found = foreign_in(recordings), {}
    for file in (one for one in recordings.rglob("*") if one.is_file()):
        if file in foreign:
            assert file.read_bytes() == FOREIGN
        elif not OF_OURS.fullmatch(file.name):
            picture = PICTURE.fullmatch(str(file.relative_to(recordings)))
            assert picture, file
            number = int(picture[1])
            found[number] = file.read_bytes()
            assert found[number] in [body_of(number, version) for version in range(VERSIONS)]
    return found


def assert_done(recordings: Path, export: Export) -> None:
    assert checked(recordings) == {number: body_of(number, 0) for number in range(1, FILES)}
    assert not [one for one in recordings.rglob("*") if OF_OURS.fullmatch(one.name)]
    assert export.foreign == {".images/categories/category_0.jpg"}


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[None]:
    at.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at], check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def test_on_a_full_disk_what_was_there_stays_whole_and_the_rest_follows_once_there_is_room(
    tmp_path: Path,
) -> None:
    old, new = b"old" * 20_000, b"new" * 40_000
    with small_disk(tmp_path / "disk", "200k"):
        folder = ExportFolder(tmp_path / "disk")
        first = folder.prepare(WantedFile("a/1.jpg", "old", old), ())
        assert isinstance(first, Prepared)
        assert folder.place(first) is Placed.PLACED
        theirs = tmp_path / "disk" / "theirs"
        theirs.write_bytes(bytes(100_000))
        with pytest.raises(OSError, match="No space left"):
            folder.prepare(WantedFile("a/1.jpg", "new", new), [first.noted])
        assert [one.name for one in (tmp_path / "disk" / "a").iterdir()] == ["1.jpg"]
        assert (tmp_path / "disk" / "a" / "1.jpg").read_bytes() == old
        theirs.unlink()
        second = folder.prepare(WantedFile("a/1.jpg", "new", new), [first.noted])
        assert isinstance(second, Prepared)
        assert folder.place(second) is Placed.PLACED
        assert (tmp_path / "disk" / "a" / "1.jpg").read_bytes() == new
