"""What an operator can set about the queue."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


OptionalUrl = Annotated[str | None, BeforeValidator(_empty_is_none)]


class QueueSettings(BaseSettings):
    """Which queue, where, and how much of it."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True, frozen=True)

    url: OptionalUrl = Field(None, validation_alias="QUEUE_URL")
    """`amqp://user:pass@host:5672/vhost`, several hosts comma-separated; or `sqlite:/path`; empty: a file
    in the state directory."""
    management_url: OptionalUrl = Field(None, validation_alias="QUEUE_MANAGEMENT_URL")
    """RabbitMQ's management API, for exact depths and rates."""
    lane_limit: int = Field(100_000, validation_alias="LANE_LIMIT", ge=1)
    """Messages that may wait in one lane before a publish is refused."""
