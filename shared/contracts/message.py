"""The root of everything that travels between services."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """One job or event. What a newer sender added is ignored by an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: ClassVar[int] = 1
