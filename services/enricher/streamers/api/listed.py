"""Streamers, categories and streams as clients see them and say them."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Body, Instant, Parameters
from services.enricher.streamers import naming

MANY = 5_000
TwitchId = Annotated[str, Field(pattern=r"^(tw:)?[0-9]{1,20}$"), AfterValidator(naming.number_in)]


class NumberParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class ShelfPageParameters(Parameters):
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10_000_000)
    favorites: bool = Field(default=False, description="Only what was marked as one")


class StreamListParameters(ShelfPageParameters):
    streamer_id: int | None = Field(None, ge=1, le=2**63 - 1)


class StreamerOrder(Body):
    """Who is to be added: by login, by Twitch's id, by the URL of a channel; or many at once."""

    login: str | None = Field(None, max_length=200, description="A login, or https://www.twitch.tv/…")
    twitch_id: TwitchId | None = None
    url: str | None = Field(None, max_length=200)
    logins: tuple[str, ...] = Field((), max_length=MANY)
    twitch_ids: tuple[str, ...] = Field((), max_length=MANY)


class CategoryOrder(Body):
    """What is to be added: by its name, by Twitch's id; or many at once."""

    name: str | None = Field(None, max_length=200)
    twitch_id: TwitchId | None = None
    names: tuple[str, ...] = Field((), max_length=MANY)
    twitch_ids: tuple[str, ...] = Field((), max_length=MANY)


class SearchParameters(Parameters):
    q: str = Field(min_length=1, max_length=200)


class StreamOrder(Body):
    streamer_id: int = Field(ge=1, le=2**63 - 1)
    twitch_id: TwitchId | None = None
    category: str | None = Field(None, max_length=200, description="A category's name")
    title: str | None = Field(None, max_length=1000)
    started_at: Instant | None = None
    artwork_url: str | None = Field(None, max_length=8192)


class ArtworkOrder(Body):
    url: str = Field(max_length=8192)


class FavoriteOrder(Body):
    """Either of them."""

    category_id: int | None = Field(None, ge=1, le=2**63 - 1)
    category_name: str | None = Field(None, max_length=200)


class ShownStreamer(BaseModel):
    """`profile_image_url` is ours once the picture is stored, and the source's before; `original_…` is always the source's."""

    model_config = ConfigDict(frozen=True)

    id: int
    twitch_id: str | None
    username: str
    login: str | None
    display_name: str | None
    description: str | None
    profile_image_url: str | None
    original_profile_image_url: str | None
    offline_image_url: str | None
    original_offline_image_url: str | None
    is_favorite: bool
    is_live: bool
    added_at: AwareDatetime
    checked_at: AwareDatetime | None = Field(description="When Twitch was last asked")
    trouble: str | None = Field(description="Why Twitch says nothing")


class ShownStreamers(BaseModel):
    model_config = ConfigDict(frozen=True)

    streamers: tuple[ShownStreamer, ...]
    total: int


class ShownCategory(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    twitch_id: str | None
    name: str
    slug: str
    file_name: str = Field(description="What its picture is called in /data/images/categories, without .jpg")
    box_art_url: str | None = Field(description="Ours once it is stored, Twitch's before")
    original_box_art_url: str | None
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    is_favorite: bool
    checked_at: AwareDatetime | None
    trouble: str | None
    called_alike: tuple[str, ...] = Field(
        description="Names of others that would have the same file name, and so have a suffix, or made this one have it"
    )


class ShownCategories(BaseModel):
    model_config = ConfigDict(frozen=True)

    categories: tuple[ShownCategory, ...]
    total: int


class ShownThumbnail(BaseModel):
    taken_at: AwareDatetime
    image_url: str


class ShownStream(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    twitch_id: str | None
    streamer_id: int
    category_id: int | None
    title: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    artwork_url: str | None = Field(description="Ours once it is stored, the source's before")
    original_artwork_url: str | None
    history: tuple[ShownThumbnail, ...] = Field(
        (), description="What it looked like while it was live, the newest first"
    )


class ShownStreams(BaseModel):
    model_config = ConfigDict(frozen=True)

    streams: tuple[ShownStream, ...]
    total: int


class FoundCategory(BaseModel):
    twitch_id: str
    name: str
    box_art_url: str | None


class FoundCategories(BaseModel):
    categories: tuple[FoundCategory, ...]
