"""Which class reads which message."""

from shared.contracts import dead, events, jobs
from shared.contracts.message import Message

MESSAGES: tuple[type[Message], ...] = (
    jobs.FetchPicture,
    jobs.RenderPicture,
    jobs.RefreshPicture,
    jobs.PurgePicture,
    jobs.ResolvePicture,
    jobs.PointName,
    jobs.RefuseName,
    jobs.PinPicture,
    jobs.UnpinPicture,
    jobs.StoreUpload,
    jobs.EvictPictures,
    jobs.HealPicture,
    jobs.DropSpool,
    jobs.LookAtPicture,
    jobs.LookAtPictures,
    events.PictureStored,
    events.PictureFailed,
    events.NameRefused,
    events.PicturePurged,
    events.PicturesEvicted,
    events.HostPaused,
    events.PicturesUsed,
    events.TaskProgressed,
    events.ServiceStats,
    dead.DeadLetter,
)

_BY_TYPE: dict[tuple[object, object], type[Message]] = {
    (known.__name__, known.version): known for known in MESSAGES
}


def message_class(name: object, version: object) -> type[Message]:
    """Raise ValueError for a message nobody here can read."""
    known = _BY_TYPE.get((name, version))
    if known is None:
        raise ValueError(f"no message {str(name)[:60]!r} of version {str(version)[:20]!r}")
    return known
