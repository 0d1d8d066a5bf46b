"""Videos in a store: one object each, which goes there in parts, and from which a proxy reads what is asked for, piece by piece."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachetools import TTLCache

from shared.pictures.public_paths import video_name
from shared.volume.local.sweep import DRAFT_AGE_S, remove_older
from shared.volume.objects.client import ObjectClient
from shared.volume.port import StoredVideo

PIECE_BYTES = 2 * 1024 * 1024
"""Of a request to the store: so much of a video is in memory for each client at once."""

REMEMBERED_AT_MOST = 1000
_FOLDERS = {False: "videos/public", True: "videos/private"}
_ENDING = ".mp4"


@dataclass(frozen=True, slots=True)
class VideoObject:
    """`Content` that is read in requests of a bounded size, however slowly somebody takes it."""

    client: ObjectClient
    key: str
    size: int

    async def whole(self) -> bytes:
        return b"".join([piece async for piece in self.part(0, self.size)])

    async def part(self, first: int, length: int) -> AsyncIterator[bytes]:
        end = first + length
        for begin in range(first, end, PIECE_BYTES):
            yield await self.client.get_range(self.key, begin, min(PIECE_BYTES, end - begin))


class ObjectVideos:
    """`VideoFiles` in a bucket. Where one lies is remembered for as long as a record is (POINTER_SECONDS)."""

    def __init__(self, client: ObjectClient, drafts: Path) -> None:
        self._client = client
        self._drafts = drafts
        self._known: TTLCache[str, StoredVideo] = TTLCache(
            REMEMBERED_AT_MOST, ttl=max(client.settings.pointer_s, 0.001)
        )

    async def find(self, name: str) -> StoredVideo | None:
        if known := self._known.get(name):
            return known
        for is_private in _FOLDERS:
            key = _key(name, is_private=is_private)
            with suppress(FileNotFoundError):
                listed = await self._client.look(key)
                found = self._video(key, listed.bytes, int(listed.modified_at.timestamp()))
                self._known[name] = found
                return found
        return None

    def draft(self) -> Path:
        self._drafts.mkdir(parents=True, exist_ok=True)
        remove_older(self._drafts, time.time() - DRAFT_AGE_S)  # where no fetcher is, nobody else does
        return self._drafts / f"{uuid.uuid4().hex}{_ENDING}"

    async def put(self, name: str, draft: Path, *, is_private: bool) -> StoredVideo:
        key = _key(name, is_private=is_private)
        size = (await asyncio.to_thread(draft.stat)).st_size
        await self._client.put_file(key, draft, size, media_type="video/mp4")
        await asyncio.to_thread(draft.unlink)
        self._known.pop(name, None)
        stored = await self.find(name)
        if stored is None:
            raise FileNotFoundError(key)
        return stored

    async def remove(self, name: str) -> bool:
        self._known.pop(name, None)
        found = await self.find(name)
        self._known.pop(name, None)
        await self._client.delete([_key(name, is_private=is_private) for is_private in _FOLDERS])
        return found is not None

    async def all(self) -> Sequence[StoredVideo]:
        found = []
        async for listed in self._client.list("videos"):
            with suppress(ValueError):  # nothing of ours
                found.append(self._video(listed.key, listed.bytes, int(listed.modified_at.timestamp())))
        return sorted(found, key=lambda video: video.modified_s)

    def _video(self, key: str, size: int, modified_s: int) -> StoredVideo:
        folder, _, file_name = key.rpartition("/")
        name = video_name(file_name.removesuffix(_ENDING))
        return StoredVideo(
            name, size, modified_s, folder == _FOLDERS[True], VideoObject(self._client, key, size)
        )


def _key(name: str, *, is_private: bool) -> str:
    """Raise ValueError for what is no video's name."""
    return f"{_FOLDERS[is_private]}/{video_name(name)}{_ENDING}"
