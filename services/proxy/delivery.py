"""Delivery: a stored picture at once, a missing one after a wait, and a clear answer where there is none."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

from services.proxy.access_counts import SENT_BY_NGINX
from services.proxy.lookup import About, Lookup, Staleness
from services.proxy.waiting_room import Answer, FetchRequest, RoomFull, Spellings, WaitingRoom
from services.proxy.wanted import Asked, Changeable, Named, StoredPath, WantedPicture, source_of
from shared.http import Problem
from shared.pictures import (
    Failure,
    FailureClass,
    HostRules,
    Manifest,
    PictureId,
    RefusalReason,
    Rendition,
    RevisionId,
    SourceUrl,
)
from shared.pictures.paths import is_original, spool_name
from shared.telemetry import Metrics, add_to_line, utc_now
from shared.volume import HostPauses, Pictures, StoredFile, VolumeAway

RETRY_AFTER_S = 5
"""What a client is told that came too early, where nothing better is known."""

FAILING_RETRY_AFTER_S = 10
"""The longest that a client is told of a host that fails: so often it is tried, where anybody asks."""

TRIES_AT_MOST = 8
"""Questions to a host that fails which are on their way at a time."""

REMEMBERED_AT_MOST_S = 60
"""How long a client may keep a failure: shorter than we do, so that a purge is soon noticed."""

_STATUS = {
    FailureClass.GONE: HTTPStatus.NOT_FOUND,
    FailureClass.REFUSED: HTTPStatus.FORBIDDEN,
    FailureClass.UNSOUND: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    FailureClass.UPSTREAM: HTTPStatus.BAD_GATEWAY,
    FailureClass.OURS: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file to send; `first`: this client waited for it."""

    file: StoredFile
    first: bool


@dataclass(frozen=True, slots=True)
class MovedRevision:
    """The revision that took the asked-for one's place."""

    picture: PictureId
    revision: RevisionId
    file_name: str


class NotYet(Problem):
    """The picture may well be there in a moment: nothing that is answered now is the picture."""

    def __init__(self, detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{detail} Ask again in {retry_after_s} s.",
            headers={"Retry-After": str(retry_after_s)},
        )
        self.retry_after_s = retry_after_s


OUTCOMES = (
    "hit",
    SENT_BY_NGINX,
    "miss",
    "late",
    "failure",
    "not queued",
    "remembered failure",
    "host paused",
    "room full",
    "moved",
    "volume away",
    *RefusalReason,
)
"""All that a picture is counted as."""


