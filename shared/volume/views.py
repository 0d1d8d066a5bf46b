"""The views of the volume that the settings name: what each service may do with it, and no more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.pictures import Tree
from shared.volume import port
from shared.volume.inventory import Integrity, Inventory, Mending
from shared.volume.local.archive import LocalArchive
from shared.volume.local.integrity import LocalIntegrity
from shared.volume.local.inventory import LocalInventory
from shared.volume.local.layout import Layout, prepared_layout
from shared.volume.local.names import LocalHostPauses, LocalInbox, LocalNames, LocalNameStore
from shared.volume.local.pictures import LocalPictures
from shared.volume.local.pins import LocalPins
from shared.volume.local.store import LocalPictureStore
from shared.volume.local.sweep import sweep
from shared.volume.settings import VolumeSettings


@dataclass(frozen=True, slots=True)
class ReadVolume:
    """The volume as the proxy has it: to look."""

    pictures: port.Pictures
    names: port.Names
    hosts: port.HostPauses
    check: Callable[[], Awaitable[None]]
    """Raise VolumeRefused, with a sentence, when it cannot be read just now."""
    identity: Callable[[], str] = str
    """Which volume it is, wherever it is mounted; empty: nobody knows yet."""


@dataclass(frozen=True, slots=True)
class KeeperVolume:
    """The volume as the enricher has it: to look, to take stock, to check. It writes nothing but uploads to the inbox, and ends
    pauses of hosts.
    """

    pictures: port.Pictures
    names: port.Names
    inventory: Inventory
    integrity: Integrity
    inbox: port.Inbox
    hosts: port.HostPauses
    identity: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class WriteVolume:
    """The volume as the fetcher has it: to write."""

    pictures: port.PictureStore
    names: port.NameStore
    pins: port.Pins
    inbox: port.Inbox
    hosts: port.HostPauses
    mending: Mending
    sweep: Callable[[], Awaitable[int]]
    """Remove what was put aside and left there, and what is over; return how many. Raise OSError."""
    drafts: port.LocalDirectory
    """Where all drafts lie."""
    files: tuple[port.LocalDirectory, ...]
    """Where the files lie that drafts do not bring to themselves, but say where they are."""
    identity: Callable[[], str] = str


def volume_to_read(settings: VolumeSettings) -> ReadVolume:
    """Raise VolumeRefused, as the other two do, for directories that cannot be used; this one also does with less."""
    layout = Layout(settings.root)
    layout.prepare_to_read()

    async def check() -> None:
        layout.check_readable()

    return ReadVolume(
        LocalPictures(layout), LocalNames(layout), LocalHostPauses(layout), check, layout.identity
    )


def volume_to_keep(settings: VolumeSettings) -> KeeperVolume:
    layout = prepared_layout(settings)
    return KeeperVolume(
        pictures=LocalPictures(layout),
        names=LocalNames(layout),
        inventory=LocalInventory(layout),
        integrity=LocalIntegrity(layout),
        inbox=LocalInbox(layout),
        hosts=LocalHostPauses(layout),
        identity=layout.identity,
    )


@contextmanager
def volume_to_write(
    settings: VolumeSettings, *, on_step: port.OnStep = port.unwatched
) -> Iterator[WriteVolume]:
    layout = prepared_layout(settings)

    async def sweep_once() -> int:
        return await asyncio.to_thread(sweep, layout)

    store = LocalPictureStore(layout, on_step=on_step)
    try:
        yield WriteVolume(
            pictures=store,
            names=LocalNameStore(layout),
            pins=LocalPins(layout, on_step=on_step),
            inbox=LocalInbox(layout),
            hosts=LocalHostPauses(layout),
            mending=LocalIntegrity(layout),
            identity=layout.identity,
            sweep=sweep_once,
            drafts=port.LocalDirectory(layout.scratch.absolute()),
            files=tuple(port.LocalDirectory((layout.root / tree).absolute()) for tree in Tree),
        )
    finally:
        store.close()


def volume_to_archive(settings: VolumeSettings) -> LocalArchive:
    """To copy what is kept, or to put it back. Raise VolumeRefused for directories that cannot be used."""
    return LocalArchive(prepared_layout(settings))


def volume_identity(settings: VolumeSettings) -> str:
    """Which volume it is, without touching it; empty where none is."""
    return Layout(settings.root).identity()
