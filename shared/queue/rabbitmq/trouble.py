"""What aio-pika raises, as the errors of the port."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity, DeliveryError, PublishError

from shared.queue.port import QueueFull, QueueUnavailable, Unroutable


@contextmanager
def as_queue_errors(doing: str) -> Iterator[None]:
    """Raise a QueueError for whatever goes wrong with the broker inside.

    aiormq ends what waits on a lost connection by a CancelledError that nobody asked for: it is told apart
    from a real one by the task's own count.
    """
    try:
        yield
    except (PublishError, ChannelNotFoundEntity) as error:
        raise Unroutable(f"{doing}: the queue is missing") from error
    except DeliveryError as error:
        raise QueueFull(f"{doing}: the broker refused it") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise QueueUnavailable(f"{doing}: the connection was lost") from error
    except TimeoutError as error:
        raise QueueUnavailable(f"{doing}: the broker did not answer in time") from error
    except CONNECTION_EXCEPTIONS as error:
        raise QueueUnavailable(f"{doing}: {type(error).__name__} {error}".strip()) from error
