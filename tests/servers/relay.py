"""A connection that tests can cut: what lies behind it is as good as down, for whoever goes through here."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self


class Relay:
    """Passes bytes on, both ways, until it is cut; then nobody gets through until it is mended."""

    def __init__(self, port_behind: int) -> None:
        self._port_behind = port_behind
        self._cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def before(cls, port: int) -> AsyncIterator[Self]:
        relay = cls(port)
        server = await asyncio.start_server(relay._pass_on, "127.0.0.1", 0)
        relay.port = server.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            server.close()
            relay.cut()

    def url(self, behind: str) -> str:
        """The same URL, but through here."""
        return re.sub(r":\d+/", f":{self.port}/", behind)

    def cut(self) -> None:
        self._cut = True
        for writer in self._open:
            writer.close()

    def mend(self) -> None:
        self._cut = False

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port_behind)
        ends = {writer, far_writer}
        self._open |= ends
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            self._open -= ends


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
