"""Which hosts pictures may come from: the proxy refuses a request by it, the fetcher every redirect."""

from pydantic import Field, field_validator

from shared.pictures import HostRules
from shared.pictures.hosts import PICTURE_HOSTS
from shared.settings.model import CommaList, Settings


class HostSettings(Settings):
    allowed_hosts: CommaList = Field(
        tuple(known.host for known in PICTURE_HOSTS), validation_alias="ALLOWED_HOSTS"
    )

    @field_validator("allowed_hosts")
    @classmethod
    def _readable(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        HostRules.of(rules)
        return rules

    @property
    def rules(self) -> HostRules:
        return HostRules.of(self.allowed_hosts)
