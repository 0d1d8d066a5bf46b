"""What can be set of the choice of pictures."""

from pydantic import Field, field_validator

from services.enricher.finder.artwork.choice import Textless
from shared.pictures import Kind
from shared.settings import CommaList, Settings

PROVIDERS = ("tvdb", "tmdb", "trakt", "fanart")


class ArtworkSettings(Settings):
    """An order that is empty: `PROVIDERS`, but first those that know the id without another's help."""

    series: CommaList = Field((), validation_alias="PROVIDER_ORDER_SERIES")
    movie: CommaList = Field((), validation_alias="PROVIDER_ORDER_MOVIE")
    season: CommaList = Field((), validation_alias="PROVIDER_ORDER_SEASON")
    episode: CommaList = Field((), validation_alias="PROVIDER_ORDER_EPISODE")
    person: CommaList = Field((), validation_alias="PROVIDER_ORDER_PERSON")
    collection: CommaList = Field((), validation_alias="PROVIDER_ORDER_COLLECTION")
    textless: Textless = Field(Textless.LAST, validation_alias="TEXTLESS")

    @field_validator("series", "movie", "season", "episode", "person", "collection")
    @classmethod
    def _known(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if not set(order) <= set(PROVIDERS) or len(set(order)) < len(order):
            raise ValueError(f"The order has each of {', '.join(PROVIDERS)} once at most.")
        return order

    def order(self, kind: Kind) -> tuple[str, ...]:
        orders = {
            Kind.SERIES: self.series,
            Kind.MOVIE: self.movie,
            Kind.SEASON: self.season,
            Kind.EPISODE: self.episode,
            Kind.PERSON: self.person,
            Kind.COLLECTION: self.collection,
        }
        return orders[kind]
