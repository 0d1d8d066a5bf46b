"""The queue port: what a service may ask of a queue, and nothing of how an engine does it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from shared.contracts import Envelope, Message

Handler = Callable[[Envelope], Awaitable[None]]
"""Does one job, or hears one event.

For a job: returning acknowledges it, so everything it promises is durable by then. `Retry` brings it
back later, `Reject` makes it a dead letter. Any other exception is a bug: logged, and retried as an
attempt that counts until `MAX_ATTEMPTS`, then dead.
"""

MAX_DELIVERIES = 50
"""How often a message may be handed out without being settled before it is a dead letter (a backstop
against a message that kills whoever takes it; far above what prefetched, untouched messages collect)."""


class Lane(StrEnum):
    """A queue of a certain urgency. `now`: somebody is waiting."""

    PICTURES_NOW = "pictures.now"
    PICTURES_LATER = "pictures.later"
    RESOLVE_NOW = "resolve.now"
    RESOLVE_LATER = "resolve.later"
    CATALOG = "catalog"
    DEAD = "dead"


class Delay(Enum):
    """How long a message can be put off, in seconds. A longer wait is several of these in a row."""

    ONE_SECOND = 1
    TEN_SECONDS = 10
    ONE_MINUTE = 60
    TEN_MINUTES = 600

    @classmethod
    def within(cls, wait_s: float) -> "Delay":
        """The longest that does not overshoot `wait_s`; at least one second."""
        return max((d for d in cls if d.value <= wait_s), key=lambda d: d.value, default=cls.ONE_SECOND)


class QueueError(Exception):
    """A message could not be handed over.

    QueueError
    ├── QueueFull         the lane is at its limit
    ├── Unroutable        the queue of that lane is missing
    └── QueueUnavailable  the broker is down, or did not confirm in time
    """


class QueueFull(QueueError):
    pass


class Unroutable(QueueError):
    pass


class QueueUnavailable(QueueError):
    pass


class Retry(Exception):
    """Raised by a handler: bring the job back after `delay`. `counted`: it was an attempt that failed, of the class
    that is remembered with it where it was the last one. `locked`: another job has what this one needs.
    """

    def __init__(
        self,
        delay: Delay,
        reason: str,
        *,
        counted: bool,
        failure_class: str | None = None,
        locked: bool = False,
    ) -> None:
        super().__init__(reason)
        self.delay = delay
        self.reason = reason
        self.counted = counted
        self.failure_class = failure_class
        self.locked = locked


class NotBegun(Retry):
    """Nothing of the job was begun: it comes back as it was, behind the others."""

    def __init__(self, delay: Delay, reason: str) -> None:
        super().__init__(delay, reason, counted=False)


class Reject(Exception):
    """Raised by a handler: the job can never succeed; keep it as a dead letter."""

    def __init__(self, reason: str, *, failure_class: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failure_class = failure_class


@dataclass(frozen=True, slots=True)
class LaneMeasure:
    """How a lane is. None: the engine does not tell. `in_hand`: handed out and not settled; `oldest_s`: how long the
    first of those that wait has waited. `waiting` and `consumers` are of this moment; `others_old_s`: how old the others
    may be. `exact`: all of it is as the engine itself counts, and of this moment.
    """

    waiting: int
    in_hand: int | None = None
    consumers: int | None = None
    oldest_s: float | None = None
    published_per_s: float | None = None
    done_per_s: float | None = None
    others_old_s: float = 0.0
    exact: bool = False


class Queue(Protocol):
    """Lanes of jobs and a stream of events. Opened and closed by whoever composes the service."""

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        """Return when the message is safe with the queue; raise a QueueError when it is not."""

    async def publish_at_end(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        """The same within a handler, of what need not be safe before its job has ended, and is by then. The lane may refuse
        it even later, which is logged.
        """

    def consume(self, lane: Lane, handler: Handler, *, concurrency: int) -> AbstractAsyncContextManager[None]:
        """Hand each job of the lane to `handler`, at most `concurrency` at once, while the context lasts.

        Leaving it takes no more jobs, waits for the running ones (bounded, then cancelled and given back)
        and only then returns. In the lane `dead`, the payloads are `DeadLetter`s.
        """

    async def announce(self, envelope: Envelope) -> None:
        """Tell everybody who listens now. Never raises a QueueError: an event may be lost."""

    def listen(self, handler: Handler, *kinds: type[Message]) -> AbstractAsyncContextManager[None]:
        """Hand each event, or each of these kinds, to `handler`, in order, from when the context is entered until it is left."""

    async def depth(self, lane: Lane) -> int:
        """How many messages wait in the lane, not counting those handed out or put off."""

    async def measure(self, lane: Lane) -> LaneMeasure:
        """The same with all else that the engine can tell. Raise QueueUnavailable where it tells nothing."""

    async def put_off(self) -> int:
        """How many messages of all lanes come back later. Raise QueueUnavailable where it tells nothing."""

    @property
    def connected(self) -> bool:
        """Whether what is published now can arrive, as far as is known without asking."""

    async def ping(self) -> None:
        """Return when the queue answers; raise QueueUnavailable when it does not."""
