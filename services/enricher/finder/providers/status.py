"""How a provider is, in a word and a sentence: for `/readyz`, for answers, for operators."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Condition(StrEnum):
    """off: it has no key. misconfigured: it does not accept ours. busy: it must not be asked for a while."""

    READY = "ready"
    OFF = "off"
    MISCONFIGURED = "misconfigured"
    BUSY = "busy"
    FAILING = "failing"


class ProviderStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    condition: Condition
    detail: str
    busy_until: AwareDatetime | None = None

    @classmethod
    def off(cls, setting: str) -> "ProviderStatus":
        return cls(condition=Condition.OFF, detail=f"{setting} is not set.")
