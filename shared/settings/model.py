"""The model that every capability's settings are one of."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _listed(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""`a, b` in the environment."""


class Settings(BaseSettings):
    """Read once, when the service is composed. A field's alias is the name operators know."""

    model_config = SettingsConfigDict(
        frozen=True,
        populate_by_name=True,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        # Of fields' own names, which are for code: a stray URL, LEVEL or HOSTS is not meant for us.
        env_prefix="ONESHEET_FIELD_",
    )
