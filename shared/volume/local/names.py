"""Names on a local volume: relative links, which nginx can follow as well as we."""

import asyncio
import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from pydantic import ValidationError

from shared.pictures import (
    Failure,
    Name,
    PictureId,
    Tree,
    name_failure_path,
    name_path,
    picture_path,
)
from shared.pictures.identity import parse_picture_id
from shared.volume.local.durable import flush, make_directories, replace_link
from shared.volume.local.layout import Layout
from shared.volume.local.refusals import Refusals

REMEMBERED_AT_MOST = 4096
"""Names whose places are not worked out anew."""


class LocalNames:
    """`Names` below one directory. Looking takes microseconds, so it stays on the event loop."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._refusals = Refusals(layout)
        self._link = lru_cache(REMEMBERED_AT_MOST)(self._link_of)

    async def picture(self, name: Name) -> PictureId | None:
        try:
            points_to = os.readlink(self._link(name))  # noqa: PTH115 - who waits for a name looks again and again
            return parse_picture_id(points_to.rpartition("/")[2])
        except (OSError, ValueError):
            return None

    async def failure(self, name: Name) -> Failure | None:
        if failure := self._refusals.find(name):
            return failure
        try:  # as an earlier version wrote it
            return Failure.model_validate_json(self._refusal(name).read_bytes())
        except (OSError, ValidationError):
            return None

    def _link_of(self, name: Name) -> Path:
        return self._layout.below(name_path(name))

    def _refusal(self, name: Name) -> Path:
        return self._layout.below(name_failure_path(name))


class LocalNameStore(LocalNames):
    """`NameStore` below one directory."""

    async def point(self, name: Name, picture: PictureId) -> None:
        await asyncio.to_thread(self._point, name, picture)

    def _point(self, name: Name, picture: PictureId) -> None:
        link = self._link(name)
        kept = self._layout.picture(Tree.KEEP, picture).is_dir()
        target = self._layout.root / picture_path(Tree.KEEP if kept else Tree.CACHE, picture)
        points_to = os.path.relpath(target, link.parent)
        if not (link.is_symlink() and str(link.readlink()) == points_to):
            _put(link.parent, partial(replace_link, link, points_to, aside=self._layout.scratch))
        self._forget(name)

    async def refuse(self, name: Name, failure: Failure) -> None:
        await asyncio.to_thread(self._refuse, name, failure)

    def _refuse(self, name: Name, failure: Failure) -> None:
        self._refusals.put(name, failure)
        self._refusal(name).unlink(missing_ok=True)

    async def remove(self, name: Name) -> None:
        await asyncio.to_thread(self._remove, name)

    def _remove(self, name: Name) -> None:
        link = self._link(name)
        self._forget(name)
        if link.parent.is_dir():
            link.unlink(missing_ok=True)
            flush(link.parent)

    def _forget(self, name: Name) -> None:
        self._refusals.forget(name)
        self._refusal(name).unlink(missing_ok=True)


def _put(directory: Path, put: Callable[[], None]) -> None:
    """Have something put into a directory that may not be there yet; once more where it was swept away, being empty."""
    for is_last in (False, True):
        unflushed = make_directories(directory)
        try:
            put()
        except FileNotFoundError:
            if is_last:
                raise
        else:
            for one in (*unflushed, directory):
                flush(one)
            return
