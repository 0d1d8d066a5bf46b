"""A watcher: reads through the pointer, as nginx does, all the time, and lets no wrong byte pass."""

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.pictures import Name, PictureId, Tree, name_path, picture_path
from shared.pictures.manifest import MANIFEST
from shared.pictures.paths import POINTER
from tests.faults.versions import Version, file_names

_BETWEEN_LOOKS_S = 0.0005
_MANY = 5


class Watcher:
    """`good`: for each path the contents that may be read there. `always`: those that may never be missing."""

    def __init__(self, good: Mapping[Path, Collection[bytes]], always: Collection[Path]) -> None:
        self._good = good
        self._always = always
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher")
        self.seen = 0
        self.wrong: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set() and len(self.wrong) < _MANY:
            self.look()
            time.sleep(_BETWEEN_LOOKS_S)
        self.look()

    def look(self) -> None:
        for path, good in self._good.items():
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                if path in self._always:
                    self.wrong.append(f"{path} is missing")
                continue
            self.seen += 1
            if content not in good:
                self.wrong.append(f"{path} has {len(content)} bytes that are no whole picture")


@contextmanager
def watching(
    root: Path,
    picture: PictureId,
    *versions: Version,
    name: Name | None = None,
    always: bool = False,
    must_see: bool = True,
) -> Iterator[Watcher]:
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
    there = [pointer / file for pointer in pointers[1:] for file in shared] if always else []
    watcher = Watcher(good, frozenset(there))
    with watcher.running():
        yield watcher
    assert not watcher.wrong
    assert watcher.seen or not must_see


def stored_version(root: Path, picture: PictureId, *versions: Version) -> Version | None:
    """Which of the versions the pointer names, with all its files and no others; None: it names nothing."""
    pointer = root / picture_path(Tree.CACHE, picture) / POINTER
    if not pointer.is_symlink():
        return None
    found = {file.name: file.read_bytes() for file in pointer.iterdir() if file.name != MANIFEST}
    assert (pointer / MANIFEST).exists()
    same = [version for version in versions if version.files == found]
    assert same, f"{sorted(found)} are the files of no version"
    assert pointer.readlink().name == same[0].revision
    return same[0]
