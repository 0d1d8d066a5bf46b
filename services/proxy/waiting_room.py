"""Questions: what is asked for on behalf of those who wait, which events speak of it, and what is not asked for."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

import structlog

from services.proxy.lookup import About, Lookup
from services.proxy.wanted import WantedPicture
from shared import contracts
from shared.background import Background, cancel_and_wait
from shared.pictures import Failure, Name, PictureId, RefusalReason, Rendition, SourceUrl
from shared.queue import Lane, Queue, QueueError
from shared.telemetry import Metrics, trace_id
from shared.volume import StoredFile, VolumeAway

Key = tuple[About, Rendition, Lane]
"""Who asks the same waits for the same answer."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    about: About
    rendition: Rendition
    job: contracts.FetchPicture | contracts.ResolvePicture

    @classmethod
    def for_source(cls, wanted: WantedPicture) -> Self:
        job = contracts.FetchPicture(
            source_url=wanted.source, rendition=wanted.to_make, authorised_host=wanted.authorised_host
        )
        return cls(wanted.picture, wanted.to_make, job)

    @classmethod
    def for_name(cls, name: Name, rendition: Rendition) -> Self:
        return cls(name, rendition, contracts.ResolvePicture(name=name, rendition=rendition))

    @classmethod
    def for_evicted(cls, picture: PictureId, rendition: Rendition) -> Self:
        return cls(picture, rendition, contracts.ResolvePicture(picture=picture, rendition=rendition))

    @property
    def lane(self) -> Lane:
        return Lane.PICTURES_NOW if isinstance(self.job, contracts.FetchPicture) else Lane.RESOLVE_NOW

    @property
    def key(self) -> Key:
        return self.about, self.rendition, self.lane

    @property
    def host(self) -> str | None:
        """That is asked for it, where that is known."""
        source = self.job.source_url if isinstance(self.job, contracts.FetchPicture) else None
        return source.authority if isinstance(source, SourceUrl) else None

    @property
    def is_guess(self) -> bool:
        """Whether it may be about nothing at all: anybody can make up a picture's id."""
        return self.lane is Lane.RESOLVE_NOW and not isinstance(self.about, Name)

    def refused_by(self, event: contracts.Message) -> Failure | None:
        """The failure, where the event says that there is nothing to wait for."""
        match event:
            case contracts.PictureFailed(picture=picture, failure=failure, unknown=True):
                ours = self.is_guess and self.about == picture
            case contracts.PictureFailed(picture=picture, name=name, rendition=rendition, failure=failure):
                ours = self.about in (picture, name) and rendition in (None, self.rendition)
            case contracts.NameRefused(name=name, failure=failure):
                ours = self.about == name
            case _:
                return None
        return failure if ours else None


QUERIES_AT_MOST = 4
"""Of one path, at hosts whose pictures never change: there a query means little or nothing."""

PATHS_AT_MOST = 10_000
"""Paths whose queries are remembered; beyond them the longest unused is forgotten."""

FRAGMENT = "Leave out what begins with #: a picture's host never hears of it."
QUERIES = f"This picture was asked for with {QUERIES_AT_MOST} other queries already: leave the query out."


class Spellings:
    """Source URLs that differ in what makes no other picture, each of which would be fetched and kept anew.

    What this process has been asked for and did not have. What is stored is served whatever it is called.
    """

    def __init__(self, *, paths_at_most: int = PATHS_AT_MOST) -> None:
        self._paths_at_most = paths_at_most
        self._queries: OrderedDict[int, frozenset[int]] = OrderedDict()

    def refusal(self, wanted: WantedPicture) -> tuple[RefusalReason, str] | None:
        """The rule, and a sentence for the user; None: it may be fetched under this URL."""
        source = wanted.source
        if not isinstance(source, SourceUrl):
            return None
        if "#" in source.text:
            return RefusalReason.FRAGMENT, FRAGMENT
        if source.url.raw_query_string and wanted.host and wanted.host.immutable and self._is_fifth(source):
            return RefusalReason.QUERY, QUERIES
        return None

    def _is_fifth(self, source: SourceUrl) -> bool:
        """Digests are enough: who meets another's by chance shares its four queries."""
        path, query = hash((source.authority, source.url.raw_path)), hash(source.url.raw_query_string)
        before = self._queries.pop(path, frozenset())
        known = before if len(before) >= QUERIES_AT_MOST else before | {query}
        self._queries[path] = known
        if len(self._queries) > self._paths_at_most:
            self._queries.popitem(last=False)
        return query not in known


