"""The inventory of a local volume. Two `stat` calls for a picture tell whether it changed; reading all of it takes a dozen calls."""

import asyncio
import math
import os
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR

from shared.pictures import PictureId, State, Tree
from shared.pictures.paths import POINTER
from shared.pictures.source import parse_picture_id
from shared.volume.inventory import ABSENT, NOTHING, PARTS, UNMARKED, Extent, Holding, Mark, Space
from shared.volume.local.layout import Layout
from shared.volume.local.pictures import names_in, pointed_at, read_manifest, read_state

SHELVES = tuple(f"{number:02x}" for number in range(256))
_PLACE_OF = {name: place for place, name in enumerate(SHELVES)}
_BLOCK_BYTES = 512
"""Of `st_blocks`, whatever the file system's own are (stat(2))."""

_MARK_BITS = 2**63 - 1
_PLACES = len(SHELVES) ** 2
_SETTLED_AFTER_NS = 1_000_000_000

REFUSALS_HOLD_S = 10.0
"""What refused names take is a few megabytes at most, and looked at so seldom."""


class LocalInventory:
    """`Inventory` below one directory. Reads in threads: of a shelf there is much to look at."""

    shelves: Sequence[str] = SHELVES

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._refusals = NOTHING
        self._refusals_hold_until_s = -math.inf

    async def parts(self, shelf: str) -> Sequence[Mark]:
        return await asyncio.to_thread(self._parts, shelf)

    async def marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        return await asyncio.to_thread(self._marks, shelf)

    async def holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        return await asyncio.to_thread(self._holdings, pictures)

    async def shelving(self, pictures: int) -> Extent:
        """Ids are as good as random, so that it is known how many of the directories are in use. With the shelves of
        refused names.
        """
        used = sum(places * (1 - math.exp(-pictures / places)) for places in (len(SHELVES), _PLACES))
        one = os.stat(self._layout.root / Tree.CACHE).st_blocks * _BLOCK_BYTES  # noqa: PTH116 - as below
        if time.monotonic() > self._refusals_hold_until_s:
            self._refusals = await asyncio.to_thread(self._refused)
            self._refusals_hold_until_s = time.monotonic() + REFUSALS_HOLD_S
        return Extent(int(one * used), int(used)) + self._refusals

    def _refused(self) -> Extent:
        with suppress(FileNotFoundError), os.scandir(self._layout.refused) as entries:
            sizes = [entry.stat().st_blocks * _BLOCK_BYTES for entry in entries]
            return Extent(sum(sizes), len(sizes))
        return NOTHING

    async def space(self) -> Space:
        return space_at(self._layout.root)

    def _parts(self, shelf: str) -> Sequence[Mark]:
        """By when entries last came and went in the directories that its pictures share: see `Layout.tell_of_change`."""
        self._check()
        marks = array("q", [ABSENT] * PARTS)
        for tree in Tree:
            directory = f"{self._layout.root}/{tree}/{shelf}"
            for name in names_in(directory):
                with suppress(KeyError, OSError):  # nothing of ours, or it goes while we look
                    place, changed_ns = _PLACE_OF[name], _changed_ns(f"{directory}/{name}")
                    before = marks[place]
                    settled = before != UNMARKED and _is_settled(changed_ns)
                    marks[place] = (max(before, 0) + changed_ns) & _MARK_BITS if settled else UNMARKED
        return marks  # type: ignore[return-value] # of marks, which are numbers: thirty times smaller than a list

    def _marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        self._check()
        found: dict[PictureId, list[str]] = {}
        for tree in Tree:
            for picture, directory in self._on(tree, shelf):
                found.setdefault(picture, []).append(directory)
        return {picture: _marked(directories)[0] for picture, directories in found.items()}

    def _on(self, tree: Tree, shelf: str) -> Iterator[tuple[PictureId, str]]:
        """In the part `shelf[2:]` of it, or in all of them."""
        directory, part = f"{self._layout.root}/{tree}/{shelf[:2]}", shelf[2:]
        for second in (part,) if part else names_in(directory):
            yield from _pictures_in(f"{directory}/{second}")

    def _holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        self._check()
        looked = ((picture, self._holding(picture)) for picture in pictures)
        return {picture: holding for picture, holding in looked if holding}

    def _check(self) -> None:
        """Of a volume that is not mounted just now, everything would seem to be gone."""
        for tree in Tree:
            os.stat(self._layout.root / tree)  # noqa: PTH116 - raises what it is about

    def _holding(self, picture: PictureId) -> Holding | None:
        """Marked before it is read: what changes meanwhile is looked at once more."""
        places = {tree: self._layout.picture_at(tree, picture) for tree in Tree}
        mark = _settled(_marked(places.values()))
        extents = {tree: _extent(directory) for tree, directory in places.items()}
        there = [tree for tree in Tree if extents[tree].files]
        if not there:
            return None
        revision = manifest = None
        tree = there[0]
        for served in there:
            if (pointed := pointed_at(places[served])) and (
                read := read_manifest(f"{places[served]}/{pointed}")
            ):
                revision, manifest, tree = pointed, read, served
                break
        return Holding(
            picture=picture,
            revision=revision,
            tree=tree,
            manifest=manifest,
            state=read_state(places[tree]) or State(),
            cached=extents[Tree.CACHE],
            kept=extents[Tree.KEEP],
            mark=mark,
        )


def _changed_ns(path: str) -> int:
    return os.stat(path).st_mtime_ns  # noqa: PTH116 - a Path would cost more than the look


def _is_settled(changed_ns: int) -> bool:
    """Not where it is so young that the clock of the file system may not tell the next change from it."""
    return time.time_ns() - changed_ns > _SETTLED_AFTER_NS


def space_at(root: Path) -> Space:
    found = os.statvfs(root)
    return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def _pictures_in(directory: str) -> Iterator[tuple[PictureId, str]]:
    for entry in names_in(directory):
        try:
            yield parse_picture_id(entry), f"{directory}/{entry}"
        except ValueError:
            continue


def _marked(directories: Iterable[str]) -> tuple[Mark, int]:
    """From when entries last came and went in a picture's directories, and in the revisions that are served; and the
    latest of these moments, in nanoseconds.
    """
    total = latest = 0
    for directory in directories:
        for path in (directory, f"{directory}/{POINTER}"):
            try:
                changed_ns = _changed_ns(path)
            except OSError:
                continue
            total += changed_ns
            latest = max(latest, changed_ns)
    return Mark(total & _MARK_BITS), latest


def _settled(marked: tuple[Mark, int]) -> Mark:
    mark, latest_ns = marked
    return mark if _is_settled(latest_ns) else UNMARKED


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
