"""What can be set of asking providers. What is set of each one stands in its own package."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, HttpUrl, TypeAdapter

from services.enricher.finder.providers.registry import ProviderSpec, specs_of
from shared.http.outbound import OutboundSettings
from shared.settings import ONESHEET_VERSION, Settings

_URL = TypeAdapter(HttpUrl)
_Set = TypeVar("_Set", bound=Settings)


def _base_url(url: str) -> str:
    _URL.validate_python(url)
    return url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""Of a provider's API: what is asked for is written after it and a slash."""


class AskingSettings(Settings):
    """How any provider is asked."""

    outbound: OutboundSettings = Field(default_factory=OutboundSettings)
    user_agent: str = Field(f"Onesheet/{ONESHEET_VERSION}", validation_alias="USER_AGENT")
    connect_timeout_s: float = Field(5, validation_alias="CONNECT_TIMEOUT", gt=0)
    timeout_s: float = Field(20, validation_alias="PROVIDER_TIMEOUT", gt=0)
    """One request from beginning to end. Longer than a page waits: what comes late is kept for the next one."""
    max_body_mb: float = Field(8, validation_alias="PROVIDER_MAX_BODY_MB", gt=0)

    @property
    def max_bytes(self) -> int:
        return int(self.max_body_mb * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The registered providers, each with what is set of it."""

    asking: AskingSettings
    registered: tuple[tuple[ProviderSpec[Any], Settings], ...]

    @classmethod
    def read(
        cls,
        *given: Settings,
        asking: AskingSettings | None = None,
        specs: tuple[ProviderSpec[Any], ...] | None = None,
    ) -> Self:
        """As they are given, by their class, or else as the environment has them."""
        classes = {type(one): one for one in given}
        registered = specs_of() if specs is None else specs
        return cls(
            asking or AskingSettings(),
            tuple((spec, classes.get(spec.settings) or spec.settings()) for spec in registered),
        )

    def __iter__(self) -> Iterator[ProviderSpec[Any]]:
        """The specifications, those whose pictures come first before the others."""
        return (spec for spec, _ in self.registered)

    def of(self, kind: type[_Set]) -> _Set:
        """What is set of the provider that has settings of this class. Raise LookupError without one."""
        for _, settings in self.registered:
            if isinstance(settings, kind):
                return settings
        raise LookupError(f"No provider has {kind.__name__}.")
