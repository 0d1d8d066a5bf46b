"""What the services say to one another: jobs that one worker must do, events that everybody may hear.

Additive changes keep a message's version; anything else is a new class. `examples/` holds one JSON
document of each, which tests parse and compare, so that no change of shape goes unnoticed.
"""

from shared.contracts.envelope import Envelope
from shared.contracts.events import (
    HostPaused,
    JobsUnwaited,
    LaneWork,
    NameRefused,
    PictureFailed,
    PicturePurged,
    PicturesEvicted,
    PictureStored,
    PicturesUsed,
    ServiceStats,
    TaskProgressed,
    changed_pictures,
    removed_pictures,
)
from shared.contracts.jobs import (
    AdoptPicture,
    DropSpool,
    Evictable,
    EvictPictures,
    FetchPicture,
    HealPicture,
    LookAtPicture,
    LookAtPictures,
    PinPicture,
    PointName,
    PurgePicture,
    RefreshPicture,
    RefuseName,
    RenderPicture,
    ResolvePicture,
    StoreUpload,
    UnpinPicture,
)
from shared.contracts.message import DeadLetter, FailedAttempt, Message

__all__ = [
    "AdoptPicture",
    "DeadLetter",
    "DropSpool",
    "Envelope",
    "EvictPictures",
    "Evictable",
    "FailedAttempt",
    "FetchPicture",
    "HealPicture",
    "HostPaused",
    "JobsUnwaited",
    "LaneWork",
    "LookAtPicture",
    "LookAtPictures",
    "Message",
    "NameRefused",
    "PictureFailed",
    "PicturePurged",
    "PictureStored",
    "PicturesEvicted",
    "PicturesUsed",
    "PinPicture",
    "PointName",
    "PurgePicture",
    "RefreshPicture",
    "RefuseName",
    "RenderPicture",
    "ResolvePicture",
    "ServiceStats",
    "StoreUpload",
    "TaskProgressed",
    "UnpinPicture",
    "changed_pictures",
    "removed_pictures",
]
