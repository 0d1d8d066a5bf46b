"""Ahead: pictures that were handed out are fetched before the browser asks for them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from cachetools import TTLCache

from services.enricher.pictures.shown import known_id
from shared.background import cancel_and_wait
from shared.contracts import Envelope, FetchPicture
from shared.pictures import Format, HostRules, Name, PictureId, Rendition, SourceUrl
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import trace_id
from shared.volume import Pictures

ASKED_LASTS_S = 600.0
"""How long a picture that was asked for is not asked for again, whatever came of it."""

REMEMBERED_AT_MOST = 50_000
AT_ONCE = 20
"""Pages whose pictures are being queued; beyond that a page's pictures are fetched when they are asked for."""

RENDITION = Rendition("w342", Format.WEBP)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A poster on a page, by the URL of its source, and what it shows."""

    source_url: str
    name: Name | None


class Prefetch:
    """Queues what is not stored yet, in `later`: whoever cannot wait asks for it again in `now`."""

    def __init__(self, queue: Queue, pictures: Pictures, rules: HostRules) -> None:
        self._queue = queue
        self._pictures = pictures
        self._rules = rules
        self._asked: TTLCache[PictureId, None] = TTLCache(REMEMBERED_AT_MOST, ttl=ASKED_LASTS_S)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """What is still being queued at the end is dropped: nobody was promised it."""
        yield
        await cancel_and_wait(*self._tasks)

    def soon(self, posters: Iterable[HandedOut]) -> None:
        """Return at once; looking and queueing happen beside the page's answer."""
        fresh = [poster for poster in posters if self.may_lack(poster.source_url)]
        if not fresh or len(self._tasks) >= AT_ONCE:
            return
        self._asked.update(dict.fromkeys(known_id(poster.source_url) for poster in fresh))
        task = asyncio.create_task(self._fetch(fresh, trace_id()), name="fetching ahead")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def may_lack(self, source_url: str) -> bool:
        """Whether it was not looked at lately."""
        return known_id(source_url) not in self._asked

    def forget(self, picture: PictureId) -> None:
        """It was purged: the next page that shows it asks again."""
        self._asked.pop(picture, None)

    async def _fetch(self, posters: Sequence[HandedOut], trace: str) -> None:
        """Where the lane takes no more, the browsers' requests fetch the pictures."""
        await self._pictures.ahead(known_id(poster.source_url) for poster in posters)
        for number, poster in enumerate(posters):
            source = SourceUrl.parse(poster.source_url)
            if not self._rules.allow(source) or await self._pictures.find(source.picture, (RENDITION,)):
                continue
            job = FetchPicture(source_url=source, rendition=RENDITION, name=poster.name)
            try:
                await self._queue.publish(Envelope.of(job, trace_id=trace), Lane.PICTURES_LATER)
            except QueueError as error:
                left = posters[number:]
                for one in left:
                    self.forget(known_id(one.source_url))
                _log.warning("not fetched ahead", posters=len(left), error=str(error))
                return
