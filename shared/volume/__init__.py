"""The shared volume: the ports, and the local files behind them."""

from shared.volume.factory import (
    ReadVolume,
    WriteVolume,
    inbox_of,
    prepared_layout,
    volume_to_read,
    volume_to_write,
)
from shared.volume.layout import Layout, VolumeRefused, check_local
from shared.volume.lock import Joined
from shared.volume.port import (
    Draft,
    HostPause,
    HostPauses,
    Inbox,
    Locked,
    Names,
    NameStore,
    Pictures,
    PictureStore,
    Pins,
    Revision,
    RevisionGone,
    StoredFile,
    Superseded,
    VolumeError,
)
from shared.volume.settings import VolumeSettings
from shared.volume.steps import CommitStep, OnStep, PinStep, unwatched
from shared.volume.sweep import sweep

__all__ = [
    "CommitStep",
    "Draft",
    "HostPause",
    "HostPauses",
    "Inbox",
    "Joined",
    "Layout",
    "Locked",
    "NameStore",
    "Names",
    "OnStep",
    "PictureStore",
    "Pictures",
    "PinStep",
    "Pins",
    "ReadVolume",
    "Revision",
    "RevisionGone",
    "StoredFile",
    "Superseded",
    "VolumeError",
    "VolumeRefused",
    "VolumeSettings",
    "WriteVolume",
    "check_local",
    "inbox_of",
    "prepared_layout",
    "sweep",
    "unwatched",
    "volume_to_read",
    "volume_to_write",
]
