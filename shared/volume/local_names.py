"""Names on a local volume: relative links, which nginx can follow as well as we."""

import asyncio
import os
from pathlib import Path

from shared.pictures import Name, PictureId, Tree, name_path, picture_path
from shared.pictures.identity import parse_picture_id
from shared.volume.durable import flush, make_directories, replace_link
from shared.volume.layout import Layout


class LocalNames:
    """`Names` below one directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def picture(self, name: Name) -> PictureId | None:
        try:
            return parse_picture_id(self._link(name).readlink().name)
        except (OSError, ValueError):
            return None

    async def point(self, name: Name, picture: PictureId) -> None:
        await asyncio.to_thread(self._point, name, picture)

    def _point(self, name: Name, picture: PictureId) -> None:
        link = self._link(name)
        kept = self._layout.picture(Tree.KEEP, picture).is_dir()
        target = self._layout.root / picture_path(Tree.KEEP if kept else Tree.CACHE, picture)
        points_to = os.path.relpath(target, link.parent)
        if link.is_symlink() and str(link.readlink()) == points_to:
            return
        unflushed = make_directories(link.parent)
        replace_link(link, points_to, aside=self._layout.scratch)
        for directory in (*unflushed, link.parent):
            flush(directory)

    async def remove(self, name: Name) -> None:
        self._link(name).unlink(missing_ok=True)

    def _link(self, name: Name) -> Path:
        return self._layout.below(name_path(name))
