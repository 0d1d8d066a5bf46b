"""Which queue it is, by the scheme of its URL. Only the engine that is chosen gets imported."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from shared.queue.port import Queue
from shared.queue.settings import QueueSettings

FILE_NAME = "queue.sqlite"


def open_queue(settings: QueueSettings, *, state_dir: Path) -> AbstractAsyncContextManager[Queue]:
    """The queue that `settings.url` names, open while the context lasts.

    Raises ValueError for a scheme that nothing here implements.
    """
    url = settings.url or "sqlite:"
    scheme, _, rest = url.partition(":")
    match scheme:
        case "sqlite":
            path = Path(rest) if rest else state_dir / FILE_NAME
            return _open_embedded(path, settings)
        case "amqp" | "amqps":
            return _open_rabbitmq(url, settings)
        case _:
            raise ValueError(f"QUEUE_URL has the scheme {scheme!r}: amqp, amqps or sqlite are known.")


def _open_embedded(path: Path, settings: QueueSettings) -> AbstractAsyncContextManager[Queue]:
    from shared.queue.embedded import open_embedded  # noqa: PLC0415 - only the chosen engine

    return open_embedded(path, lane_limit=settings.lane_limit)


def _open_rabbitmq(url: str, settings: QueueSettings) -> AbstractAsyncContextManager[Queue]:
    from shared.queue.rabbitmq import open_rabbitmq  # noqa: PLC0415 - only the chosen engine

    return open_rabbitmq(url, lane_limit=settings.lane_limit, management_url=settings.management_url)
