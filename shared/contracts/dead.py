"""Dead letters: what failed for good, with everything an operator needs to judge it or send it again."""

from pydantic import AwareDatetime

from shared.contracts.message import Message
from shared.contracts.mishap import Mishap


class DeadLetter(Message):
    """One message that nobody will try again by itself."""

    lane: str
    """The lane it came from, and goes back to when redriven."""
    reason: str
    history: tuple[Mishap, ...] = ()
    failure_class: str | None = None
    """What its last attempt failed of, where it was a failure of a known class."""
    died_at: AwareDatetime
    body: str
    """The message's envelope as it was, JSON; any text where it could not be read."""
