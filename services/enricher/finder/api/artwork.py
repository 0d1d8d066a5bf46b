"""Endpoints of names: which picture each shows."""

from http import HTTPStatus
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.finder.resolving.opening import OpenResolving
from services.enricher.finder.resolving.table import KnownArtwork, Stored
from services.enricher.pictures.shown import PictureUrls
from shared.http import Problem
from shared.pictures import SIZES, HostRules, Kind, Name, Role, SourceUrl
from shared.pictures.public_paths import NUMBERED_KINDS


class NameParameters(Parameters):
    kind: Kind
    id: str = Field(description="tmdb:603, imdb:tt0133093, tvdb:81189 or trakt:the-matrix-1999")
    role: Role

    @model_validator(mode="after")
    def _is_name(self) -> Self:
        if self.kind in NUMBERED_KINDS and self.id.isdecimal():
            raise ValueError("Give a provider's id, such as tmdb:603, for a library's number may change.")
        Name(self.kind, self.id, self.role)
        return self

    @property
    def name(self) -> Name:
        return Name(self.kind, self.id, self.role)


def allowed_source(text: str, rules: HostRules) -> SourceUrl:
    """Raise Problem for a URL that pictures are not fetched from."""
    try:
        source = rules.source(text)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    if not rules.allow(source):
        host = source.authority[:100]
        raise Problem(HTTPStatus.FORBIDDEN, f"Pictures of {host} are not fetched here (see ALLOWED_HOSTS).")
    return source


def parsed_source(text: str) -> SourceUrl:
    """Raise Problem for what is no URL."""
    try:
        return SourceUrl.parse(text)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None


class ArtworkParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class ShownSize(BaseModel):
    """Width and height in pixels, where those of the original are known."""

    model_config = ConfigDict(frozen=True)

    url: str
    width: int | None = None
    height: int | None = None


class ShownArtwork(BaseModel):
    """Sizes are in pixels and bytes, of the original. What is ours of it is absent until it was stored."""

    model_config = ConfigDict(frozen=True)

    id: int
    kind: Kind
    content_id: str
    role: Role
    picture_id: str
    source_url: str = Field(description="Where the picture comes from")
    provider: str | None
    language: str | None
    score: float | None
    width: int | None
    height: int | None
    pinned: bool = Field(description="Chosen by an operator")
    checked_at: AwareDatetime
    refresh_at: AwareDatetime | None = Field(description="When it is looked for again; absent for a pin")
    local_image_url: str | None
    local_thumbnail_url: str | None
    storage_path: str | None = Field(description="Below the volume's root")
    processed_at: AwareDatetime | None
    file_size: int | None
    sizes: dict[str, ShownSize]


def artwork_endpoints(resolving: OpenResolving, urls: PictureUrls) -> list[Endpoint]:
    async def artwork(asked: ArtworkParameters) -> ShownArtwork:
        """An artwork: where its picture comes from, what is here of it, and its URL in every size."""
        known = await resolving.table.of_id(asked.id)
        if known is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such artwork.")
        return shown_artwork(known, urls, await resolving.stored.as_stored(known))

    return [
        Endpoint(
            "GET",
            "/api/v1/images/artwork/{id}",
            artwork,
            ShownArtwork,
            ArtworkParameters,
            access=Access.LISTS,
        )
    ]


def shown_artwork(known: KnownArtwork, urls: PictureUrls, stored: Stored | None) -> ShownArtwork:
    """`stored`: as the volume has it."""
    shown = known.shown
    return ShownArtwork(
        id=known.id,
        kind=known.name.kind,
        content_id=known.name.id,
        role=known.name.role,
        picture_id=known.picture,
        source_url=str(shown.source),
        provider=shown.provider,
        language=shown.language,
        score=shown.score,
        width=stored.width if stored else shown.width,
        height=stored.height if stored else shown.height,
        pinned=known.pinned,
        checked_at=known.checked_at,
        refresh_at=None if known.pinned else known.refresh_at,
        local_image_url=urls.by_name(known.name, "original") if stored else None,
        local_thumbnail_url=urls.by_name(known.name, "thumbnail") if stored else None,
        storage_path=stored.storage_path if stored else None,
        processed_at=stored.processed_at if stored else None,
        file_size=stored.file_size if stored else None,
        sizes={size: _size(known, size, urls, stored) for size in ("original", *SIZES)},
    )


def _size(known: KnownArtwork, size: str, urls: PictureUrls, stored: Stored | None) -> ShownSize:
    url = urls.by_name(known.name, size)
    if stored is None:
        return ShownSize(url=url)
    width, height = stored.width, stored.height
    if size in SIZES:
        width, height = SIZES[size].fit(width, height)
    return ShownSize(url=url, width=width, height=height)
