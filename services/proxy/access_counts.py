"""Use: which pictures are looked at. Counted in memory and told now and then, so that no hit writes anything."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from shared.background import Background
from shared.contracts import Envelope, PicturesUsed
from shared.pictures import Name, PictureId
from shared.queue import Queue
from shared.telemetry import Metrics, trace_id
from shared.volume import Names

TELL_EVERY_S = 5.0
TOLD_AT_ONCE = 1000
"""Pictures in one event."""
COUNTED_AT_MOST = 20_000
"""Pictures between two events; further ones are not counted: what is used often comes again."""

SENT_BY_NGINX = "hit by nginx"
"""The outcome that metrics count what the sampled log says under, by its weight."""

_SAMPLED = re.compile(rb"picture=([0-9a-f]{32}) weight=(\d{1,6})")
_SAMPLED_NAME = re.compile(rb"name=names/([a-z]+)/../../([A-Za-z0-9._:-]+)/([a-z]+) weight=(\d{1,6})")
_log = structlog.get_logger()


class AccessCounts:
    def __init__(self, queue: Queue, names: Names, metrics: Metrics) -> None:
        self._sent_by_nginx = metrics.served(SENT_BY_NGINX)
        self._queue = queue
        self._names = names
        self._used: Counter[PictureId] = Counter()
        self._shown: Counter[Name] = Counter()
        """What nginx served by name: it does not know whose picture that was."""

    def count(self, picture: PictureId, times: int = 1) -> None:
        if picture in self._used or len(self._used) < COUNTED_AT_MOST:
            self._used[picture] += times

    @asynccontextmanager
    async def telling(self, access_log_address: str, background: Background) -> AsyncIterator[None]:
        """Tell what was used every few seconds, and once more at the end; hear nginx's log where there is one."""
        transport = await self._hear(access_log_address) if access_log_address else None
        try:
            async with background.repeating("telling use", self.tell, every_s=TELL_EVERY_S, at_once=False):
                yield
        finally:
            if transport:
                transport.close()
            await self.tell()

    async def tell(self) -> None:
        await self._count_shown()
        used, self._used = self._used, Counter()
        pictures = list(used.items())
        for start in range(0, len(pictures), TOLD_AT_ONCE):
            event = PicturesUsed(used=dict(pictures[start : start + TOLD_AT_ONCE]))
            await self._queue.announce(Envelope.of(event, trace_id=trace_id()))

    def hear(self, log_line: bytes) -> None:
        """One line of nginx's sampled access log: it stands for `weight` requests."""
        if found := _SAMPLED.search(log_line):
            self._sent_by_nginx.inc(int(found[2]))
            self.count(PictureId(found[1].decode()), int(found[2]))
        elif found := _SAMPLED_NAME.search(log_line):
            self._sent_by_nginx.inc(int(found[4]))
            kind, id_, role = (part.decode() for part in found.groups()[:3])
            self._count_name(f"{kind}/{id_}/{role}", int(found[4]))

    def _count_name(self, text: str, times: int) -> None:
        with suppress(ValueError):  # by UDP, anybody may say anything
            name = Name.parse(text)
            if name in self._shown or len(self._shown) < COUNTED_AT_MOST:
                self._shown[name] += times

    async def _count_shown(self) -> None:
        shown, self._shown = self._shown, Counter()
        for name, times in shown.items():
            if picture := await self._names.picture(name):
                self.count(picture, times)

    async def _hear(self, address: str) -> asyncio.DatagramTransport:
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _AccessLog(self), local_addr=(host.strip("[]"), int(port))
            )
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise OSError(
                f"Cannot hear nginx's access log at ACCESS_LOG_ADDRESS={address}: {why}. One proxy hears it:"
                " leave it out for all other services."
            ) from error
        _log.info("hearing the access log", address=address)
        return transport


class _AccessLog(asyncio.DatagramProtocol):
    def __init__(self, use: AccessCounts) -> None:
        self._use = use

    def datagram_received(self, data: bytes, _address: object) -> None:
        self._use.hear(data)
