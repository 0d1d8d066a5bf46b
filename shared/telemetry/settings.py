"""How much is logged, and in which shape."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, env_file=".env", extra="ignore")

    level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="LOG_LEVEL")
    format: Literal["auto", "json", "console"] = Field("auto", validation_alias="LOG_FORMAT")
