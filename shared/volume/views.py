"""The views of the volume that the settings name: what each service may do with it, and no more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.pictures import Tree
from shared.volume.integrity import Integrity, Mending
from shared.volume.inventory import Inventory
from shared.volume.local.inbox_and_pauses import LocalHostPauses, LocalInbox
from shared.volume.local.integrity import LocalIntegrity
from shared.volume.local.inventory import LocalInventory
from shared.volume.local.layout import Layout, prepared_layout
from shared.volume.local.names import LocalNames, LocalNameStore
from shared.volume.local.pictures import LocalPictures
from shared.volume.local.pins import LocalPins
from shared.volume.local.store import LocalPictureStore
from shared.volume.local.sweep import sweep
from shared.volume.port import (
    HostPauses,
    Inbox,
    LocalDirectory,
    Names,
    NameStore,
    OnStep,
    Pictures,
    PictureStore,
    Pins,
    unwatched,
)
from shared.volume.settings import VolumeSettings


@dataclass(frozen=True, slots=True)
class ReadVolume:
    """The volume as the proxy has it: to look."""

    pictures: Pictures
    names: Names
    hosts: HostPauses
    check: Callable[[], Awaitable[None]]
    """Raise VolumeRefused, with a sentence, when it cannot be read just now."""
    identity: Callable[[], str] = str
    """Which volume it is, wherever it is mounted; empty: nobody knows yet."""


@dataclass(frozen=True, slots=True)
class KeeperVolume:
    """The volume as the enricher has it: to look, to take stock, to check. It writes nothing but uploads to the inbox, and ends
    pauses of hosts.
    """

    pictures: Pictures
    names: Names
    inventory: Inventory
    integrity: Integrity
    inbox: Inbox
    hosts: HostPauses
    identity: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class WriteVolume:
    """The volume as the fetcher has it: to write."""

    pictures: PictureStore
    names: NameStore
    pins: Pins
    inbox: Inbox
    hosts: HostPauses
    mending: Mending
    sweep: Callable[[], Awaitable[int]]
    """Remove what was put aside and left there, and what is over; return how many. Raise OSError."""
    drafts: LocalDirectory
    """Where all drafts lie."""
    files: tuple[LocalDirectory, ...]
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
def volume_to_write(settings: VolumeSettings, *, on_step: OnStep = unwatched) -> Iterator[WriteVolume]:
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
            drafts=LocalDirectory(layout.scratch.absolute()),
            files=tuple(LocalDirectory((layout.root / tree).absolute()) for tree in Tree),
        )
    finally:
        store.close()
