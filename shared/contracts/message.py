"""What every message has, and the letter that a job becomes which failed for good."""

from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Message(BaseModel):
    """One job or event. What a newer sender added is ignored by an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: ClassVar[int] = 1


MAX_REASON = 300


class FailedAttempt(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    reason: str = Field(max_length=MAX_REASON)


class DeadLetter(Message):
    """One message that nobody will try again by itself."""

    lane: str
    """The lane it came from, and goes back to when redriven."""
    reason: str
    history: tuple[FailedAttempt, ...] = ()
    failure_class: str | None = None
    """What its last attempt failed of, where it was a failure of a known class."""
    died_at: AwareDatetime
    body: str
    """The message's envelope as it was, JSON; any text where it could not be read."""
