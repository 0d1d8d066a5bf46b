"""The shared volume: the ports, and the local files behind them."""

from shared.volume.factory import (
    ReadVolume,
    WriteVolume,
    inbox_of,
    inventory_of,
    prepared_layout,
    soundness_of,
    volume_to_read,
    volume_to_write,
)
from shared.volume.inventory import NOTHING, Extent, Holding, Inventory, Mark, Space
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
from shared.volume.room import FloorSettings, lacking
from shared.volume.settings import VolumeSettings
from shared.volume.soundness import Damage, Findings, Mending, Soundness, What
from shared.volume.steps import CommitStep, OnStep, PinStep, unwatched
from shared.volume.sweep import sweep

__all__ = [
    "NOTHING",
    "CommitStep",
    "Damage",
    "Draft",
    "Extent",
    "Findings",
    "FloorSettings",
    "Holding",
    "HostPause",
    "HostPauses",
    "Inbox",
    "Inventory",
    "Joined",
    "Layout",
    "Locked",
    "Mark",
    "Mending",
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
    "Soundness",
    "Space",
    "StoredFile",
    "Superseded",
    "VolumeError",
    "VolumeRefused",
    "VolumeSettings",
    "What",
    "WriteVolume",
    "check_local",
    "inbox_of",
    "inventory_of",
    "lacking",
    "prepared_layout",
    "soundness_of",
    "sweep",
    "unwatched",
    "volume_to_read",
    "volume_to_write",
]
