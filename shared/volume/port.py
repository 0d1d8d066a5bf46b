"""The ports to the shared volume: pictures and names, to read and to write, pins, uploads, pauses of hosts.

Nothing here promises a file system, but for `LocalFile`, which says so: a pointer can be a small object, a draft is
scratch space of the process that fills it, and what is committed is whole or not there.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NewType, Protocol

from shared.pictures import Failure, Manifest, Name, PictureId, Rendition, RevisionId, State, Tree
from shared.pictures.paths import file_names, is_original, is_spool
from shared.pictures.public_paths import video_path
from shared.volume.inventory import Space


class VolumeError(Exception):
    """What was to be written could not be written.

    VolumeError
    ├── Locked        somebody else works on this picture
    ├── Superseded    the pointer no longer names the revision that the work started from
    └── RevisionGone  the revision was removed meanwhile
    """


class Locked(VolumeError):
    pass


class Superseded(VolumeError):
    pass


class RevisionGone(VolumeError):
    pass


class VolumeAway(OSError):
    """The volume cannot be reached just now: whether something is stored is not known."""


class Content(Protocol):
    """The bytes of a stored file, wherever they lie. Both raise FileNotFoundError when the file vanished, or became
    another, since it was found: bytes of another file never go out under its tag.
    """

    async def whole(self) -> bytes:
        """All of it, for a file that is small."""

    def part(self, first: int, length: int) -> AsyncIterator[bytes]:
        """In pieces, one at least."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """`Content` in a local file, with what only such a one can do: be sent by the kernel or nginx, be checked by one call."""

    path: str
    inside: str
    """The same, below the root that nginx knows as well."""
    identity: tuple[int, int, int]
    """Inode, modification time in nanoseconds, size: changes whenever the file does."""
    passed: tuple[str, ...] = ()
    """Where a preferred one was looked for first, and was not there."""
    still: Callable[[], bool] | None = None
    """Of a copy, whether what it is a copy of may still be shown, as far as is known without waiting."""

    async def whole(self) -> bytes:
        with self.opened() as opened:
            return opened.read()

    async def part(self, first: int, length: int) -> AsyncIterator[bytes]:
        with self.opened() as opened:
            opened.seek(first)
            yield opened.read(length)

    def opened(self) -> BinaryIO:
        """Raise FileNotFoundError when another file lies there than the one that was found: its tag would be a lie."""
        opened = open(self.path, "rb")  # noqa: PTH123, SIM115 - the caller closes it; a Path would cost more
        if _identity(os.fstat(opened.fileno())) != self.identity:
            opened.close()
            raise FileNotFoundError(self.path)
        return opened

    def is_there(self) -> bool:
        """Whether it is what it was. One system call, and nothing else: this is asked for each hot answer."""
        try:
            return _identity(os.stat(self.path)) == self.identity  # noqa: PTH116 - a Path would cost more
        except OSError:
            return False

    def is_preferred(self) -> bool:
        """Whether none of those that would come before it has appeared, and a copy is still one of what may be shown."""
        if self.still is not None and not self.still():
            return False
        return not any(os.access(path, os.F_OK) for path in self.passed)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file that can be served: a rendition, or the original."""

    picture: PictureId
    file_name: str
    bytes: int
    modified_s: int
    """Whole seconds since the epoch."""
    content: Content

    @property
    def version(self) -> str:
        """What its entity tag says, without the quotes: as nginx writes it, which serves the same files."""
        return f"{self.modified_s:x}-{self.bytes:x}"

    @property
    def local(self) -> LocalFile | None:
        """None where the bytes do not lie on a local disk."""
        return self.content if isinstance(self.content, LocalFile) else None

    @property
    def is_spooled(self) -> bool:
        """An original too large to keep: there for a moment, for whoever asked."""
        return is_spool(self.file_name)

    @property
    def extension(self) -> str:
        return self.file_name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """A video that can be served. Its bytes never change under its name, which is a UUID."""

    name: str
    size: int
    """In bytes."""
    modified_s: int
    """Whole seconds since the epoch: when it came here."""
    is_private: bool
    """Served by an expiring signed URL only."""
    content: Content
    content_type: str = "video/mp4"

    @property
    def path(self) -> str:
        """Of its URL, not signed yet where it is private."""
        return video_path(self.name)

    @property
    def version(self) -> str:
        """As `StoredFile.version`."""
        return f"{self.modified_s:x}-{self.size:x}"


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_mtime_ns, found.st_size


