"""What resolving asks the fetcher for, and tells everybody."""

from shared.contracts import Envelope, Message
from shared.queue import Delay, Lane, Queue
from shared.telemetry import trace_id


class Jobs:
    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def queue(self, job: Message, lane: Lane, *, delay: Delay | None = None) -> None:
        """Raise QueueError where it could not be handed over."""
        await self._queue.publish(Envelope.of(job, trace_id=trace_id()), lane, delay=delay)

    async def tell(self, event: Message) -> None:
        await self._queue.announce(Envelope.of(event, trace_id=trace_id()))
