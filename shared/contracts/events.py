"""Events: told to everybody who listens, kept for nobody."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.jobs import CheckedPictureId, CheckedRevisionId
from shared.contracts.message import Message
from shared.pictures import Failure, Name, PictureId, Rendition


class PictureStored(Message):
    """These renditions can be served now."""

    picture: CheckedPictureId
    revision: CheckedRevisionId
    renditions: tuple[Rendition, ...]
    name: Name | None = None
    """That points at the picture by now, where the job was about one."""


class PictureFailed(Message):
    """What was asked for cannot be had before the failure's end. No rendition: none of them can."""

    picture: CheckedPictureId
    rendition: Rendition | None
    failure: Failure
    name: Name | None = None
    """That was to be pointed at the picture, where the job was about one."""
    unknown: bool = False
    """Nobody knows where it comes from: told to those who know nothing but its id, and no concern of others."""


class NameRefused(Message):
    """There is no picture for the name before the failure's end."""

    name: Name
    failure: Failure


class PicturePurged(Message):
    picture: CheckedPictureId


class PicturesEvicted(Message):
    """These made room for others, and are fetched again when they are asked for."""

    pictures: tuple[CheckedPictureId, ...]


class HostPaused(Message):
    """Nobody asks this host for anything until then."""

    host: str
    until: AwareDatetime


class JobsUnwaited(Message):
    """Nobody waits any more for what these jobs fetch: they are named by the ids of their envelopes."""

    jobs: tuple[str, ...]


def changed_pictures(event: Message) -> tuple[PictureId, ...]:
    """Pictures of which the volume has something else than before: stored, purged or evicted."""
    return (event.picture,) if isinstance(event, PictureStored) else removed_pictures(event)


def removed_pictures(event: Message) -> tuple[PictureId, ...]:
    """Pictures that the volume has no longer: purged or evicted."""
    match event:
        case PicturePurged(picture=picture):
            return (picture,)
        case PicturesEvicted(pictures=pictures):
            return pictures
    return ()


class LaneWork(BaseModel):
    """Jobs that were taken from a lane, the oldest of which had waited so long."""

    model_config = ConfigDict(frozen=True)

    jobs: int
    oldest_s: float


class ServiceStats(Message):
    """What a process did in the last few seconds."""

    service: str
    instance: str
    during_s: float
    lanes: dict[str, LaneWork]
    counted: dict[str, dict[str, float]] = Field(default_factory=dict)
    """What was counted meanwhile: `served` by outcome, `failures` by class, and `first_picture`: the misses that were
    answered with their picture, by the seconds that they took at most."""
    waiting: int = 0
    """Requests that wait for a picture, at this moment."""
    setup: dict[str, str] = Field(default_factory=dict)
    """Fingerprints of settings that have to be the same in all services, by the settings' names."""


class TaskProgressed(Message):
    """How far a task is: told when it begins and ends, and once a second while it moves."""

    task: int
    kind: str
    state: str
    done: int
    total: int | None
    counts: dict[str, int]


class StudioProgressed(Message):
    """How far a job of the studio is: told when its state changes. `done`: steps, of four."""

    job: str
    kind: str
    state: str
    done: int
    reason: str | None = None


class SessionEnded(Message):
    """Somebody signed out of the pages, everywhere. `session`: SHA-256 of what their cookie says, in hex."""

    session: str


class PicturesUsed(Message):
    """How often pictures were served since the last time, as far as it was counted; sampled where nginx served."""

    used: dict[CheckedPictureId, int]
