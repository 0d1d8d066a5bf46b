"""What consumers of either engine share: listening to events, telling of work, running handlers, dead letters."""

import asyncio
import socket
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

import structlog
from pydantic import ValidationError

from shared.background import Background, cancel_and_wait
from shared.contracts import DeadLetter, Envelope, JobsUnwaited, LaneWork, Message, ServiceStats
from shared.queue.port import Delay, Handler, Lane, NotBegun, Queue, QueueError
from shared.settings import ONESHEET_VERSION
from shared.telemetry import Metrics, trace_id, traced


def announcing(queue: Queue) -> Callable[[Message], Awaitable[None]]:
    """What announces an event with the trace that it happens in."""

    async def announce(event: Message) -> None:
        await queue.announce(Envelope.of(event, trace_id=trace_id()))

    return announce


async def redrive(queue: Queue, letter: DeadLetter) -> None:
    """Publish the message of a dead letter to its lane as if it had never been tried: same id, same trace.

    Raises ValueError when its body cannot be read or its lane is unknown, and a QueueError as `publish` does.
    """
    try:
        envelope = Envelope.model_validate_json(letter.body)
    except ValidationError as error:
        raise ValueError("the message of this dead letter cannot be read") from error
    untried = envelope.model_copy(
        update={"attempt": 1, "history": (), "deferred_since": None, "locked_since": None}
    )
    await queue.publish(untried, Lane(letter.lane))


log = structlog.get_logger(__name__)

LISTENER_LIMIT = 10_000
"""Events that may wait for one listener; then the oldest are dropped."""


class Listener:
    """`kinds`: of the events that it hears; all where it is empty."""

    def __init__(
        self, handler: Handler, *, kinds: tuple[type[Message], ...] = (), limit: int = LISTENER_LIMIT
    ) -> None:
        self._handler = handler
        self._kinds = frozenset(kinds)
        self._waiting: asyncio.Queue[Envelope] = asyncio.Queue(limit)
        self._dropped = 0

    def hear(self, envelope: Envelope) -> None:
        """Never waits: the newest event is worth more than the oldest."""
        if self._kinds and type(envelope.payload) not in self._kinds:
            return
        if self._waiting.full():
            self._waiting.get_nowait()
            self._count_dropped()
        self._waiting.put_nowait(envelope)

    @asynccontextmanager
    async def listening(self, background: Background) -> AsyncIterator[None]:
        """Hand events on while the context lasts."""
        async with background.repeating("handing on events", self._hand_on, every_s=0):
            yield

    async def _hand_on(self) -> bool:
        """One event. Whether the next is still to come, so that nobody else has to be let on first."""
        envelope = await self._waiting.get()
        with traced(envelope.trace_id):
            try:
                await self._handler(envelope)
            except Exception:  # of one event: the next does not wait for it
                log.exception("event_handler_failed", type=envelope.type, id=envelope.id)
        return self._waiting.empty()

    def _count_dropped(self) -> None:
        """Logged at 1, 2, 4, 8 …: a listener that is too slow must not flood the log as well."""
        self._dropped += 1
        if self._dropped & (self._dropped - 1) == 0:
            log.warning("events_dropped", dropped=self._dropped)


UNWAITED_AT_MOST = 20_000


class UnwaitedJobs:
    """Jobs that nobody waits for any more, be they here already or still to come; of too many the latest."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, None] = OrderedDict()

    def hear(self, event: Message) -> Sequence[str]:
        """The jobs that the event tells of."""
        if not isinstance(event, JobsUnwaited):
            return ()
        self._jobs |= dict.fromkeys(event.jobs)
        while len(self._jobs) > UNWAITED_AT_MOST:
            self._jobs.popitem(last=False)
        return event.jobs

    def __contains__(self, job: str) -> bool:
        return job in self._jobs


async def step_back(queue: Queue, envelope: Envelope, lane: Lane) -> None:
    """Into the lane of what nobody waits for, as if the job had come there first. It goes from its own once it is there:
    raise NotBegun where it cannot be handed over.
    """
    untried = envelope.model_copy(update={"deferred_since": None, "locked_since": None})
    try:
        await queue.publish(untried, lane)
    except QueueError as error:
        raise NotBegun(Delay.TEN_SECONDS, f"Nobody waits for it, and {error}.") from error


TELL_EVERY_S = 5.0
VERSION = "version"
"""Of the program: told like a setting, for it has to be the same everywhere."""


@asynccontextmanager
async def telling_work(
    queue: Queue,
    metrics: Metrics,
    service: str,
    *,
    background: Background,
    setup: Callable[[], Mapping[str, str]] = dict,
) -> AsyncIterator[None]:
    """While the context lasts. Where services share a process, whoever comes first tells for all of them. `setup`: what has to
    be the same in all services, as fingerprints by the settings' names.
    """
    instance = f"{socket.gethostname()}/{uuid.uuid4().hex[:8]}"

    async def tell() -> None:
        taken = metrics.work.since_last()
        lanes = {
            lane: LaneWork(jobs=one.jobs, oldest_s=round(one.oldest_s, 3)) for lane, one in taken.items()
        }
        event = ServiceStats(
            service=service,
            instance=instance,
            during_s=TELL_EVERY_S,
            lanes=lanes,
            counted=metrics.counted_since_last(),
            waiting=metrics.waiting_now,
            setup={**setup(), VERSION: ONESHEET_VERSION},
        )
        await queue.announce(Envelope.of(event, trace_id=trace_id()))

    metrics.queue_connected.follow(lambda: float(queue.connected))
    async with background.repeating("telling work", tell, every_s=TELL_EVERY_S, at_once=False):
        yield


CONSUMER_GRACE_S = 8.0
"""How long leaving `consume` waits for running handlers before it cancels them. What is cancelled is done again by somebody else."""


class Running:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """In a context of its own: whoever published a job may have led to its being begun, and it is not done as theirs."""
        task = asyncio.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, grace_s: float) -> None:
        """Wait for what runs, then cancel what still does, and wait for that too."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        await self.cancel()

    async def cancel(self) -> None:
        await cancel_and_wait(*self._tasks)
