"""What can be set of the choice of pictures."""

from collections.abc import Mapping

from pydantic import Field, field_validator

from services.enricher.finder.artwork.choice import Textless
from shared.pictures import Kind
from shared.settings import CommaList, Settings


class ArtworkSettings(Settings):
    """An order that is empty: that of the registry, but first those that know the id without another's help."""

    series: CommaList = Field((), validation_alias="PROVIDER_ORDER_SERIES")
    movie: CommaList = Field((), validation_alias="PROVIDER_ORDER_MOVIE")
    season: CommaList = Field((), validation_alias="PROVIDER_ORDER_SEASON")
    episode: CommaList = Field((), validation_alias="PROVIDER_ORDER_EPISODE")
    person: CommaList = Field((), validation_alias="PROVIDER_ORDER_PERSON")
    collection: CommaList = Field((), validation_alias="PROVIDER_ORDER_COLLECTION")
    textless: Textless = Field(Textless.LAST, validation_alias="TEXTLESS")

    @field_validator("series", "movie", "season", "episode", "person", "collection")
    @classmethod
    def _once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(order)) < len(order):
            raise ValueError("The order has each provider once at most.")
        return order

    @property
    def named(self) -> frozenset[str]:
        """Every provider that stands in an order."""
        return frozenset(name for order in self._orders.values() for name in order)

    def order(self, kind: Kind) -> tuple[str, ...]:
        return self._orders[kind]

    @property
    def _orders(self) -> Mapping[Kind, tuple[str, ...]]:
        return {
            Kind.SERIES: self.series,
            Kind.MOVIE: self.movie,
            Kind.SEASON: self.season,
            Kind.EPISODE: self.episode,
            Kind.PERSON: self.person,
            Kind.COLLECTION: self.collection,
        }
