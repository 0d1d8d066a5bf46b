"""How much is logged, and in which shape."""

from typing import Literal

from pydantic import Field

from shared.settings import Settings


class LogSettings(Settings):
    level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="LOG_LEVEL")
    format: Literal["auto", "json", "console"] = Field("auto", validation_alias="LOG_FORMAT")
