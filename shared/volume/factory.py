"""Opening the volume that the settings name: to look, or to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.volume.layout import Layout, check_state_dir
from shared.volume.local_hosts import LocalHostPauses
from shared.volume.local_names import LocalNames
from shared.volume.local_pictures import LocalPictures
from shared.volume.local_store import LocalPictureStore
from shared.volume.port import HostPauses, Names, Pictures, PictureStore
from shared.volume.settings import VolumeSettings
from shared.volume.steps import OnStep, unwatched


@dataclass(frozen=True, slots=True)
class ReadVolume:
    """The volume as the proxy has it."""

    layout: Layout
    pictures: Pictures
    hosts: HostPauses


@dataclass(frozen=True, slots=True)
class WriteVolume:
    """The volume as the fetcher has it."""

    layout: Layout
    pictures: PictureStore
    names: Names
    hosts: HostPauses


def prepared_layout(settings: VolumeSettings) -> Layout:
    """Raise VolumeRefused for directories that cannot be used, before anything is started on them."""
    check_state_dir(settings.root, settings.state_dir)
    layout = Layout(settings.root)
    layout.prepare()
    return layout


def volume_to_read(layout: Layout) -> ReadVolume:
    return ReadVolume(layout, LocalPictures(layout), LocalHostPauses(layout))


@contextmanager
def volume_to_write(layout: Layout, *, on_step: OnStep = unwatched) -> Iterator[WriteVolume]:
    store = LocalPictureStore(layout, on_step=on_step)
    try:
        yield WriteVolume(layout, store, LocalNames(layout), LocalHostPauses(layout))
    finally:
        store.close()
