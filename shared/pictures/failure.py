"""Rules: what our policy may refuse a host or a URL by."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class RefusalReason(StrEnum):
    """The metric's label, and the word in the log."""

    HOST = "host not allowed"
    PORT = "port not allowed"
    ADDRESS = "address not public"
    URL = "no plain URL"
    FRAGMENT = "fragment"
    QUERY = "too many queries"
    DOWNGRADE = "from https to http"
    REDIRECTS = "too many redirects"


MAX_REASON = 300


class FailureClass(StrEnum):
    """Why a picture could not be had.

    gone: the source says there is none. refused: it, or our policy, will not let us. unsound: the bytes
    are no picture we can serve. busy: the source asks us to wait. upstream: it broke. ours: we broke.
    """

    GONE = "gone"
    REFUSED = "refused"
    UNSOUND = "unsound"
    BUSY = "busy"
    UPSTREAM = "upstream"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Pause:
    """The first pause after a failure, and the longest that repeated failures double it to."""

    first: timedelta
    longest: timedelta


PAUSES = {
    FailureClass.GONE: Pause(timedelta(hours=1), timedelta(hours=24)),
    FailureClass.REFUSED: Pause(timedelta(minutes=15), timedelta(minutes=15)),
    FailureClass.UNSOUND: Pause(timedelta(hours=24), timedelta(hours=24)),
    FailureClass.BUSY: Pause(timedelta(minutes=1), timedelta(hours=1)),
    FailureClass.UPSTREAM: Pause(timedelta(minutes=1), timedelta(hours=1)),
    FailureClass.OURS: Pause(timedelta(seconds=30), timedelta(seconds=30)),
}


class Failure(BaseModel):
    """One remembered failure: of the download, or of one rendition. It always has an end, `retry_at`."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    failure_class: FailureClass = Field(alias="class")
    status: int | None = None
    """The source's HTTP status, where it gave one; 413 where the picture is over our own limits."""
    reason: str = Field(max_length=MAX_REASON)
    crashes: int = 0
    """How often this picture took the renderer down with it."""
    at: AwareDatetime
    retry_at: AwareDatetime

    @classmethod
    def after(
        cls,
        previous: "Failure | None",
        failure_class: FailureClass,
        reason: str,
        *,
        now: datetime,
        status: int | None = None,
        retry_after: timedelta | None = None,
        crashed: bool = False,
    ) -> Self:
        """The failure that follows `previous`: the pause doubles while the class stays the same.

        `retry_after` is what the source asked for; it is kept within the class's longest pause. A second
        crash of the renderer makes the picture unsound.
        """
        crashes = (previous.crashes if previous else 0) + crashed
        if crashed and crashes > 1:
            failure_class = FailureClass.UNSOUND
        pause = PAUSES[failure_class]
        if retry_after is not None:
            wait = max(timedelta(seconds=1), retry_after)
        elif previous and previous.failure_class == failure_class:
            wait = max(pause.first, 2 * (previous.retry_at - previous.at))
        else:
            wait = pause.first
        return cls(
            failure_class=failure_class,
            status=status,
            reason=reason[:MAX_REASON],
            crashes=crashes,
            at=now,
            retry_at=now + min(wait, pause.longest),
        )

    def is_over(self, now: datetime) -> bool:
        """Whether the next client may make us try again."""
        return now >= self.retry_at
