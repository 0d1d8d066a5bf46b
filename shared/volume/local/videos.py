"""Videos as local files: `videos/public` and `videos/private`, of which a web server serves the first by itself."""

import asyncio
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from shared.pictures.public_paths import video_name
from shared.volume.local.durable import flush, make_directories
from shared.volume.local.layout import Layout
from shared.volume.port import LocalFile, StoredVideo

FOLDERS = {False: "videos/public", True: "videos/private"}
"""By whether they are private."""

_ENDING = ".mp4"


class LocalVideos:
    """`VideoFiles` below one directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def find(self, name: str) -> StoredVideo | None:
        return self._find(name)

    def draft(self) -> Path:
        return self._layout.scratch / f"{uuid.uuid4().hex}{_ENDING}"

    async def put(self, name: str, draft: Path, *, is_private: bool) -> StoredVideo:
        return await asyncio.to_thread(self._put, name, draft, is_private=is_private)

    async def remove(self, name: str) -> bool:
        return await asyncio.to_thread(self._remove, name)

    async def all(self) -> Sequence[StoredVideo]:
        return await asyncio.to_thread(lambda: sorted(self._all(), key=lambda video: video.modified_s))

    def _find(self, name: str) -> StoredVideo | None:
        for is_private in FOLDERS:
            inside = _inside(name, is_private=is_private)
            path = f"{self._layout.root}/{inside}"
            with suppress(FileNotFoundError):
                found = os.stat(path)  # noqa: PTH116 - for each request: a Path would cost more than the look
                if S_ISREG(found.st_mode) and found.st_size:
                    identity = (found.st_ino, found.st_mtime_ns, found.st_size)
                    content, modified_s = LocalFile(path, inside, identity), found.st_mtime_ns // 10**9
                    return StoredVideo(name, found.st_size, modified_s, is_private, content)
        return None

    def _put(self, name: str, draft: Path, *, is_private: bool) -> StoredVideo:
        target = self._layout.root / _inside(name, is_private=is_private)
        flush(draft)
        unflushed = make_directories(target.parent)
        draft.replace(target)
        for directory in (*unflushed, target.parent):
            flush(directory)
        stored = self._find(name)
        if stored is None:
            raise FileNotFoundError(target)
        return stored

    def _remove(self, name: str) -> bool:
        removed = False
        for is_private in FOLDERS:
            file = self._layout.root / _inside(name, is_private=is_private)
            with suppress(FileNotFoundError):
                file.unlink()
                flush(file.parent)
                removed = True
        return removed

    def _all(self) -> Iterator[StoredVideo]:
        for folder in FOLDERS.values():
            with suppress(FileNotFoundError), os.scandir(self._layout.root / folder) as entries:
                for entry in entries:
                    with suppress(ValueError):  # nothing of ours
                        if found := self._find(entry.name.removesuffix(_ENDING)):
                            yield found


def _inside(name: str, *, is_private: bool) -> str:
    """Below the root. Raise ValueError for what is no video's name."""
    return f"{FOLDERS[is_private]}/{video_name(name)}{_ENDING}"
