"""What an operator can set about the queue."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pydantic import Field

from shared.background import Background
from shared.queue.port import Queue
from shared.settings import Settings


class QueueSettings(Settings):
    """Which queue, where, and how much of it."""

    url: str | None = Field(None, validation_alias="QUEUE_URL")
    """`amqp://user:pass@host:5672/vhost`, several hosts comma-separated; or `sqlite:/path`; None: a file in
    the state directory."""
    management_url: str | None = Field(
        None, validation_alias="QUEUE_MANAGEMENT_URL", pattern=r"^https?://", repr=False
    )
    """RabbitMQ's management API, `http://user:password@host:15672`: then lanes are measured exactly."""
    lane_limit: int = Field(100_000, validation_alias="LANE_LIMIT", ge=1)
    """Messages that may wait in one lane before a publish is refused."""


FILE_NAME = "queue.sqlite"


def open_queue(
    settings: QueueSettings, *, state_dir: Path, background: Background | None = None
) -> AbstractAsyncContextManager[Queue]:
    """The queue that `settings.url` names, open while the context lasts. `background`: of the process, for what the
    engine does for itself.

    Raises ValueError for a scheme that nothing here implements.
    """
    url = settings.url or "sqlite:"
    scheme, _, rest = url.partition(":")
    match scheme:
        case "sqlite":
            path = Path(rest) if rest else state_dir / FILE_NAME
            return _open_embedded(path, settings, background)
        case "amqp" | "amqps":
            return _open_rabbitmq(url, settings, background)
        case _:
            raise ValueError(f"QUEUE_URL has the scheme {scheme!r}: amqp, amqps or sqlite are known.")


def _open_embedded(
    path: Path, settings: QueueSettings, background: Background | None
) -> AbstractAsyncContextManager[Queue]:
    from shared.queue.embedded import open_embedded  # noqa: PLC0415 - only the chosen engine

    return open_embedded(path, lane_limit=settings.lane_limit, background=background)


def _open_rabbitmq(
    url: str, settings: QueueSettings, background: Background | None
) -> AbstractAsyncContextManager[Queue]:
    from shared.queue.rabbitmq import open_rabbitmq  # noqa: PLC0415 - only the chosen engine

    return open_rabbitmq(
        url, lane_limit=settings.lane_limit, management_url=settings.management_url, background=background
    )
