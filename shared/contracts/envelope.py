"""The envelope around every message: who it is, where it belongs, what has happened to it so far."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from shared.contracts.message import Message
from shared.contracts.mishap import MAX_REASON, Mishap
from shared.contracts.registry import message_class

MAX_HISTORY = 10


class Envelope(BaseModel):
    """A message on its way. Its JSON is what rides the queue.

    `id` is the idempotency key and stays the same through every retry; `attempt` counts the ones that
    count, from 1; `deferred_since` is when the job first had to come back without one counting.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    type: str
    version: int
    occurred_at: AwareDatetime
    trace_id: str
    attempt: int = 1
    deferred_since: AwareDatetime | None = None
    history: tuple[Mishap, ...] = ()
    payload: SerializeAsAny[Message]
    redelivered: bool = Field(default=False, exclude=True)
    """The queue has handed it out before; said by the queue, not carried in the message."""

    @classmethod
    def of(cls, message: Message, *, trace_id: str, now: datetime | None = None) -> Self:
        return cls(
            id=uuid.uuid4().hex,
            type=type(message).__name__,
            version=message.version,
            occurred_at=now or datetime.now(UTC),
            trace_id=trace_id,
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
        mishap = Mishap(at=now, reason=reason[:MAX_REASON])
        return self.model_copy(
            update={"attempt": self.attempt + 1, "history": (*self.history, mishap)[-MAX_HISTORY:]}
        )

    def deferred(self, now: datetime) -> Self:
        """The same message after coming back without an attempt."""
        return self.model_copy(update={"deferred_since": self.deferred_since or now})
