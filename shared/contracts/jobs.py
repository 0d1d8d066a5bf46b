"""Jobs: each is done by one worker, and doing it twice is harmless."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from shared.contracts.message import Message
from shared.pictures import Failure, Format, Name, PictureId, Rendition, RevisionId, Source, SourceUrl, Upload
from shared.pictures.source import parse_picture_id, parse_revision_id

CheckedPictureId = Annotated[PictureId, AfterValidator(parse_picture_id)]
CheckedRevisionId = Annotated[RevisionId, AfterValidator(parse_revision_id)]
InboxId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FetchPicture(Message):
    """Have this rendition of this picture stored, downloading the original if it is not there.

    Of an upload only renditions can be had, while it is stored.
    """

    source_url: Source
    rendition: Rendition
    name: Name | None = None
    """To be pointed at the picture once it is committed, unless something else is pinned to it."""
    authorised_host: str | None = None
    """A host that a valid signature allowed for this job, besides the allowed ones."""


class RenderPicture(Message):
    """Make these renditions of what is stored, all from one decode of the original."""

    source_url: Source
    renditions: tuple[Rendition, ...]


class RefreshPicture(Message):
    """Ask the source whether the picture has changed, and take the new one if it has."""

    source_url: SourceUrl
    authorised_host: str | None = None
    """As for FetchPicture."""


class PurgePicture(Message):
    """Remove the picture, all its revisions and what is remembered of it."""

    picture: CheckedPictureId


class ResolvePicture(Message):
    """Find where a picture comes from, by what it shows or by its id, and have this rendition of it stored.

    The enricher's, in the lanes `resolve.now` and `resolve.later`.
    """

    name: Name | None = None
    picture: CheckedPictureId | None = None
    rendition: Rendition

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.name is None) == (self.picture is None):
            raise ValueError("what is resolved is a name or a picture, one of them")
        return self


class PointName(Message):
    """Point a name at a picture that is stored, given by its source or its id."""

    name: Name
    source_url: Source | None = None
    picture: CheckedPictureId | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.source_url is None) == (self.picture is None):
            raise ValueError("a name points at a source's picture or at a picture, one of them")
        return self

    @property
    def target(self) -> PictureId:
        if self.source_url is not None:
            return self.source_url.picture
        assert self.picture is not None
        return self.picture


class RefuseName(Message):
    """Remember that there is no picture for a name, until the failure's end. What it points at by now stays."""

    name: Name
    failure: Failure


class PinPicture(Message):
    """Show this picture under a name, whatever anybody finds for it later, and never evict it."""

    name: Name
    source_url: Source
    authorised_host: str | None = None
    """As for FetchPicture."""


class UnpinPicture(Message):
    """Let others choose what the name shows; until they do, it shows what was pinned."""

    name: Name


class StoreUpload(Message):
    """Keep the bytes that were put into the inbox, and pin them to the names if there are any."""

    inbox: InboxId
    sha256: Sha256
    """Of the bytes in the inbox, hex."""
    name: Name | None = None
    also: Name | None = None
    """Pinned before the other."""
    mark: str = ""
    """Of somebody's own, and whether it is private: see `Upload`."""
    private: bool = False
    kept_as: Format | None = None
    """Kept in this format, whatever was sent."""

    @property
    def upload(self) -> Upload:
        return Upload(self.sha256, self.mark, self.private)


class AdoptedFile(BaseModel):
    """Bytes that were put into the inbox, as somebody had them from a source."""

    model_config = ConfigDict(frozen=True)

    inbox: InboxId
    sha256: Sha256
    """Of the bytes in the inbox, hex."""
    source_url: SourceUrl
    fetched_at: AwareDatetime | None = None
    """When somebody downloaded them, where that is known."""


ADOPTED_AT_ONCE = 20


class AdoptPictures(Message):
    """Keep these as the originals of their sources' pictures, as if they had been downloaded."""

    files: Annotated[tuple[AdoptedFile, ...], Field(min_length=1, max_length=ADOPTED_AT_ONCE)]


EVICTED_AT_ONCE = 100


class Evictable(BaseModel):
    """A picture as it was when it was chosen. Without a revision: a failure that is remembered of it, and nothing else."""

    model_config = ConfigDict(frozen=True)

    picture: CheckedPictureId
    revision: CheckedRevisionId | None
    fetched_at: AwareDatetime | None


class EvictPictures(Message):
    """Remove these pictures from `cache`; but not what was fetched again since it was chosen."""

    pictures: Annotated[tuple[Evictable, ...], Field(max_length=EVICTED_AT_ONCE)]


class HealPicture(Message):
    """Look whether the picture is what was stored, and make again what is not."""

    picture: CheckedPictureId
    source_url: Source | None
    """Where its manifest cannot say it."""


class DropSpool(Message):
    """Remove an original that was too large to keep."""

    picture: CheckedPictureId
    revision: CheckedRevisionId


class LookAtPicture(Message):
    """A record for the catalog, which then reads the volume: so the order of records does not matter."""

    picture: CheckedPictureId
    source_url: str | None
    happened: Literal["stored", "checked", "failed", "removed"]


class LookAtPictures(Message):
    """The same of many, that went together."""

    pictures: tuple[CheckedPictureId, ...]