OnStep = Callable[[str], None]
"""Told the name of a step of a commit or a pin when it has been done, so that tests can stop a process there."""


def unwatched(step: str) -> None:
    """What a running service passes: nobody watches."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A whole revision, as the pointer named it when it was read."""

    picture: PictureId
    id: RevisionId
    tree: Tree
    manifest: Manifest
    files: frozenset[str]

    def holds(self, rendition: Rendition) -> bool:
        return any(name in self.files for name in file_names(rendition))

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """What has been made of the original."""
        return tuple(Rendition.parse(name) for name in sorted(self.files) if not is_original(name))


class Pictures(Protocol):
    """What everybody may do: look."""

    async def find(self, picture: PictureId, renditions: tuple[Rendition, ...]) -> StoredFile | None:
        """The first of the renditions that is stored, in this order; of a large original, what is spooled."""

    async def at(self, picture: PictureId, revision: RevisionId, file_name: str) -> StoredFile | None:
        """A file of this very revision, whatever the pointer names by now."""

    async def current(self, picture: PictureId) -> Revision | None:
        """The revision the pointer names; None where there is none, or none that is whole."""

    async def state(self, picture: PictureId) -> State:
        """An empty state where there is none, or none that can be read."""

    async def ahead(self, pictures: Iterable[PictureId]) -> None:
        """These are about to be looked at, one after the other: where a look is a journey, have many made at once."""

    def pictures(self) -> AsyncIterator[PictureId]:
        """Every picture, or trace of one, on the volume."""


LocalDirectory = NewType("LocalDirectory", Path)
"""On a local disk whatever the volume is made of: renderers are processes that read and write files."""


class Draft(Protocol):
    """Scratch space for one job, which downloads and renders into files. What is left in it is removed with it."""

    @property
    def directory(self) -> LocalDirectory: ...

    async def with_file(self, file: StoredFile) -> Path:
        """A local file with the bytes of a stored one, to be read only: the file itself where it is local already."""

    def finished(self, file: Path) -> None:
        """Begin to bring a file to the volume that will not change any more, while other work goes on."""

    async def settled(self) -> None:
        """Wait for what was begun."""


@dataclass(frozen=True, slots=True)
class NewRevision:
    """What is to be a picture's first revision, once it is committed."""

    picture: PictureId
    revision: RevisionId
    draft: Draft
    manifest: Manifest
    state: State


async def commit_each(
    store: "PictureStore", new: Sequence[NewRevision]
) -> Sequence[Revision | VolumeError | OSError]:
    """`commit_all` of a store where commits have nothing to share."""

    async def one(made: NewRevision) -> Revision | VolumeError | OSError:
        try:
            return await store.commit(
                made.picture, made.revision, made.draft, made.manifest, made.state, expected=None
            )
        except (VolumeError, OSError) as error:
            return error

    return await asyncio.gather(*map(one, new))


