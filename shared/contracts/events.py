"""Events: told to everybody who listens, kept for nobody."""

from pydantic import AwareDatetime

from shared.contracts.jobs import CheckedPictureId, CheckedRevisionId
from shared.contracts.message import Message
from shared.pictures import Failure, Rendition


class PictureStored(Message):
    """These renditions can be served now."""

    picture: CheckedPictureId
    revision: CheckedRevisionId
    renditions: tuple[Rendition, ...]


class PictureFailed(Message):
    """What was asked for cannot be had before the failure's end. No rendition: none of them can."""

    picture: CheckedPictureId
    rendition: Rendition | None
    failure: Failure


class PicturePurged(Message):
    picture: CheckedPictureId


class HostPaused(Message):
    """Nobody asks this host for anything until then."""

    host: str
    until: AwareDatetime


class PicturesUsed(Message):
    """How often pictures were served since the last time, as far as it was counted; sampled where nginx served."""

    used: dict[CheckedPictureId, int]
