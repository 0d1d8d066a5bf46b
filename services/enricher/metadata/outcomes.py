"""What becomes of asking for something: four outcomes, none of which is an exception."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel

from shared.pictures import FailureClass

Value = TypeVar("Value", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """`stale`: it has expired, and its provider failed or did not answer in time."""

    value: Value
    stale: bool = False


@dataclass(frozen=True, slots=True)
class NotFound:
    """The providers that could be asked know no such thing."""


@dataclass(frozen=True, slots=True)
class Pending:
    """It was asked for and did not come in time; it will be there later."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """It cannot be had now. `reason` is a sentence for users; before `retry_at` nobody is asked again.

    `misconfigured`: the provider does not accept our key, which says nothing about the thing.
    """

    failure_class: FailureClass
    reason: str
    retry_at: datetime | None = None
    misconfigured: bool = False


Outcome = Found[Value] | NotFound | Pending | Unavailable
