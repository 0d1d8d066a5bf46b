"""What an operator can set about the queue."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from pydantic import Field, field_validator

from shared.background import Background
from shared.queue.port import Queue
from shared.settings import Settings


class QueueSettings(Settings):
    """Which queue, where, and how much of it."""

    url: str | None = Field(None, validation_alias="QUEUE_URL")
    """`amqp://user:pass@host:5672/vhost`, several hosts comma-separated; or `sqlite:/path`; None: a file in
    the state directory."""
    management_url: str | None = Field(
        None,
        validation_alias="QUEUE_MANAGEMENT_URL",
        pattern=r"^https?://",
        repr=False,
        examples=["http://user:password@host:15672"],
    )
    """RabbitMQ's management API, `http://user:password@host:15672`: then lanes are measured exactly."""
    lane_limit: int = Field(100_000, validation_alias="LANE_LIMIT", ge=1)
    """Messages that may wait in one lane before a publish is refused."""

    @field_validator("url")
    @classmethod
    def _has_ports(cls, url: str | None) -> str | None:
        """Without the URL in the sentence, for it holds a password."""
        parts = urlsplit(url or "")
        for host in parts.netloc.rpartition("@")[2].split(","):
            try:
                named = urlsplit(f"//{host.strip()}")
                is_sound = bool(named.hostname) or parts.scheme not in ("amqp", "amqps")
                named.port  # noqa: B018 - raises where it is none
            except ValueError:
                is_sound = False
            if not is_sound:
                raise ValueError(f"{host.strip()!r} is no host:port, as in rabbit.example:5672.")
        return url


_log = structlog.get_logger()
FILE_NAME = "queue.sqlite"


def open_queue(
    settings: QueueSettings,
    *,
    state_dir: Path,
    background: Background | None = None,
    with_others: bool = False,
) -> AbstractAsyncContextManager[Queue]:
    """The queue that `settings.url` names, open while the context lasts. `background`: of the process, for what the
    engine does for itself. `with_others`: the jobs are for services in other processes, or come from there.

    Raises ValueError for a scheme that nothing here implements, and for a queue that the others would not read.
    """
    url = settings.url or "sqlite:"
    if with_others and settings.url is None:
        raise ValueError(
            "QUEUE_URL is not set: nobody would do this service's jobs, or give it any. Set it to the"
            " amqp://user:password@host:5672/vhost that all services have, or start everything in one process with"
            " `python -m services`."
        )
    if with_others and url.startswith("sqlite:"):
        _log.warning("QUEUE_URL is a file, which no other process reads: services of their own need amqp://")
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
    from shared.queue.embedded.engine import open_embedded  # noqa: PLC0415 - only the chosen engine

    return open_embedded(path, lane_limit=settings.lane_limit, background=background)


def _open_rabbitmq(
    url: str, settings: QueueSettings, background: Background | None
) -> AbstractAsyncContextManager[Queue]:
    from shared.queue.rabbitmq.engine import open_rabbitmq  # noqa: PLC0415 - only the chosen engine

    return open_rabbitmq(
        url, lane_limit=settings.lane_limit, management_url=settings.management_url, background=background
    )
