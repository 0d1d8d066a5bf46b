"""What an operator can set about the queue."""

from pydantic import Field

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
