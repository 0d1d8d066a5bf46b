"""A dead letter as it is kept: what an operator needs to judge it, and the message to send again."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from shared.contracts import DeadLetter, Envelope, Message, Mishap


@dataclass(frozen=True, slots=True)
class Filter:
    """None: any."""

    lane: str | None = None
    failure_class: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """`deaths`: how often its message died. `about`: the source URL, name or picture that its job was about."""

    id: int
    letter_id: str
    lane: str
    type: str | None
    failure_class: str | None
    reason: str
    about: str | None
    trace_id: str
    died_at: datetime
    deaths: int
    history: tuple[Mishap, ...]
    body: str

    @property
    def dead(self) -> DeadLetter:
        return DeadLetter(
            lane=self.lane,
            reason=self.reason,
            failure_class=self.failure_class,
            history=self.history,
            died_at=self.died_at,
            body=self.body,
        )


def type_and_subject(body: str) -> tuple[str | None, str | None]:
    """Of the message that died; nothing of one that cannot be read."""
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError:
        return None, None
    return envelope.type, _subject(envelope.payload)


def _subject(job: Message) -> str | None:
    for field in ("name", "source_url", "picture"):
        if subject := getattr(job, field, None):
            return str(subject)
    return None
