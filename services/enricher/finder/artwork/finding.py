"""A finding: what became of looking for a picture, with all that led to it."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.enricher.finder.artwork.candidate import Candidate
from services.enricher.finder.artwork.choice import Choice
from shared.pictures import FailureClass


class Answered(StrEnum):
    """How asking one provider ended. not_asked: one before it had a picture that suits."""

    PICTURES = "pictures"
    NOTHING = "nothing"
    FAILED = "failed"
    OFF = "off"
    NOT_ASKED = "not_asked"


class Answer(BaseModel):
    """One provider's part. `reason` is a sentence where it failed or is off."""

    model_config = ConfigDict(frozen=True)

    provider: str
    answered: Answered
    reason: str | None = None


class Lack(BaseModel):
    """Why there is no picture, and when to look again.

    `misconfigured`: a provider does not accept our key, or none has one. That says nothing about the subject, and
    is not to be remembered with it.
    """

    model_config = ConfigDict(frozen=True)

    failure_class: FailureClass
    reason: str
    retry_at: AwareDatetime
    misconfigured: bool = False


class Finding(BaseModel):
    """`answers` are in the order in which the providers count; `lack` is there where nothing was chosen."""

    model_config = ConfigDict(frozen=True)

    choice: Choice
    answers: tuple[Answer, ...]
    lack: Lack | None = None

    @property
    def chosen(self) -> Candidate | None:
        return self.choice.chosen