class PictureStore(Pictures, Protocol):
    """What the fetcher alone may do: write."""

    def lock(self, picture: PictureId, *, insist: bool = False) -> AbstractAsyncContextManager[None]:
        """Hold the picture, cluster-wide; in one process, wait for whoever holds it.

        Raise Locked when another process has it; with `insist`, go on without it. The lock only prevents
        waste: `commit` stays right when two hold it.
        """

    def lock_all(
        self, pictures: Collection[PictureId], *, insist: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """Hold several at once. Raise Locked when anybody has one of them, in this process or another: who holds some waits
        for none.
        """

    def draft(self) -> AbstractAsyncContextManager[Draft]: ...

    async def commit(
        self,
        picture: PictureId,
        revision: RevisionId,
        draft: Draft,
        manifest: Manifest,
        state: State,
        *,
        expected: RevisionId | None,
        into: Tree = Tree.CACHE,
        shows: Name | None = None,
    ) -> Revision:
        """Make the draft's files a revision and switch the pointer to it, durably, then replace the state.

        `into`: where the picture goes if it is not in `keep` already, where it stays. Raise Superseded when
        the pointer does not name `expected` any more. The revision before stays for whoever still reads it;
        older ones go. `shows`: the name it was fetched for, which a store of objects notes beside the bytes; files are pointed at
        with what is flushed last, unless another picture is pinned to it.
        """

    async def commit_all(self, new: Sequence[NewRevision]) -> Sequence[Revision | VolumeError | OSError]:
        """The same of pictures of which nothing is stored yet, with as few flushes as they can share. What becomes of each."""

    async def add(self, revision: Revision, files: Sequence[Path]) -> None:
        """Add renditions, each whole and durable, taking the files away from the draft. Needs no lock.

        It goes where the revision is served from by now. Raise RevisionGone when the revision was removed.
        """

    async def drop_spool(self, picture: PictureId, revision: RevisionId) -> None:
        """Remove the spooled original of a revision, where there is one."""

    async def put_state(self, picture: PictureId, state: State) -> None: ...

    async def remove(self, picture: PictureId) -> bool:
        """Take the picture, with all that is remembered of it, out of sight at once; False: nothing there."""

    async def evict(
        self, picture: PictureId, revision: RevisionId | None, fetched_at: datetime | None
    ) -> bool:
        """Remove what `cache` has of the picture, where that is still this revision, fetched then. To be called under
        the picture's lock. False: there is another by now, or nothing.
        """

    async def space(self) -> Space: ...


class Names(Protocol):
    """What pictures show."""

    async def picture(self, name: Name) -> PictureId | None:
        """The picture that the name points at, stored or not: it may have been evicted, or be in either tree."""

    async def failure(self, name: Name) -> Failure | None:
        """Why no picture was found the last time, over or not. It counts only where the name shows nothing."""


class NameStore(Names, Protocol):
    """What the fetcher alone may do with names. Each change is seen whole or not at all, and is durable."""

    async def point(self, name: Name, picture: PictureId) -> None:
        """Forgets the failure."""

    async def refuse(self, name: Name, failure: Failure) -> None:
        """Remember the failure, in the place of the last one. What the name points at stays."""

    async def remove(self, name: Name) -> None:
        """With its failure."""


class Pins(Protocol):
    """Who wants which picture kept. Changed under the picture's lock only."""

    async def pin(self, picture: PictureId, name: Name) -> bool:
        """Have the picture in `keep`, for this name as for others; False: there is none.

        It is served without a gap. What `cache` has of it stays until the next revision.
        """

    async def unpin(self, picture: PictureId, name: Name) -> bool:
        """End that; False: the name had not pinned it.

        Without any pin the picture moves back to `cache`, in the place of what is there; an upload stays in
        `keep`, for nobody could fetch it again.
        """

    async def holds(self, picture: PictureId, name: Name) -> bool:
        """Whether the name has pinned this picture."""

    async def names(self, picture: PictureId) -> frozenset[Name]:
        """All that have."""


class Inbox(Protocol):
    """Uploads on their way from the enricher to the fetcher. What nobody takes is swept after a day."""

    async def put(self, body: bytes) -> str:
        """Return the id that the bytes have there, 32 hex digits, once they are durable."""

    async def put_all(self, bodies: Iterable[bytes]) -> Sequence[str]:
        """The same of several, each of which is asked for, in a thread, when the one before has been written."""

    async def copy(self, inbox_id: str, into: Path) -> bool:
        """False: they are not there any more."""

    async def copy_all(self, wanted: Mapping[str, Path]) -> Collection[str]:
        """The same of several, by their ids; of which it is true."""

    async def remove(self, inbox_id: str) -> None: ...


class Videos(Protocol):
    """Raises ValueError for what is no video's name, and OSError where the volume cannot be read."""

    async def find(self, name: str) -> StoredVideo | None: ...


class VideoFiles(Videos, Protocol):
    """What the enricher alone may do, to which services hand them over."""

    def draft(self) -> Path:
        """Where one may be written that is on its way. What is left there is swept a quarter of an hour after its last change."""

    async def put(self, name: str, draft: Path, *, is_private: bool) -> StoredVideo:
        """Take the draft for the video of this name: whole or not at all, and durable once this returns."""

    async def remove(self, name: str) -> bool:
        """False: there was none."""

    async def all(self) -> Sequence[StoredVideo]:
        """The oldest first."""


@dataclass(frozen=True, slots=True)
class HostPause:
    """Nobody asks the host for anything before `until`; then one tries, for all, and the others follow."""

    until: datetime
    in_a_row: int = 0
    """How many pauses before this one brought nothing."""
    failing: bool = False
    """It keeps failing, and may be tried before; else it has asked to be left alone."""


class HostPauses(Protocol):
    """Which hosts nobody asks for anything just now; every fetcher sees what one was told."""

    async def pause_of(self, authority: str) -> HostPause | None:
        """The last pause, over or not, until it is forgotten. None: the host is as good as any."""

    async def all(self) -> Mapping[str, HostPause]:
        """By host, with those that are over and not yet forgotten."""

    async def pause(self, authority: str, pause: HostPause) -> None: ...

    async def forget(self, authority: str) -> None: ...
