"""Uploads on their way to the fetcher, and pauses of hosts, on a local volume: a file each, whole before anybody reads it."""

import asyncio
import hashlib
import re
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.volume.local.durable import flush, replace_text
from shared.volume.local.layout import Layout
from shared.volume.port import HostPause

_PLAIN = re.compile(r"[a-z0-9][a-z0-9.:_-]{0,199}", re.ASCII)


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


class PauseFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    host: str
    until: AwareDatetime
    in_a_row: int = 0
    failing: bool = False

    @property
    def pause(self) -> HostPause:
        return HostPause(self.until, self.in_a_row, self.failing)


class LocalHostPauses:
    """`HostPauses` below one directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def pause_of(self, authority: str) -> HostPause | None:
        try:
            return PauseFile.model_validate_json(self._file(authority).read_bytes()).pause
        except (OSError, ValidationError):
            return None

    async def pause(self, authority: str, pause: HostPause) -> None:
        stored = PauseFile(host=authority, until=pause.until, in_a_row=pause.in_a_row, failing=pause.failing)
        target, text = self._file(authority), stored.model_dump_json()
        await asyncio.to_thread(replace_text, target, text, aside=self._layout.scratch)

    async def forget(self, authority: str) -> None:
        self._file(authority).unlink(missing_ok=True)

    async def all(self) -> Mapping[str, HostPause]:
        return await asyncio.to_thread(self._all)

    def _all(self) -> Mapping[str, HostPause]:
        found = {}
        for file in self._layout.hosts.glob("*.json"):
            with suppress(OSError, ValidationError):
                stored = PauseFile.model_validate_json(file.read_bytes())
                found[stored.host] = stored.pause
        return found

    def _file(self, authority: str) -> Path:
        """Named by the host where that is a plain name; an address in brackets or an overlong one is hashed."""
        plain = _PLAIN.fullmatch(authority)
        stem = authority if plain else hashlib.sha256(authority.encode()).hexdigest()
        return self._layout.hosts / f"{stem}.json"
