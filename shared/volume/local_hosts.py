"""Pauses of hosts on a local volume: one small file each."""

import asyncio
import hashlib
import re
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.volume.durable import replace_text
from shared.volume.layout import Layout

_PLAIN = re.compile(r"[a-z0-9][a-z0-9.:_-]{0,199}", re.ASCII)


class HostPause(BaseModel):
    model_config = ConfigDict(frozen=True)

    host: str
    until: AwareDatetime


class LocalHostPauses:
    """`HostPauses` below one directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def paused_until(self, authority: str) -> datetime | None:
        try:
            return HostPause.model_validate_json(self._file(authority).read_bytes()).until
        except (OSError, ValidationError):
            return None

    async def pause(self, authority: str, until: datetime) -> None:
        pause = HostPause(host=authority, until=until)
        target, text = self._file(authority), pause.model_dump_json()
        await asyncio.to_thread(replace_text, target, text, aside=self._layout.scratch)

    def _file(self, authority: str) -> Path:
        """Named by the host where that is a plain name; an address in brackets or an overlong one is hashed."""
        plain = _PLAIN.fullmatch(authority)
        stem = authority if plain else hashlib.sha256(authority.encode()).hexdigest()
        return self._layout.hosts / f"{stem}.json"
