"""The registry: every provider's specification, which its own package has.

A provider is a package with a module `spec`, in which `SPEC` says all that is to be known of it, and a line in
`PACKAGES`. Of the hosts of its pictures the proxies and the fetchers know from `shared.pictures.hosts`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeVar

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, TypeAdapter

from services.enricher.finder.providers.spending import Limit
from shared.http.outbound import OutboundSettings
from shared.pictures import Kind
from shared.pictures.hosts import PictureHost, hosts_of
from shared.settings import ONESHEET_VERSION, Settings, UserAgent

if TYPE_CHECKING:
    from services.enricher.finder.artwork.source import ArtworkParts, ArtworkSource
    from services.enricher.finder.providers.asking import Address

PACKAGES = (
    "services.enricher.finder.providers.tvdb",
    "services.enricher.finder.providers.tmdb",
    "services.enricher.finder.providers.trakt",
    "services.enricher.finder.providers.fanart",
    "services.enricher.finder.providers.hardcover",
    "services.enricher.finder.providers.twitch",
)
"""In the order in which their pictures are preferred, where nothing else is set."""

TITLE_KINDS = frozenset({Kind.SERIES, Kind.MOVIE, Kind.EPISODE, Kind.SEASON, Kind.PERSON, Kind.COLLECTION})

_Set = TypeVar("_Set", bound=Settings)


@dataclass(frozen=True, slots=True)
class ProviderSpec(Generic[_Set]):
    """One provider: what it is called, how it is asked, and what pictures it has.

    `name` stands in settings, at `/readyz` and beside pictures, `title` in sentences. `required` are the fields of
    its settings without which it is off; the first is the key that its budget is kept by. `limits` hold together;
    `writes` is the limit of what is no GET, where it has one of its own. `of`: kinds of things that `artwork` has pictures of. `probe` is the path of a small answer by which a
    key is tried; without one the key is tried by what is asked for anyhow.
    """

    name: str
    title: str
    settings: type[_Set]
    required: tuple[str, ...]
    address: "Callable[[_Set], Address]"
    limits: tuple[Limit, ...]
    writes: Limit | None = None
    artwork: "Callable[[ArtworkParts], ArtworkSource | None] | None" = None
    of: frozenset[Kind] = TITLE_KINDS
    probe: str = ""

    @property
    def picture_hosts(self) -> tuple[PictureHost, ...]:
        """Where its pictures are, and what may be done with them."""
        return hosts_of(self.name)

    def key(self, settings: _Set) -> SecretStr | None:
        """None: it is off."""
        return None if self.missing(settings) else getattr(settings, self.required[0])

    def missing(self, settings: _Set) -> str | None:
        """The setting for want of which it is off, as operators know it."""
        for field in self.required:
            if not getattr(settings, field):
                return str(self.settings.model_fields[field].validation_alias)
        return None


def specs_of(packages: Sequence[str] = PACKAGES) -> tuple[ProviderSpec[Any], ...]:
    """Raise TypeError for a package whose `spec.SPEC` is no specification."""
    specs = tuple(import_module(f"{package}.spec").SPEC for package in packages)
    for package, spec in zip(packages, specs, strict=True):
        if not isinstance(spec, ProviderSpec):
            raise TypeError(f"{package}.spec.SPEC is no ProviderSpec.")
    return specs


_URL = TypeAdapter(HttpUrl)


def _base_url(url: str) -> str:
    _URL.validate_python(url)
    if {"?", "#"} & set(url):
        raise ValueError("what is asked for is written behind it: it has no query and no fragment")
    return url.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""Of a provider's API: what is asked for is written after it and a slash."""


class AskingSettings(Settings):
    """How any provider is asked."""

    outbound: OutboundSettings = Field(default_factory=OutboundSettings)
    user_agent: UserAgent = Field(f"Onesheet/{ONESHEET_VERSION}", validation_alias="USER_AGENT")
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
