"""Delivery: a stored picture at once, a missing one after a wait, and a clear answer where there is none."""

from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

from services.proxy.staleness import Staleness
from services.proxy.waiting_room import Answer, NotAsked, RoomFull, WaitingRoom, remembered_failure
from services.proxy.wanted import Wanted
from shared.http import Problem
from shared.pictures import Failure, FailureClass
from shared.telemetry import Metrics, add_to_line, utc_now
from shared.volume import HostPauses, Pictures, StoredFile

RETRY_AFTER_S = 5
"""What a client is told that came too early, where nothing better is known."""

REMEMBERED_AT_MOST_S = 60
"""How long a client may keep a failure: shorter than we do, so that a purge is soon noticed."""

_STATUS = {
    FailureClass.GONE: HTTPStatus.NOT_FOUND,
    FailureClass.REFUSED: HTTPStatus.FORBIDDEN,
    FailureClass.UNSOUND: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    FailureClass.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    FailureClass.UPSTREAM: HTTPStatus.BAD_GATEWAY,
    FailureClass.OURS: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file to send; `first`: this client waited for it."""

    file: StoredFile
    first: bool


class Delivery:
    """The table of answers, in its order. Raises Problem for every row that is no picture."""

    def __init__(
        self,
        pictures: Pictures,
        hosts: HostPauses,
        waiting_room: WaitingRoom,
        staleness: Staleness,
        metrics: Metrics,
    ) -> None:
        self._pictures = pictures
        self._hosts = hosts
        self._waiting_room = waiting_room
        self._staleness = staleness
        self._metrics = metrics

    async def deliver(self, wanted: Wanted, *, patience_s: float) -> Delivered:
        add_to_line(picture=wanted.picture, rendition=str(wanted.to_make))
        if file := await self._pictures.find(wanted.picture, wanted.renditions):
            self._count("hit")
            self._staleness.notice(wanted.source)
            return Delivered(file, first=False)
        if failure := await remembered_failure(self._pictures, wanted):
            self._count("remembered failure")
            raise _problem(failure)
        await self._refuse_paused(wanted)
        answer = await self._wait(wanted, patience_s)
        if isinstance(answer, StoredFile):
            self._count("miss")
            return Delivered(answer, first=True)
        if isinstance(answer, Failure):
            self._count("failure")
            raise _problem(answer)
        self._count("late" if answer is None else "not queued")
        raise _not_yet(
            "The picture is not here yet." if answer is None else "No new pictures can be fetched just now."
        )

    async def _refuse_paused(self, wanted: Wanted) -> None:
        until = await self._hosts.paused_until(wanted.source.authority)
        left_s = (until - utc_now()).total_seconds() if until else 0
        if left_s > 0:
            self._count("host paused")
            raise _not_yet("The picture's host asked us to wait.", retry_after_s=ceil(left_s))

    async def _wait(self, wanted: Wanted, patience_s: float) -> Answer | NotAsked | None:
        try:
            return await self._waiting_room.wait(wanted, timeout_s=patience_s)
        except RoomFull:
            self._count("room full")
            raise _not_yet("Too many requests wait for pictures already.") from None

    def _count(self, outcome: str) -> None:
        add_to_line(outcome=outcome)
        self._metrics.pictures.labels(outcome).inc()


def _not_yet(detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{detail} Ask again in {retry_after_s} s.",
        headers={"Retry-After": str(retry_after_s)},
    )


def _problem(failure: Failure) -> Problem:
    left_s = max(1, ceil((failure.retry_at - utc_now()).total_seconds()))
    if failure.failure_class in (FailureClass.BUSY, FailureClass.OURS):
        return _not_yet(failure.reason, retry_after_s=left_s)
    return Problem(
        _STATUS[failure.failure_class],
        failure.reason,
        headers={"Cache-Control": f"max-age={min(left_s, REMEMBERED_AT_MOST_S)}", "Retry-After": str(left_s)},
    )