class Delivery:
    """The table of answers, in its order. Raises Problem for every row that is no picture."""

    def __init__(
        self,
        pictures: Pictures,
        sight: Lookup,
        hosts: HostPauses,
        *,
        rules: HostRules,
        waiting_room: WaitingRoom,
        staleness: Staleness,
        metrics: Metrics,
    ) -> None:
        self._pictures = pictures
        self._sight = sight
        self._hosts = hosts
        self._rules = rules
        self._waiting_room = waiting_room
        self._staleness = staleness
        self._metrics = metrics
        self._spellings = Spellings()

    def hit(self, picture: PictureId, rendition: str, changeable: Changeable | None) -> None:
        """Note that what is stored is served."""
        add_to_line(picture=picture, rendition=rendition, outcome="hit")
        self._metrics.served("hit").inc()
        if changeable:
            self.served(changeable)

    def served(self, changeable: Changeable) -> None:
        """Have what can change looked at for staleness, beside what is served."""
        self._staleness.notice(changeable)

    def refused(self, rule: RefusalReason) -> None:
        """Note by which rule: the line of the request says which URL it was."""
        self._metrics.refusals.labels(rule).inc()
        self._count(rule.value)

    async def known(self, about: About) -> Manifest | None:
        """What is known of a picture, whatever of it is stored; of a volume that is away, nothing."""
        try:
            current = await self._sight.current(about)
        except VolumeAway:
            return None
        return current.manifest if current else None

    async def deliver(self, asked: Asked, *, patience_s: float) -> Delivered | MovedRevision:
        try:
            match asked:
                case StoredPath():
                    return await self._deliver_stored(asked, patience_s)
                case Named():
                    return await self._deliver_named(asked, patience_s)
                case WantedPicture():
                    return await self._deliver_wanted(asked, patience_s)
        except VolumeAway:
            self._count("volume away")
            raise NotYet("What is stored cannot be reached just now.") from None

    async def _deliver_wanted(self, wanted: WantedPicture, patience_s: float) -> Delivered:
        if file := await self._pictures.find(wanted.picture, wanted.renditions):
            self.hit(wanted.picture, file.file_name, wanted.changeable(wanted.picture))
            return Delivered(file, first=False)
        add_to_line(picture=wanted.picture, rendition=str(wanted.to_make))
        self._refuse_stranger(wanted)
        await self._refuse_spelling(wanted)
        question = FetchRequest.for_source(wanted)
        await self._refuse_failed(question)
        await self._refuse_paused(wanted)
        return await self._ask(question, wanted.renditions, patience_s)

    async def _deliver_named(self, named: Named, patience_s: float) -> Delivered:
        """Of what is stored, any rendition is made without finding out anew what the name shows.

        Whose picture a name may show has been decided already, so that its host is the fetcher's to judge.
        """
        add_to_line(name=str(named.name))
        current = None
        if picture := await self._sight.picture(named.name):
            if file := await self._pictures.find(picture, named.renditions):
                self.hit(picture, file.file_name, named.changeable(picture))
                return Delivered(file, first=False)
            current = await self._pictures.current(picture)
        if current:
            wanted = WantedPicture(current.picture, named.renditions, source_of(current.manifest))
            return await self._deliver_wanted(wanted, patience_s)
        question = FetchRequest.for_name(named.name, named.renditions[-1])
        await self._refuse_failed(question)
        return await self._ask(question, named.renditions, patience_s)

    async def _deliver_stored(self, path: StoredPath, patience_s: float) -> Delivered | MovedRevision:
        """By the immutable path: this revision's file, or where it is by now, or 404.

        Whatever happens while a client waits, no other revision's bytes go out under this one's path.
        """
        if file := await self._file_at(path):
            self.hit(path.picture, file.file_name, None)
            return Delivered(file, first=False)
        add_to_line(picture=path.picture, rendition=path.file_name)
        current = await self._pictures.current(path.picture)
        if current and current.id != path.revision:
            self._count("moved")
            return MovedRevision(path.picture, current.id, path.file_name)
        if current:
            source = source_of(current.manifest)
            wanted = WantedPicture.of(source, (path.rendition,), self._rules, signed=path.signed)
            delivered = await self._deliver_wanted(wanted, patience_s)
        else:
            question = FetchRequest.for_evicted(path.picture, path.rendition)
            await self._refuse_failed(question)
            delivered = await self._ask(question, (path.rendition,), patience_s)
        if file := await self._file_at(path):
            return Delivered(file, first=delivered.first)
        current = await self._pictures.current(path.picture)
        if current is None or current.id == path.revision:
            raise NotYet("The picture is being replaced.")
        return MovedRevision(path.picture, current.id, path.file_name)

    async def _file_at(self, path: StoredPath) -> StoredFile | None:
        file = await self._pictures.at(path.picture, path.revision, path.file_name)
        if file is None and is_original(path.file_name):
            return await self._pictures.at(path.picture, path.revision, spool_name(path.file_name))
        return file

    async def _ask(
        self, question: FetchRequest, renditions: tuple[Rendition, ...], patience_s: float
    ) -> Delivered:
        began = time.perf_counter()
        answer = await self._wait(question, renditions, patience_s)
        waited_s = time.perf_counter() - began
        self._metrics.first_picture_seconds.labels(_outcome(answer)).observe(waited_s)
        self._count(_outcome(answer))
        if isinstance(answer, StoredFile):
            return Delivered(answer, first=True)
        if isinstance(answer, Failure):
            remembered = await self._sight.failure(question.about, question.rendition)
            raise _problem(answer, lasting=remembered is not None)
        raise NotYet(
            "The picture is not here yet." if answer is None else "No new pictures can be fetched just now."
        )

    def _refuse_stranger(self, wanted: WantedPicture) -> None:
        if not wanted.may_be_fetched and isinstance(source := wanted.source, SourceUrl):
            self.refused(self._rules.refusal(source) or RefusalReason.HOST)
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"Pictures of {source.authority[:100]} are not served here (see ALLOWED_HOSTS).",
            )

    async def _refuse_spelling(self, wanted: WantedPicture) -> None:
        """A rendition of what is stored is made, whatever it is called."""
        refusal = self._spellings.refusal(wanted)
        if refusal and not await self._pictures.current(wanted.picture):
            rule, sentence = refusal
            self.refused(rule)
            raise Problem(HTTPStatus.BAD_REQUEST, sentence)

    async def _refuse_failed(self, question: FetchRequest) -> None:
        if failure := await self._sight.failure(question.about, question.rendition):
            self._count("remembered failure")
            raise _problem(failure)

    async def _refuse_paused(self, wanted: WantedPicture) -> None:
        """A rendition of what is stored needs nobody else. A host that fails is asked on, for a few at a time: who tries
        it, and when, is the fetcher's to say.
        """
        if not isinstance(wanted.source, SourceUrl) or await self._pictures.current(wanted.picture):
            return
        host = wanted.source.authority
        pause = await self._hosts.pause_of(host)
        left_s = ceil((pause.until - utc_now()).total_seconds()) if pause else 0
        if pause is None or left_s <= 0:
            return
        if not pause.failing:
            self._count("host paused")
            raise NotYet("The picture's host asked us to wait.", retry_after_s=left_s)
        if self._waiting_room.asked_of(host) >= TRIES_AT_MOST:
            self._count("host paused")
            raise NotYet(
                "The picture's host keeps failing.", retry_after_s=min(left_s, FAILING_RETRY_AFTER_S)
            )

    async def _wait(
        self, question: FetchRequest, renditions: tuple[Rendition, ...], patience_s: float
    ) -> Answer | None:
        try:
            return await self._waiting_room.wait(question, renditions, timeout_s=patience_s)
        except RoomFull:
            self._count("room full")
            raise NotYet("Too many requests wait for pictures already.") from None

    def _count(self, outcome: str) -> None:
        add_to_line(outcome=outcome)
        self._metrics.served(outcome).inc()


def _outcome(answer: Answer | None) -> str:
    match answer:
        case StoredFile():
            return "miss"
        case Failure():
            return "failure"
        case None:
            return "late"
    return "not queued"


def _problem(failure: Failure, *, lasting: bool = True) -> Problem:
    """Not `lasting`: we do not remember it ourselves, and so nobody else shall."""
    left_s = max(1, ceil((failure.retry_at - utc_now()).total_seconds()))
    if failure.failure_class is FailureClass.BUSY:
        return NotYet(failure.reason, retry_after_s=left_s)
    too_large = failure.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else _STATUS[failure.failure_class]
    lasting = lasting and status is not HTTPStatus.SERVICE_UNAVAILABLE
    keep = {"Cache-Control": f"max-age={min(left_s, REMEMBERED_AT_MOST_S)}"} if lasting else {}
    return Problem(status, failure.reason, headers={**keep, "Retry-After": str(left_s)})
