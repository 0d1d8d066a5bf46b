"""The envelope that messages travel in, and which class reads which."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from shared.contracts import events, jobs
from shared.contracts.message import MAX_REASON, DeadLetter, FailedAttempt, Message

MESSAGES: tuple[type[Message], ...] = (
    jobs.FetchPicture,
    jobs.RenderPicture,
    jobs.RefreshPicture,
    jobs.PurgePicture,
    jobs.ResolvePicture,
    jobs.PointName,
    jobs.RefuseName,
    jobs.PinPicture,
    jobs.UnpinPicture,
    jobs.StoreUpload,
    jobs.AdoptPictures,
    jobs.EvictPictures,
    jobs.HealPicture,
    jobs.DropSpool,
    jobs.LookAtPicture,
    jobs.LookAtPictures,
    events.PictureStored,
    events.PictureFailed,
    events.NameRefused,
    events.PicturePurged,
    events.PicturesEvicted,
    events.HostPaused,
    events.JobsUnwaited,
    events.PicturesUsed,
    events.TaskProgressed,
    events.StudioProgressed,
    events.SessionEnded,
    events.ServiceStats,
    DeadLetter,
)

_BY_TYPE: dict[tuple[object, object], type[Message]] = {
    (known.__name__, known.version): known for known in MESSAGES
}


def message_class(name: object, version: object) -> type[Message]:
    """Raise ValueError for a message nobody here can read."""
    known = _BY_TYPE.get((name, version))
    if known is None:
        raise ValueError(f"no message {str(name)[:60]!r} of version {str(version)[:20]!r}")
    return known


MAX_HISTORY = 10


class Envelope(BaseModel):
    """A message on its way. Its JSON is what rides the queue.

    `id` is the idempotency key and stays the same through every retry; `attempt` counts the ones that
    count, from 1; `deferred_since` is when the job first had to come back without one counting, and `locked_since`
    when another job first kept it out, where nothing else has put it off since. `follows` is the id of the job that it
    was queued for, by which whoever waits knows it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    type: str
    version: int
    occurred_at: AwareDatetime
    trace_id: str
    attempt: int = 1
    deferred_since: AwareDatetime | None = None
    locked_since: AwareDatetime | None = None
    follows: str | None = None
    history: tuple[FailedAttempt, ...] = ()
    payload: SerializeAsAny[Message]
    redelivered: bool = Field(default=False, exclude=True)
    """The queue has handed it out before; said by the queue, not carried in the message."""

    @classmethod
    def of(
        cls, message: Message, *, trace_id: str, now: datetime | None = None, follows: str | None = None
    ) -> Self:
        return cls(
            id=uuid.uuid4().hex,
            type=type(message).__name__,
            version=message.version,
            occurred_at=now or datetime.now(UTC),
            trace_id=trace_id,
            follows=follows,
            payload=message,
        )

    @model_validator(mode="before")
    @classmethod
    def _payload_by_type(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("payload"), Mapping):
            known = message_class(data.get("type"), data.get("version"))
            return {**data, "payload": known.model_validate(data["payload"])}
        return data

    def retried(self, reason: str, now: datetime) -> Self:
        """The same message after an attempt that counts."""
        mishap = FailedAttempt(at=now, reason=reason[:MAX_REASON])
        return self.model_copy(
            update={"attempt": self.attempt + 1, "history": (*self.history, mishap)[-MAX_HISTORY:]}
        )

    def deferred(self, now: datetime, *, locked: bool = False) -> Self:
        """The same message after coming back without an attempt. `locked`: another job kept it out."""
        locked_since = (self.locked_since or now) if locked else None
        return self.model_copy(
            update={"deferred_since": self.deferred_since or now, "locked_since": locked_since}
        )
