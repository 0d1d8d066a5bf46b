"""The views of the volume that the settings name: what each service may do with it, and no more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared import contracts
from shared.pictures import Name, PictureId, Tree
from shared.telemetry import Metrics
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
from shared.volume.local.videos import LocalVideos
from shared.volume.settings import VolumeRefused, VolumeSettings

if TYPE_CHECKING:
    from shared.volume.objects.opening import ObjectVolume


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """Where a volume of objects lies, as statistics say it."""

    backend: str
    bucket: str
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class LiveVolume:
    """What a volume that remembers what it read has to be told, and what it tells: none of files, which are looked at each time."""

    hear: Callable[[contracts.Message], None]
    """To be called with each event, before anybody looks because of it."""
    requests: Callable[[], Mapping[tuple[str, ...], int]]
    """To the store since the process began, by kind and outcome."""
    bytes: Callable[[], Mapping[tuple[str, ...], int]]
    """By direction."""
    facts: StorageFacts
    opened: object
    """For the other views of the same process."""


Listen = Callable[[Callable[[contracts.Envelope], Awaitable[None]]], AbstractAsyncContextManager[None]]
"""A queue's, as far as it is needed here."""


@asynccontextmanager
async def following(live: LiveVolume | None, listen: Listen, metrics: Metrics) -> AsyncIterator[None]:
    """Have the volume hear of events while the context lasts, and metrics of what it costs. To be entered before whatever looks at
    the volume because of an event.
    """
    if live is None:
        yield
        return

    async def hear(envelope: contracts.Envelope) -> None:
        live.hear(envelope.payload)

    metrics.store.requests.follow(live.requests)
    metrics.store.bytes.follow(live.bytes)
    async with listen(hear):
        yield


@dataclass(frozen=True, slots=True)
class ReadVolume:
    """The volume as the proxy has it: to look."""

    pictures: port.Pictures
    names: port.Names
    hosts: port.HostPauses
    videos: port.Videos
    check: Callable[[], Awaitable[None]]
    """Raise VolumeRefused, with a sentence, when it cannot be read just now."""
    identity: Callable[[], str] = str
    """Which volume it is, wherever it is mounted; empty: nobody knows yet."""
    live: LiveVolume | None = None


@dataclass(frozen=True, slots=True)
class KeeperVolume:
    """The volume as the enricher has it: to look, to take stock, to check. It writes nothing but uploads to the inbox, and videos, and
    ends pauses of hosts.
    """

    pictures: port.Pictures
    names: port.Names
    inventory: Inventory
    integrity: Integrity
    inbox: port.Inbox
    hosts: port.HostPauses
    videos: port.VideoFiles
    identity: Callable[[], str] = str
    live: LiveVolume | None = None


@dataclass(frozen=True, slots=True)
class WriteVolume:
    """The volume as the fetcher has it: to write. Whoever copies all of it needs the videos, too."""

    pictures: port.PictureStore
    names: port.NameStore
    pins: port.Pins
    inbox: port.Inbox
    hosts: port.HostPauses
    videos: port.VideoFiles
    mending: Mending
    sweep: Callable[[], Awaitable[int]]
    """Remove what was put aside and left there, and what is over; return how many. Raise OSError."""
    shown: Callable[[], AsyncIterator[tuple[Name, PictureId]]]
    """All names that show something, for whoever copies them."""
    drafts: port.LocalDirectory
    """Where all drafts lie."""
    files: tuple[port.LocalDirectory, ...]
    """Where the files lie that drafts do not bring to themselves, but say where they are."""
    identity: Callable[[], str] = str
    live: LiveVolume | None = None


def _opened(
    settings: VolumeSettings, beside: LiveVolume | None = None, *, on_step: port.OnStep = port.unwatched
) -> "ObjectVolume | None":
    """None where the volume is files, which need none of this."""
    if settings.objects is None:
        return None
    from shared.volume.objects.opening import ObjectVolume  # noqa: PLC0415 - 40 MB that no other volume needs

    if beside and isinstance(beside.opened, ObjectVolume):
        return beside.opened
    return ObjectVolume(settings, on_step=on_step)


def volume_to_read(settings: VolumeSettings, *, beside: LiveVolume | None = None) -> ReadVolume:
    """Raise VolumeRefused, as the other two do, for a volume that cannot be used; this one also does with less. `beside`: of another
    view in this process.
    """
    if objects := _opened(settings, beside):
        return objects.to_read()
    layout = Layout(settings.root)
    layout.prepare_to_read()

    async def check() -> None:
        layout.check_readable()

    return ReadVolume(
        pictures=LocalPictures(layout),
        names=LocalNames(layout),
        hosts=LocalHostPauses(layout),
        videos=LocalVideos(layout),
        check=check,
        identity=layout.identity,
    )


def volume_to_keep(settings: VolumeSettings, *, beside: LiveVolume | None = None) -> KeeperVolume:
    if objects := _opened(settings, beside):
        return objects.to_keep()
    layout = prepared_layout(settings)
    return KeeperVolume(
        pictures=LocalPictures(layout),
        names=LocalNames(layout),
        inventory=LocalInventory(layout),
        integrity=LocalIntegrity(layout),
        inbox=LocalInbox(layout),
        hosts=LocalHostPauses(layout),
        videos=LocalVideos(layout),
        identity=layout.identity,
    )


@contextmanager
def volume_to_write(
    settings: VolumeSettings, *, on_step: port.OnStep = port.unwatched
) -> Iterator[WriteVolume]:
    if objects := _opened(settings, on_step=on_step):
        try:
            yield objects.to_write()
        finally:
            objects.close()
        return
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
            videos=LocalVideos(layout),
            mending=LocalIntegrity(layout),
            identity=layout.identity,
            sweep=sweep_once,
            shown=LocalArchive(layout).shown,
            drafts=port.LocalDirectory(layout.scratch.absolute()),
            files=tuple(port.LocalDirectory((layout.root / tree).absolute()) for tree in Tree),
        )
    finally:
        store.close()


def volume_to_archive(settings: VolumeSettings) -> LocalArchive:
    """To copy what is kept, or to put it back. Raise VolumeRefused for what are no files, or directories that cannot be used."""
    if settings.objects:
        raise VolumeRefused(
            f"VOLUME_URL: what lies in {settings.url} is not put into a backup: copy it with `onesheet volume copy`, or by the"
            " store's own means."
        )
    return LocalArchive(prepared_layout(settings))


def volume_identity(settings: VolumeSettings) -> str:
    """Which volume of files it is, without touching it; empty where none is."""
    return Layout(settings.root).identity()
