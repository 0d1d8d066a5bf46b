"""Pins on a local volume: a pinned picture lies in `keep`, and beside its pointer, by which names it is pinned.

Everything here may be interrupted at any line, and leaves the picture served from one tree or from both.
"""

import asyncio
import os
import shutil
import uuid
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.pictures import Name, PictureId, RevisionId, Tree, Upload
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER, is_spool
from shared.volume.local.durable import SUMS, flush, make_directories, replace_text
from shared.volume.local.layout import Layout
from shared.volume.local.pictures import read_manifest, renditions_in, whole_pointer
from shared.volume.port import OnStep, unwatched

PINS = "pins.json"


class PinStep(StrEnum):
    """Named, so that tests can stop or kill a process at each of them."""

    COPY_MADE = "copy made"
    COPY_PLACED = "copy placed"
    PINS_WRITTEN = "pins written"
    CACHE_CLEARED = "cache cleared"
    MOVED_BACK = "moved back"


class PinsFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    names: frozenset[Name] = frozenset()


def pinned_names(layout: Layout, picture: PictureId) -> frozenset[Name]:
    """What the picture is pinned to."""
    try:
        pins = (layout.picture(Tree.KEEP, picture) / PINS).read_bytes()
        return PinsFile.model_validate_json(pins).names
    except (OSError, ValidationError):
        return frozenset()


class LocalPins:
    """`Pins` below one directory."""

    def __init__(self, layout: Layout, *, on_step: OnStep = unwatched) -> None:
        self._layout = layout
        self._at = on_step

    async def pin(self, picture: PictureId, name: Name) -> bool:
        return await asyncio.to_thread(self._pin, picture, name)

    async def unpin(self, picture: PictureId, name: Name) -> bool:
        return await asyncio.to_thread(self._unpin, picture, name)

    async def holds(self, picture: PictureId, name: Name) -> bool:
        return name in self._names(picture)

    async def names(self, picture: PictureId) -> frozenset[Name]:
        return self._names(picture)

    def _pin(self, picture: PictureId, name: Name) -> bool:
        if whole_pointer(self._layout.picture(Tree.KEEP, picture)):
            self._write(picture, self._names(picture) | {name})
            return True
        cached = self._layout.picture(Tree.CACHE, picture)
        revision = whole_pointer(cached)
        if revision is None:
            return False
        copy = self._layout.scratch / uuid.uuid4().hex
        try:
            self._link(cached, revision, copy)
            self._place(copy, picture, name)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        return True

    def _link(self, cached: Path, revision: RevisionId, copy: Path) -> None:
        """The same files under a second name: the current revision, without what is there for a minute only."""
        made = copy / revision
        made.mkdir(parents=True)
        for file in (MANIFEST, *renditions_in(cached / revision)):
            if not is_spool(file):
                os.link(cached / revision / file, made / file)
        with suppress(FileNotFoundError):  # a revision of old has none
            os.link(cached / revision / SUMS, made / SUMS)
        if (cached / STATE).exists():
            os.link(cached / STATE, copy / STATE)
        (copy / POINTER).symlink_to(revision)

    def _place(self, copy: Path, picture: PictureId, name: Name) -> None:
        replace_text(copy / PINS, PinsFile(names=frozenset({name})).model_dump_json(), aside=copy)
        for directory in (*(entry for entry in copy.iterdir() if entry.is_dir()), copy):
            flush(directory)
        self._at(PinStep.COPY_MADE)
        kept = self._layout.picture(Tree.KEEP, picture)
        unflushed = make_directories(kept.parent)
        if kept.is_dir():  # of a commit that was killed before it switched the pointer
            kept.rename(self._layout.new_trash())
        copy.rename(kept)
        self._at(PinStep.COPY_PLACED)
        for directory in (*unflushed, kept.parent):
            flush(directory)

    def _unpin(self, picture: PictureId, name: Name) -> bool:
        names = self._names(picture)
        if name not in names:
            return False
        if len(names) > 1 or self._is_upload(picture):
            self._write(picture, names - {name})
        else:
            self._move_back(picture)
        return True

    def _move_back(self, picture: PictureId) -> None:
        """What `cache` has is no newer, and `keep` serves until the one move that puts it in its place."""
        kept, cached = (self._layout.picture(tree, picture) for tree in (Tree.KEEP, Tree.CACHE))
        unflushed = make_directories(cached.parent)
        if cached.is_dir():
            cached.rename(self._layout.new_trash())
        self._at(PinStep.CACHE_CLEARED)
        kept.rename(cached)
        self._at(PinStep.MOVED_BACK)
        (cached / PINS).unlink(missing_ok=True)
        for directory in (*unflushed, cached.parent, kept.parent):
            flush(directory)

    def _write(self, picture: PictureId, names: frozenset[Name]) -> None:
        kept = self._layout.picture(Tree.KEEP, picture)
        replace_text(kept / PINS, PinsFile(names=names).model_dump_json(), aside=self._layout.scratch)
        flush(kept)
        self._layout.tell_of_change(picture)
        self._at(PinStep.PINS_WRITTEN)

    def _names(self, picture: PictureId) -> frozenset[Name]:
        return pinned_names(self._layout, picture)

    def _is_upload(self, picture: PictureId) -> bool:
        kept = self._layout.picture(Tree.KEEP, picture)
        revision = whole_pointer(kept)
        manifest = revision and read_manifest(kept / revision)
        if not manifest:
            return False
        try:
            return Upload.parse(manifest.source_url).picture == picture
        except ValueError:
            return False
