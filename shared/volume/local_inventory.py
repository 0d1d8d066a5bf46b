"""The inventory of a local volume: two looks at a picture tell whether it changed, a dozen all that is of it."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from stat import S_ISDIR

from pydantic import ValidationError

from shared.pictures import PictureId, State, Tree
from shared.pictures.identity import parse_picture_id
from shared.pictures.paths import POINTER
from shared.pictures.state import STATE
from shared.volume.inventory import Extent, Holding, Mark, Space
from shared.volume.layout import Layout
from shared.volume.local_pictures import names_in, pointed_at, read_manifest

SHELVES = tuple(f"{number:02x}" for number in range(256))
_BLOCK_BYTES = 512
"""Of `st_blocks`, whatever the file system's own are (stat(2))."""

_MARK_BITS = 2**63 - 1


class LocalInventory:
    """`Inventory` below one directory. Reads in threads: of a shelf there is much to look at."""

    shelves: Sequence[str] = SHELVES

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        return await asyncio.to_thread(self._marks, shelf)

    async def holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        return await asyncio.to_thread(self._holdings, pictures)

    async def space(self) -> Space:
        return await asyncio.to_thread(space_at, self._layout.root)

    def _marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        found: dict[PictureId, int] = {}
        for tree in Tree:
            for picture, directory in _pictures_in(self._layout.root / tree / shelf):
                found[picture] = found.get(picture, 0) + _mark(directory)
        return {picture: Mark(mark & _MARK_BITS) for picture, mark in found.items()}

    def _holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        looked = ((picture, self._holding(picture)) for picture in pictures)
        return {picture: holding for picture, holding in looked if holding}

    def _holding(self, picture: PictureId) -> Holding | None:
        """Marked before it is read: what changes meanwhile is looked at once more."""
        places = {tree: self._layout.picture(tree, picture) for tree in Tree}
        mark = sum(_mark(str(directory)) for directory in places.values())
        extents = {tree: _extent(str(directory)) for tree, directory in places.items()}
        if not any(extent.files for extent in extents.values()):
            return None
        revision = manifest = None
        tree = next(tree for tree in Tree if extents[tree].files)
        for served in Tree:
            if (pointed := pointed_at(places[served])) and (read := read_manifest(places[served] / pointed)):
                revision, manifest, tree = pointed, read, served
                break
        return Holding(
            picture=picture,
            revision=revision,
            tree=tree,
            manifest=manifest,
            state=_state(places[tree]),
            cached=extents[Tree.CACHE],
            kept=extents[Tree.KEEP],
            mark=Mark(mark & _MARK_BITS),
        )


def space_at(root: Path) -> Space:
    found = os.statvfs(root)
    return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def _pictures_in(shelf: Path) -> Iterator[tuple[PictureId, str]]:
    for second in names_in(shelf):
        directory = f"{shelf}/{second}"
        for entry in names_in(directory):
            try:
                yield parse_picture_id(entry), f"{directory}/{entry}"
            except ValueError:
                continue


def _mark(directory: str) -> int:
    """From when entries last came and went in it, and in the revision that its pointer names."""
    mark = 0
    for path in (directory, f"{directory}/{POINTER}"):
        try:
            mark += os.stat(path).st_mtime_ns  # noqa: PTH116 - a Path would cost more than the look
        except OSError:
            continue
    return mark


def _extent(directory: str) -> Extent:
    """Of a directory with all that is in it; of none, where it is not there."""
    try:
        found = os.lstat(directory)
        total, files = found.st_blocks * _BLOCK_BYTES, 1
        with os.scandir(directory) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                inside = (
                    _extent(entry.path)
                    if S_ISDIR(status.st_mode)
                    else Extent(status.st_blocks * _BLOCK_BYTES, 1)
                )
                total += inside.bytes
                files += inside.files
    except OSError:  # it goes while we look
        return Extent()
    return Extent(total, files)


def _state(directory: Path) -> State:
    try:
        return State.model_validate_json((directory / STATE).read_bytes())
    except (OSError, ValidationError):
        return State()
