"""A watcher: reads through the pointer, as nginx does, all the time, and lets no wrong byte pass."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.pictures import Name, PictureId, Tree, name_path, picture_path
from shared.pictures.manifest import MANIFEST
from shared.pictures.paths import POINTER
from shared.volume.local.durable import SUMS, read_sums
from tests.faults.versions import Version, file_names

_MANY = 5

Look = Callable[[], Iterable[str]]
"""Looks once at everything; what is wrong with it, in words."""


@contextmanager
def looking_all_the_time(look: Look, *, pause_s: float = 0.0005) -> Iterator[None]:
    """Fail when anything was wrong while the block lasted, or is at its end."""
    ended, wrong = threading.Event(), list[str]()

    def watch() -> None:
        while not ended.is_set() and len(wrong) < _MANY:
            wrong.extend(look())
            time.sleep(pause_s)

    thread = threading.Thread(target=watch, name="watcher")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert [*wrong, *look()] == []


@contextmanager
def watching(
    root: Path,
    picture: PictureId,
    *versions: Version,
    name: Name | None = None,
    always: bool = False,
) -> Iterator[None]:
    """Fail when anything but a whole file of one of the versions is read while the block lasts.

    `always`: the picture is there already, so what all versions have may not be missing for a moment.
    """
    pointers = [root / picture_path(tree, picture) / POINTER for tree in Tree]
    pointers += [root / name_path(name) / POINTER] if name else []
    good = {
        pointer / file: frozenset(version.files[file] for version in versions if file in version.files)
        for pointer in pointers
        for file in file_names(versions)
    }
    shared = frozenset.intersection(*(frozenset(version.files) for version in versions))
    there = {root / picture_path(Tree.CACHE, picture) / POINTER / file for file in shared if always}

    def look() -> Iterator[str]:
        for path, contents in good.items():
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                if path in there:
                    yield f"{path} is missing"
                continue
            if content not in contents:
                yield f"{path} has {len(content)} bytes that are no whole picture"

    with looking_all_the_time(look):
        yield


def stored_version(root: Path, picture: PictureId, *versions: Version) -> Version | None:
    """Which of the versions the pointer names, with all its files and no others; None: it names nothing."""
    pointer = root / picture_path(Tree.CACHE, picture) / POINTER
    if not pointer.is_symlink():
        return None
    found = {file.name: file.read_bytes() for file in pointer.iterdir() if file.name not in (MANIFEST, SUMS)}
    assert (pointer / MANIFEST).exists()
    assert read_sums(pointer).keys() >= found.keys()
    same = [version for version in versions if version.files == found]
    assert same, f"{sorted(found)} are the files of no version"
    assert pointer.readlink().name == same[0].revision
    return same[0]
