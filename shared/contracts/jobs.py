"""Jobs: each is done by one worker, and doing it twice is harmless."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from shared.contracts.message import Message
from shared.pictures import Name, PictureId, Rendition, RevisionId, SourceUrl
from shared.pictures.identity import parse_picture_id, parse_revision_id

CheckedPictureId = Annotated[PictureId, AfterValidator(parse_picture_id)]
CheckedRevisionId = Annotated[RevisionId, AfterValidator(parse_revision_id)]


class FetchPicture(Message):
    """Have this rendition of this picture stored, downloading the original if it is not there."""

    source_url: SourceUrl
    rendition: Rendition
    name: Name | None = None
    """To be pointed at the picture once it is committed."""
    authorised_host: str | None = None
    """A host that a valid signature allowed for this job, besides the allowed ones."""


class RenderPicture(Message):
    """Make these renditions of what is stored, all from one decode of the original."""

    source_url: SourceUrl
    renditions: tuple[Rendition, ...]


class RefreshPicture(Message):
    """Ask the source whether the picture has changed, and take the new one if it has."""

    source_url: SourceUrl
    authorised_host: str | None = None
    """As for FetchPicture."""


class PurgePicture(Message):
    """Remove the picture, all its revisions and what is remembered of it."""

    picture: CheckedPictureId


class DropSpool(Message):
    """Remove an original that was too large to keep."""

    picture: CheckedPictureId
    revision: CheckedRevisionId


class LookAtPicture(Message):
    """A record for the catalog, which then reads the volume: so the order of records does not matter."""

    picture: CheckedPictureId
    source_url: str | None
    happened: Literal["stored", "checked", "failed", "removed"]
