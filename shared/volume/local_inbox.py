"""Uploads on a local volume: a file each, whole before anybody is told of it."""

import asyncio
import shutil
import uuid
from pathlib import Path

from shared.volume.durable import flush
from shared.volume.layout import Layout


class LocalInbox:
    """`Inbox` in one directory."""

    def __init__(self, layout: Layout) -> None:
        self._directory = layout.inbox

    async def put(self, body: bytes) -> str:
        return await asyncio.to_thread(self._put, body)

    def _put(self, body: bytes) -> str:
        inbox_id = uuid.uuid4().hex
        file = self._directory / inbox_id
        try:
            file.write_bytes(body)
            flush(file)
        except OSError:  # a full disk takes no leftovers
            file.unlink(missing_ok=True)
            raise
        flush(self._directory)
        return inbox_id

    async def copy(self, inbox_id: str, into: Path) -> bool:
        try:
            await asyncio.to_thread(shutil.copyfile, self._file(inbox_id), into)
        except FileNotFoundError:
            return False
        return True

    async def remove(self, inbox_id: str) -> None:
        self._file(inbox_id).unlink(missing_ok=True)

    def _file(self, inbox_id: str) -> Path:
        return self._directory / uuid.UUID(inbox_id).hex
