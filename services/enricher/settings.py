"""What can be set of the enricher."""

from typing import Self

from pydantic import Field, InstanceOf, model_validator

from services.enricher.api.access import AccessSettings
from services.enricher.database import DatabaseSettings
from services.enricher.finder.artwork import ArtworkSettings
from services.enricher.finder.metadata import MetadataSettings, ProviderSettings
from services.enricher.finder.resolving import ResolvingSettings
from services.enricher.keeper.catalog import CatalogSettings
from services.enricher.library import LibrarySettings
from services.enricher.pictures import PictureUrlSettings
from shared.settings import HostSettings, Settings


class EnricherSettings(Settings):
    access: AccessSettings = Field(default_factory=AccessSettings)
    artwork: ArtworkSettings = Field(default_factory=ArtworkSettings)
    catalog: CatalogSettings = Field(default_factory=CatalogSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    hosts: HostSettings = Field(default_factory=HostSettings)
    library: LibrarySettings = Field(default_factory=LibrarySettings)
    metadata: MetadataSettings = Field(default_factory=MetadataSettings)
    providers: InstanceOf[ProviderSettings] = Field(default_factory=ProviderSettings.read)
    resolving: ResolvingSettings = Field(default_factory=ResolvingSettings)
    urls: PictureUrlSettings = Field(default_factory=PictureUrlSettings)

    @model_validator(mode="after")
    def _orders_name_registered_providers(self) -> Self:
        names = [spec.name for spec in self.providers]
        if unknown := self.artwork.named - set(names):
            raise ValueError(
                f"PROVIDER_ORDER_…: there is no provider {', '.join(sorted(unknown))}, only {', '.join(names)}."
            )
        return self
