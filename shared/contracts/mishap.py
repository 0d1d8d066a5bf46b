"""A mishap: one attempt at a job that failed."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MAX_REASON = 300


class Mishap(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    reason: str = Field(max_length=MAX_REASON)
