"""The waiting room: who asks for something that is not there waits here, and one job is asked for them all.

Listening comes before asking, so that no answer is missed; and looking again comes after both, so that a
lost event costs a moment and not the answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from services.proxy.wanted import Wanted
from shared.contracts import Envelope, FetchPicture, PictureFailed, PicturePurged, PictureStored
from shared.pictures import Failure, PictureId, Rendition
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import Metrics, trace_id, utc_now
from shared.volume import Pictures, StoredFile

LOOK_AGAIN_S = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Pauses between looking at the volume while no event comes; the last one repeats."""

_log = structlog.get_logger()
Key = tuple[PictureId, Rendition]


class RoomFull(Exception):
    """As many wait as may."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The job could not be queued; the text says why, for the log."""

    reason: str


Answer = StoredFile | Failure | NotAsked
"""What waiting can end in. None instead: nothing was heard in time."""


@dataclass(slots=True)
class _Question:
    """One job on its way, and what has been heard of it."""

    wanted: Wanted
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Failure | None = None
    purged: bool = False
    """What was fetched for it may have been removed before we saw it: it has to be asked again."""


class WaitingRoom:
    """One question per picture and rendition, however many wait for the answer."""

    def __init__(
        self, queue: Queue, pictures: Pictures, metrics: Metrics, *, limit: int, question_lasts_s: float
    ) -> None:
        self._queue = queue
        self._pictures = pictures
        self._metrics = metrics
        self._limit = limit
        self._question_lasts_s = question_lasts_s
        self._waiting = 0
        self._questions: dict[Key, _Question] = {}
        self._tasks: dict[Key, asyncio.Task[Answer | None]] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen to events while the context lasts; questions still open at its end are dropped."""
        async with self._queue.listen(self._hear):
            try:
                yield
            finally:
                tasks = list(self._tasks.values())
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self, wanted: Wanted, *, timeout_s: float) -> Answer | None:
        """Raise RoomFull when too many wait. The question outlives the client who asked it first."""
        asked = (wanted.picture, wanted.to_make) in self._tasks
        if self._waiting >= self._limit or (not asked and len(self._tasks) >= self._limit):
            raise RoomFull
        self._waiting += 1
        self._metrics.waiting.inc()
        try:
            task = self._task(wanted)
            await asyncio.wait({task}, timeout=timeout_s)
            answer = task.result() if task.done() and not task.cancelled() else None
            if isinstance(answer, StoredFile):  # who asked first may accept what this client does not
                return await self._pictures.find(wanted.picture, wanted.renditions)
            return answer
        finally:
            self._waiting -= 1
            self._metrics.waiting.dec()

    def _task(self, wanted: Wanted) -> asyncio.Task[Answer | None]:
        key = (wanted.picture, wanted.to_make)
        if key not in self._tasks:
            self._questions[key] = _Question(wanted)
            self._tasks[key] = asyncio.create_task(self._ask(key), name=f"question {key}")
        return self._tasks[key]

    async def _ask(self, key: Key) -> Answer | None:
        question = self._questions[key]
        try:
            async with asyncio.timeout(self._question_lasts_s):
                await self._publish(question)
                return await self._listen_and_look(question)
        except QueueError as error:
            _log.warning("job not queued", picture=key[0], error=str(error))
            return NotAsked(str(error))
        except TimeoutError:
            return None
        finally:
            del self._questions[key], self._tasks[key]

    async def _publish(self, question: _Question) -> None:
        question.purged = False
        envelope = Envelope.of(_job(question.wanted), trace_id=trace_id())
        await self._queue.publish(envelope, Lane.PICTURES_NOW)

    async def _listen_and_look(self, question: _Question) -> Answer:
        pauses = iter(LOOK_AGAIN_S)
        pause_s = next(pauses)
        while True:
            try:
                async with asyncio.timeout(pause_s):
                    await question.heard.wait()
            except TimeoutError:
                pause_s = next(pauses, pause_s)
            question.heard.clear()
            answer = await self._look(question)
            if answer:
                return answer
            if question.purged:
                await self._publish(question)

    async def _look(self, question: _Question) -> Answer | None:
        wanted = question.wanted
        if file := await self._pictures.find(wanted.picture, (wanted.to_make,)):
            return file
        if question.failure:
            return question.failure
        return await remembered_failure(self._pictures, wanted)

    async def _hear(self, envelope: Envelope) -> None:
        match envelope.payload:
            case PictureStored(picture=picture, renditions=renditions):
                for rendition in renditions:
                    if question := self._questions.get((picture, rendition)):
                        question.heard.set()
            case PictureFailed(picture=picture, rendition=rendition, failure=failure):
                for key, question in self._questions.items():
                    if key[0] == picture and rendition in (None, key[1]):
                        question.failure = failure
                        question.heard.set()
            case PicturePurged(picture=picture):
                for key, question in self._questions.items():
                    if key[0] == picture:
                        question.purged = True
                        question.heard.set()


def _job(wanted: Wanted) -> FetchPicture:
    return FetchPicture(
        source_url=wanted.source, rendition=wanted.to_make, authorised_host=wanted.authorised_host
    )


async def remembered_failure(pictures: Pictures, wanted: Wanted) -> Failure | None:
    """The failure for which nothing is queued; a failed download counts only where there is no revision."""
    state = await pictures.state(wanted.picture)
    if not state.failures:
        return None
    stored = await pictures.current(wanted.picture) is not None
    return state.blocking(wanted.to_make, stored=stored, now=utc_now())
