"""Pauses of hosts on a local volume: one small file each."""

import asyncio
import hashlib
import re
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.volume.durable import replace_text
from shared.volume.layout import Layout
from shared.volume.port import HostPause

_PLAIN = re.compile(r"[a-z0-9][a-z0-9.:_-]{0,199}", re.ASCII)


class PauseFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    host: str
    until: AwareDatetime
    in_a_row: int = 0


class LocalHostPauses:
    """`HostPauses` below one directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def paused_until(self, authority: str) -> datetime | None:
        pause = await self.pause_of(authority)
        return pause.until if pause else None

    async def pause_of(self, authority: str) -> HostPause | None:
        try:
            stored = PauseFile.model_validate_json(self._file(authority).read_bytes())
        except (OSError, ValidationError):
            return None
        return HostPause(stored.until, stored.in_a_row)

    async def pause(self, authority: str, pause: HostPause) -> None:
        stored = PauseFile(host=authority, until=pause.until, in_a_row=pause.in_a_row)
        target, text = self._file(authority), stored.model_dump_json()
        await asyncio.to_thread(replace_text, target, text, aside=self._layout.scratch)

    async def forget(self, authority: str) -> None:
        self._file(authority).unlink(missing_ok=True)

    def _file(self, authority: str) -> Path:
        """Named by the host where that is a plain name; an address in brackets or an overlong one is hashed."""
        plain = _PLAIN.fullmatch(authority)
        stem = authority if plain else hashlib.sha256(authority.encode()).hexdigest()
        return self._layout.hosts / f"{stem}.json"
