"""What pages are answered with."""

from datetime import date

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.library import MediaType
from services.enricher.pictures import ShownPicture
from services.enricher.providers import Condition
from shared.pictures import Role


class EnrichedItem(BaseModel):
    """One title of the library. What providers say of it is absent where they say nothing, or cannot be asked."""

    model_config = ConfigDict(frozen=True)

    id: int
    title: str
    media_type: MediaType
    year: int | None
    imdb_id: str | None
    tmdb_id: int | None
    tvdb_id: int | None
    overseerr_id: int | None
    list_source: str | None
    status: str | None
    last_synced: AwareDatetime | None
    full_path: str | None = Field(description="Where it was found first")
    paths: tuple[str, ...] = Field(description="Everywhere it was found")
    poster_url: str | None = Field(description="The original of its poster, from us")
    local_image_url: str | None = Field(None, description="The poster, by what it shows, from us")
    local_poster_url: str | None = None
    local_banner_url: str | None = None
    local_fanart_url: str | None = None
    local_thumbnail_url: str | None = Field(None, description="The poster, small")
    images: dict[Role, ShownPicture]
    overview: str | None = None
    rating: float | None = Field(None, description="Of 10")
    genres: tuple[str, ...] = ()
    pending: bool = Field(default=False, description="Not all is there yet: it will be the next time")
    stale: bool = Field(default=False, description="Of an earlier time, for its provider cannot be asked now")


class Counted(BaseModel):
    """Items, how many there are altogether, and how each provider is."""

    model_config = ConfigDict(frozen=True)

    items: tuple[EnrichedItem, ...]
    total: int
    providers: dict[str, Condition]


class EnrichedPage(Counted):
    page: int
    limit: int
    total_pages: int


class EnrichedList(Counted):
    limit: int
    offset: int


class TitleMetadata(BaseModel):
    """What a provider says of a title. `runtime` is in minutes."""

    model_config = ConfigDict(frozen=True)

    media_type: MediaType
    provider: str
    title: str
    year: int | None
    imdb_id: str | None
    tmdb_id: int | None
    tvdb_id: int | None
    trakt_id: int | None
    trakt_slug: str | None
    overview: str | None
    tagline: str | None
    rating: float | None = Field(description="Of 10")
    votes: int | None
    genres: tuple[str, ...]
    runtime: int | None
    released: date | None
    status: str | None
    certification: str | None
    language: str | None
    poster_url: str | None
    images: dict[Role, ShownPicture]
    stale: bool
