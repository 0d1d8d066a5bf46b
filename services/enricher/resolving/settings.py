"""What can be set of resolving."""

from datetime import timedelta

from pydantic import Field

from shared.settings import Settings


class ResolvingSettings(Settings):
    refresh_s: float = Field(86_400, validation_alias="ARTWORK_REFRESH", ge=1)

    @property
    def refresh(self) -> timedelta:
        return timedelta(seconds=self.refresh_s)
