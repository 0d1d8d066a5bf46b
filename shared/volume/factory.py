"""Opening the volume that the settings name: to look, or to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.volume.inventory import Inventory
from shared.volume.layout import Layout, check_state_dir
from shared.volume.local_hosts import LocalHostPauses
from shared.volume.local_inbox import LocalInbox
from shared.volume.local_inventory import LocalInventory
from shared.volume.local_names import LocalNames, LocalNameStore
from shared.volume.local_pictures import LocalPictures
from shared.volume.local_pins import LocalPins
from shared.volume.local_soundness import LocalSoundness
from shared.volume.local_store import LocalPictureStore
from shared.volume.port import HostPauses, Inbox, Names, NameStore, Pictures, PictureStore, Pins
from shared.volume.settings import VolumeSettings
from shared.volume.soundness import Mending, Soundness
from shared.volume.steps import OnStep, unwatched


@dataclass(frozen=True, slots=True)
class ReadVolume:
    """The volume as the proxy has it."""

    layout: Layout
    pictures: Pictures
    names: Names
    hosts: HostPauses


@dataclass(frozen=True, slots=True)
class WriteVolume:
    """The volume as the fetcher has it."""

    layout: Layout
    pictures: PictureStore
    names: NameStore
    pins: Pins
    inbox: Inbox
    hosts: HostPauses
    mending: Mending


def prepared_layout(settings: VolumeSettings) -> Layout:
    """Raise VolumeRefused for directories that cannot be used, before anything is started on them."""
    check_state_dir(settings.root, settings.state_dir)
    layout = Layout(settings.root)
    layout.prepare()
    return layout


def volume_to_read(layout: Layout) -> ReadVolume:
    return ReadVolume(layout, LocalPictures(layout), LocalNames(layout), LocalHostPauses(layout))


def soundness_of(layout: Layout) -> Soundness:
    return LocalSoundness(layout)


def inventory_of(layout: Layout) -> Inventory:
    return LocalInventory(layout)


def inbox_of(layout: Layout) -> Inbox:
    """All that the enricher may write."""
    return LocalInbox(layout)


@contextmanager
def volume_to_write(layout: Layout, *, on_step: OnStep = unwatched) -> Iterator[WriteVolume]:
    store = LocalPictureStore(layout, on_step=on_step)
    try:
        yield WriteVolume(
            layout=layout,
            pictures=store,
            names=LocalNameStore(layout),
            pins=LocalPins(layout, on_step=on_step),
            inbox=inbox_of(layout),
            hosts=LocalHostPauses(layout),
            mending=LocalSoundness(layout),
        )
    finally:
        store.close()