LOOK_AGAIN_S = 1.0
"""Between two looks at the volume while no event comes, as where the broker lost one: all who wait do so."""

GUESSES_AT_MOST = 100
"""How many may wait for pictures that are known by nothing but an id; and how many such questions are open."""

COMES_AGAIN_S = 30.0
"""For so long who was told to ask again counts as waiting: what was asked for should be there by then."""

LETS_GO_EVERY_S = 1.0
TOLD_AT_ONCE = 1000
"""Jobs in one event."""

_log = structlog.get_logger()


class RoomFull(Exception):
    """As many wait as may."""


@dataclass(frozen=True, slots=True)
class NotQueued:
    """The job could not be queued; the text says why, for the log."""

    reason: str


Answer = StoredFile | Failure | NotQueued
"""What waiting can end in. None instead: nothing was heard in time."""


@dataclass(slots=True)
class _Open:
    """A question on its way, who waits for the answer, and what has been heard of it."""

    question: FetchRequest
    waiting: int = 0
    awaited_until_s: float = 0.0
    """Who was told to ask again will have done so by then."""
    jobs: list[str] = field(default_factory=list)
    """The ids of what was published for it."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Failure | None = None
    purged: bool = False
    """What was fetched for it may have been removed before we saw it: it has to be asked again."""


@dataclass(slots=True)
class _Seats:
    """Bounds who waits, and the questions that go on when nobody waits any more."""

    limit: int
    taken: int = 0
    questions: int = 0
    taken_for: Counter[str] = field(default_factory=Counter)
    questions_to: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> int:
        """Of one host."""
        return max(1, self.limit // 2)

    def have_room(self, host: str | None, *, asked: bool) -> bool:
        """`asked`: the question is on its way."""
        if self.taken >= self.limit or (host and self.taken_for[host] >= self.share):
            return False
        if asked:
            return True
        return self.questions < self.limit and not (host and self.questions_to[host] >= self.share)

    def take(self, host: str | None, by: int = 1) -> None:
        self.taken += by
        _count(self.taken_for, host, by)

    def ask(self, host: str | None, by: int = 1) -> None:
        self.questions += by
        _count(self.questions_to, host, by)


def _count(counts: Counter[str], host: str | None, by: int) -> None:
    """A count of none takes no room."""
    if host:
        counts[host] += by
        if not counts[host]:
            del counts[host]


class WaitingRoom:
    """One question per picture or name, and rendition, however many wait for the answer."""

    def __init__(
        self, queue: Queue, sight: Lookup, metrics: Metrics, *, limit: int, question_lasts_s: float
    ) -> None:
        self._queue = queue
        self._sight = sight
        self._metrics = metrics
        self._seats = _Seats(limit)
        self._seats_for_guesses = _Seats(min(limit, GUESSES_AT_MOST))
        self._question_lasts_s = question_lasts_s
        self._open: dict[Key, _Open] = {}
        self._tasks: dict[Key, asyncio.Task[Answer | None]] = {}
        self._let_go: list[str] = []
        """Jobs that nobody waits for any more, which is still to be told."""

    @asynccontextmanager
    async def open(self, background: Background) -> AsyncIterator[None]:
        """Listen to events while the context lasts; questions still open at its end are dropped."""
        letting_go = background.repeating(
            "letting questions go", self._let_questions_go, every_s=LETS_GO_EVERY_S, at_once=False
        )
        async with self._queue.listen(self._hear), letting_go:
            try:
                yield
            finally:
                await cancel_and_wait(*self._tasks.values())

    async def wait(
        self, question: FetchRequest, renditions: tuple[Rendition, ...], *, timeout_s: float
    ) -> Answer | None:
        """The first of the renditions that is there. The question outlives the client who asked it first, as long as
        anybody waits.

        Raise RoomFull when too many wait, be it for pictures of any host or of this one.
        """
        self._check_room(question)
        seats = self._seats_of(question)
        seats.take(question.host)
        self._metrics.waiting.inc()
        asked, task = self._task(question)
        asked.waiting += 1
        try:
            await asyncio.wait({task}, timeout=timeout_s)
            if not task.done():
                asked.awaited_until_s = asyncio.get_running_loop().time() + COMES_AGAIN_S
            answer = task.result() if task.done() and not task.cancelled() else None
            if isinstance(answer, StoredFile):  # who asked first may accept what this client does not
                return await self._sight.find(question.about, renditions)
            return answer
        finally:
            asked.waiting -= 1
            seats.take(question.host, -1)
            self._metrics.waiting.dec()

    def asked_of(self, host: str) -> int:
        """How many questions to a host are on their way."""
        return self._seats.questions_to[host]

    def _check_room(self, question: FetchRequest) -> None:
        """Where there is none, what nobody waits for makes some."""
        seats = self._seats_of(question)
        for _ in range(2):
            if seats.have_room(question.host, asked=question.key in self._tasks):
                return
            self._drop_unwaited()
        raise RoomFull

    async def _let_questions_go(self) -> None:
        """Tell those who do the jobs, so that these give way."""
        self._drop_unwaited()
        while self._let_go:
            jobs, self._let_go = self._let_go[:TOLD_AT_ONCE], self._let_go[TOLD_AT_ONCE:]
            await self._queue.announce(
                contracts.Envelope.of(contracts.JobsUnwaited(jobs=tuple(jobs)), trace_id=trace_id())
            )

    def _drop_unwaited(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for asked in list(self._open.values()):
            if not asked.waiting and asked.awaited_until_s <= now_s:
                self._let_go += asked.jobs
                self._tasks[asked.question.key].cancel()
                self._close(asked)

    def _seats_of(self, question: FetchRequest) -> _Seats:
        return self._seats_for_guesses if question.is_guess else self._seats

    def _task(self, question: FetchRequest) -> tuple[_Open, asyncio.Task[Answer | None]]:
        key = question.key
        if key not in self._tasks:
            self._open[key] = asked = _Open(question)
            self._seats_of(question).ask(question.host)
            self._tasks[key] = asyncio.create_task(self._ask(asked), name=f"question {key}")
            self._tasks[key].add_done_callback(lambda _task: self._close(asked))
        return self._open[key], self._tasks[key]

    def _close(self, asked: _Open) -> None:
        """Once; the same may have been asked anew by then."""
        question = asked.question
        if self._open.get(question.key) is asked:
            del self._open[question.key], self._tasks[question.key]
            self._seats_of(question).ask(question.host, -1)

    async def _ask(self, asked: _Open) -> Answer | None:
        try:
            async with asyncio.timeout(self._question_lasts_s):
                await self._publish(asked)
                return await self._listen_and_look(asked)
        except QueueError as error:
            _log.warning("job not queued", about=str(asked.question.about), error=str(error))
            return NotQueued(str(error))
        except TimeoutError:
            return None

    async def _publish(self, asked: _Open) -> None:
        asked.purged = False
        envelope = contracts.Envelope.of(asked.question.job, trace_id=trace_id())
        asked.jobs.append(envelope.id)
        await self._queue.publish(envelope, asked.question.lane)

    async def _listen_and_look(self, asked: _Open) -> Answer:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await asked.heard.wait()
            asked.heard.clear()
            with suppress(VolumeAway):  # it may be back before the question ends
                if answer := await self._look(asked):
                    return answer
            if asked.purged:
                await self._publish(asked)

    async def _look(self, asked: _Open) -> Answer | None:
        question = asked.question
        if file := await self._sight.find(question.about, (question.rendition,)):
            return file
        return asked.failure or await self._sight.failure(question.about, question.rendition)

    async def _hear(self, envelope: contracts.Envelope) -> None:
        match event := envelope.payload:
            case contracts.PictureStored(picture=picture, name=name, renditions=renditions):
                for rendition in renditions:
                    self._wake(
                        (picture, rendition, Lane.PICTURES_NOW), (picture, rendition, Lane.RESOLVE_NOW)
                    )
                    if name:
                        self._wake((name, rendition, Lane.RESOLVE_NOW))
            case contracts.PicturePurged(picture=picture):
                await self._removed({picture})
            case contracts.PicturesEvicted(pictures=pictures):
                await self._removed(set(pictures))
            case _:
                for asked in self._open.values():
                    if failure := asked.question.refused_by(event):
                        asked.failure = failure
                        asked.heard.set()

    async def _removed(self, pictures: set[PictureId]) -> None:
        for asked in list(self._open.values()):
            with suppress(VolumeAway):
                if await self._sight.picture(asked.question.about) in pictures:
                    asked.purged = True
                    asked.heard.set()

    def _wake(self, *keys: Key) -> None:
        for key in keys:
            if asked := self._open.get(key):
                asked.heard.set()
