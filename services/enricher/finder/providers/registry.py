"""The registry: every provider's specification, which its own package has.

A provider is a package with a module `spec`, in which `SPEC` says all that is to be known of it, and a line in
`PACKAGES`. Of the hosts of its pictures the proxies and the fetchers know from `shared.pictures.hosts`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import SecretStr

from services.enricher.finder.providers.budget import Limit
from shared.pictures.hosts import PictureHost, hosts_of
from shared.settings import Settings

if TYPE_CHECKING:
    from services.enricher.finder.artwork.source import ArtworkParts, ArtworkSource
    from services.enricher.finder.providers.asking import Address

PACKAGES = (
    "services.enricher.finder.providers.tvdb",
    "services.enricher.finder.providers.tmdb",
    "services.enricher.finder.providers.trakt",
    "services.enricher.finder.providers.fanart",
)
"""In the order in which their pictures are preferred, where nothing else is set."""

_Set = TypeVar("_Set", bound=Settings)


@dataclass(frozen=True, slots=True)
class ProviderSpec(Generic[_Set]):
    """One provider: what it is called, how it is asked, and what pictures it has.

    `name` stands in settings, at `/readyz` and beside pictures, `title` in sentences. `required` are the fields of
    its settings without which it is off; the first is the key that its budget is kept by. `limits` hold together;
    `writes` is the limit of what is no GET, where it has one of its own.
    """

    name: str
    title: str
    settings: type[_Set]
    required: tuple[str, ...]
    address: "Callable[[_Set], Address]"
    limits: tuple[Limit, ...]
    writes: Limit | None = None
    artwork: "Callable[[ArtworkParts], ArtworkSource | None] | None" = None

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
