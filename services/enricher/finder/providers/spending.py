"""Spending: what has gone out of a budget, as it is kept over restarts."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Spending(BaseModel):
    """`spent_at_ms`: when each request of the current window was made, in milliseconds since 1970."""

    model_config = ConfigDict(frozen=True)

    requests: int = Field(ge=1)
    """That the window has room for: the provider may have told another number than ours."""
    spent_at_ms: tuple[int, ...] = ()
    paused_until: AwareDatetime
    pauses: int = Field(0, ge=0)
    left: int | None = None
    """What the provider said, and until when that holds."""
    left_until: AwareDatetime | None = None
    closed: bool = False
    """Kept in good order: nothing was spent after it."""
