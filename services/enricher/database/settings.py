"""What an operator can set about the database."""

from pydantic import Field

from shared.settings import Settings


class DatabaseSettings(Settings):
    url: str | None = Field(None, validation_alias="DATABASE_URL")
    """`sqlite:` and a file; None: a file in the state directory."""
