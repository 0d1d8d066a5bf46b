"""Pictures on a local volume, read through the pointer: no lock, no cache, a few system calls."""

import os
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG

from pydantic import ValidationError

from shared.pictures import Manifest, PictureId, Rendition, RevisionId, State, Tree, candidates, picture_path
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER, spools
from shared.pictures.source import parse_picture_id, parse_revision_id
from shared.volume.local.durable import SUMS, read_whole
from shared.volume.local.layout import Layout
from shared.volume.port import LocalFile, Revision, StoredFile


class LocalPictures:
    """`Pictures` below one directory. Looking takes microseconds, so it stays on the event loop."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._root = f"{layout.root}/"

    async def find(self, picture: PictureId, renditions: tuple[Rendition, ...]) -> StoredFile | None:
        return self._first(picture, candidates(picture, renditions) + spools(picture, renditions))

    async def at(self, picture: PictureId, revision: RevisionId, file_name: str) -> StoredFile | None:
        trees = (Tree.CACHE, Tree.KEEP)
        return self._first(
            picture, tuple(f"{picture_path(tree, picture)}/{revision}/{file_name}" for tree in trees)
        )

    def _first(self, picture: PictureId, paths: tuple[str, ...]) -> StoredFile | None:
        for index, path in enumerate(paths):
            location = self._root + path
            try:
                found = os.stat(location)  # noqa: PTH116 - a Path for every candidate would cost more than looking
            except OSError:
                continue
            if S_ISREG(found.st_mode) and found.st_size:
                identity = (found.st_ino, found.st_mtime_ns, found.st_size)
                passed = tuple(self._root + other for other in paths[:index])
                return StoredFile(
                    picture,
                    path.rpartition("/")[2],
                    found.st_size,
                    found.st_mtime_ns // 1_000_000_000,
                    LocalFile(location, path, identity, passed),
                )
        return None

    async def current(self, picture: PictureId) -> Revision | None:
        for tree in Tree:
            directory = self._layout.picture_at(tree, picture)
            revision = pointed_at(directory)
            manifest = revision and read_manifest(f"{directory}/{revision}")
            if revision and manifest:
                files = renditions_in(f"{directory}/{revision}")
                return Revision(picture, revision, tree, manifest, files)
        return None

    async def state(self, picture: PictureId) -> State:
        for tree in Tree:
            if state := read_state(self._layout.picture_at(tree, picture)):
                return state
        return State()

    async def ahead(self, pictures: Iterable[PictureId]) -> None:
        """Each look is short."""

    async def pictures(self) -> AsyncIterator[PictureId]:
        for tree in Tree:
            for first in names_in(self._layout.root / tree):
                for second in names_in(self._layout.root / tree / first):
                    for entry in names_in(self._layout.root / tree / first / second):
                        try:
                            picture = parse_picture_id(entry)
                        except ValueError:
                            continue
                        if tree is Tree.KEEP or not self._layout.picture(Tree.KEEP, picture).is_dir():
                            yield picture


def pointed_at(directory: Path | str) -> RevisionId | None:
    """The revision that a picture's pointer names, whether it is whole or not."""
    try:
        return parse_revision_id(os.readlink(f"{directory}/{POINTER}").rpartition("/")[2])  # noqa: PTH115 - as below
    except (OSError, ValueError):
        return None


def read_manifest(revision_directory: Path | str) -> Manifest | None:
    """None where there is none, or none that can be read: such a revision counts as not there."""
    try:
        return _manifest(read_whole(f"{revision_directory}/{MANIFEST}"))
    except (OSError, ValidationError):
        return None


def read_state(directory: Path | str) -> State | None:
    """None where there is none, or none that can be read."""
    try:
        return _state(read_whole(f"{directory}/{STATE}"))
    except (OSError, ValidationError):
        return None


READ_AT_MOST = 256
"""Of either kind, what was read last is not read into a value anew: one miss looks at the same a dozen times."""

_manifest = lru_cache(READ_AT_MOST)(Manifest.model_validate_json)
_state = lru_cache(READ_AT_MOST)(State.model_validate_json)


def whole_pointer(directory: Path | str) -> RevisionId | None:
    """The same where that revision has a manifest; a pointer to any other counts as none."""
    pointed = pointed_at(directory)
    return pointed if pointed and read_manifest(f"{directory}/{pointed}") else None


def renditions_in(revision_directory: Path | str) -> frozenset[str]:
    """The files of a revision that can be served."""
    return frozenset(name for name in names_in(revision_directory) if name not in (MANIFEST, SUMS))


def names_in(directory: Path | str) -> list[str]:
    """In their order; none where there is no such directory."""
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - names are what is wanted
    except (FileNotFoundError, NotADirectoryError):
        return []
