"""A volume without a file system: what the ports promise, in dictionaries. Drafts alone lie on a disk, as everywhere."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from shared.locks import KeyedLock
from shared.pictures import (
    ORIGINAL,
    Failure,
    Manifest,
    Name,
    PictureId,
    Rendition,
    RevisionId,
    State,
    Tree,
)
from shared.pictures.paths import file_names, is_spool, spool_name
from shared.volume import (
    Draft,
    HostPause,
    Locked,
    Mending,
    NewRevision,
    ReadVolume,
    Revision,
    RevisionGone,
    Space,
    StoredFile,
    Superseded,
    VideoFiles,
    WriteVolume,
)
from shared.volume.port import LocalDirectory, VolumeError, commit_each

MODIFIED_S = 1_795_000_000
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Bytes:
    """`Content` that no system call can send."""

    body: bytes

    async def whole(self) -> bytes:
        return self.body

    async def part(self, first: int, length: int) -> AsyncIterator[bytes]:
        for begin in range(first, first + length, PIECE_BYTES):
            yield self.body[begin : min(begin + PIECE_BYTES, first + length)]


@dataclass
class Made:
    """A revision. No manifest: it cannot be read."""

    manifest: Manifest | None
    files: dict[str, bytes]


@dataclass
class Held:
    """All of a picture in one tree. No state: none, or none that can be read."""

    pointer: RevisionId | None = None
    revisions: dict[RevisionId, Made] = field(default_factory=dict)
    state: State | None = None
    pins: frozenset[Name] = frozenset()

    @property
    def pointed(self) -> Made | None:
        made = self.revisions.get(self.pointer) if self.pointer else None
        return made if made and made.manifest else None


@dataclass
class MemoryDraft:
    directory: LocalDirectory

    def finished(self, file: Path) -> None: ...

    async def settled(self) -> None: ...

    async def with_file(self, file: StoredFile) -> Path:
        local = self.directory / f"stored.{file.extension}"
        local.write_bytes(await file.content.whole())
        return local


class MemoryPictures:
    def __init__(self) -> None:
        self.held: dict[tuple[Tree, PictureId], Held] = {}
        self._locks = KeyedLock()

    def _trees(self, picture: PictureId) -> list[tuple[Tree, Held]]:
        return [(tree, self.held[tree, picture]) for tree in Tree if (tree, picture) in self.held]

    async def find(self, picture: PictureId, renditions: tuple[Rendition, ...]) -> StoredFile | None:
        names = [name for rendition in renditions for name in file_names(rendition)]
        if ORIGINAL in renditions:
            names += [spool_name(name) for name in file_names(ORIGINAL)]
        for _, held in self._trees(picture):
            for name in names:
                if held.pointer and (found := await self.at(picture, held.pointer, name)):
                    return found
        return None

    async def at(self, picture: PictureId, revision: RevisionId, file_name: str) -> StoredFile | None:
        for _, held in self._trees(picture):
            made = held.revisions.get(revision)
            if made and (body := made.files.get(file_name)):
                return StoredFile(picture, file_name, len(body), MODIFIED_S, Bytes(body))
        return None

    async def current(self, picture: PictureId) -> Revision | None:
        for tree, held in self._trees(picture):
            if (made := held.pointed) and made.manifest and held.pointer:
                return Revision(picture, held.pointer, tree, made.manifest, frozenset(made.files))
        return None

    async def state(self, picture: PictureId) -> State:
        return next((held.state for _, held in self._trees(picture) if held.state), State())

    async def ahead(self, pictures: Iterable[PictureId]) -> None: ...

    async def pictures(self) -> AsyncIterator[PictureId]:
        for picture in sorted({picture for _, picture in self.held}):
            yield picture

    def lock(self, picture: PictureId, *, insist: bool = False) -> AbstractAsyncContextManager[None]:
        return self._locks.hold(picture)

    @asynccontextmanager
    async def lock_all(self, pictures: Collection[PictureId], *, insist: bool = False) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            for picture in pictures:
                if self._locks.is_wanted(picture) and not insist:
                    raise Locked("somebody else works on one of these pictures")
                await held.enter_async_context(self._locks.hold(picture))
            yield

    @asynccontextmanager
    async def draft(self) -> AsyncIterator[Draft]:
        with tempfile.TemporaryDirectory() as directory:
            yield MemoryDraft(LocalDirectory(Path(directory)))

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
        kept = self.held.get((Tree.KEEP, picture))
        tree = Tree.KEEP if kept and kept.pointed else into
        held = self.held.setdefault((tree, picture), Held())
        if held.pointed and held.pointer not in (expected, revision):
            raise Superseded("the pointer was switched to another revision meanwhile")
        files = {file.name: file.read_bytes() for file in draft.directory.iterdir()}
        before = held.revisions.get(revision)
        if before and before.manifest:
            manifest, files = before.manifest, {**files, **before.files}
        stay = {one: made for one, made in held.revisions.items() if one == expected}
        held.revisions = {**stay, revision: Made(manifest, files)}
        held.pointer, held.state = revision, state
        if tree is Tree.KEEP:
            self.held.pop((Tree.CACHE, picture), None)
        return Revision(picture, revision, tree, manifest, frozenset(files))

    async def commit_all(self, new: Sequence[NewRevision]) -> Sequence[Revision | VolumeError | OSError]:
        return await commit_each(self, new)

    async def add(self, revision: Revision, files: Sequence[Path]) -> None:
        for _, held in self._trees(revision.picture):
            if made := held.revisions.get(revision.id):
                for file in files:
                    made.files[file.name] = await asyncio.to_thread(file.read_bytes)
                    await asyncio.to_thread(file.unlink)
                return
        raise RevisionGone("the revision was removed meanwhile")

    async def drop_spool(self, picture: PictureId, revision: RevisionId) -> None:
        for _, held in self._trees(picture):
            if made := held.revisions.get(revision):
                made.files = {name: body for name, body in made.files.items() if not is_spool(name)}

    async def put_state(self, picture: PictureId, state: State) -> None:
        kept = (Tree.KEEP, picture) in self.held
        self.held.setdefault((Tree.KEEP if kept else Tree.CACHE, picture), Held()).state = state

    async def remove(self, picture: PictureId) -> bool:
        removed = [self.held.pop((tree, picture), None) for tree in Tree]
        return any(removed)

    async def evict(
        self, picture: PictureId, revision: RevisionId | None, fetched_at: datetime | None
    ) -> bool:
        held = self.held.get((Tree.CACHE, picture), Held())
        made = held.pointed
        there = (held.pointer, made.manifest.fetched_at) if made and made.manifest else (None, None)
        return there == (revision, fetched_at) and self.held.pop((Tree.CACHE, picture), None) is not None

    async def space(self) -> Space:
        return Space(2**40, None)


class MemoryNames:
    def __init__(self) -> None:
        self.shown: dict[Name, PictureId] = {}
        self.failures: dict[Name, Failure] = {}

    async def picture(self, name: Name) -> PictureId | None:
        return self.shown.get(name)

    async def failure(self, name: Name) -> Failure | None:
        return self.failures.get(name)

    async def all_shown(self) -> AsyncIterator[tuple[Name, PictureId]]:
        for name, picture in self.shown.items():
            yield name, picture

    async def point(self, name: Name, picture: PictureId) -> None:
        self.shown[name] = picture
        self.failures.pop(name, None)

    async def refuse(self, name: Name, failure: Failure) -> None:
        self.failures[name] = failure

    async def remove(self, name: Name) -> None:
        self.shown.pop(name, None)
        self.failures.pop(name, None)


class MemoryPins:
    def __init__(self, pictures: MemoryPictures) -> None:
        self._held = pictures.held

    async def names(self, picture: PictureId) -> frozenset[Name]:
        return self._held.get((Tree.KEEP, picture), Held()).pins

    async def holds(self, picture: PictureId, name: Name) -> bool:
        return name in await self.names(picture)

    async def pin(self, picture: PictureId, name: Name) -> bool:
        kept = self._held.get((Tree.KEEP, picture))
        if not (kept and kept.pointed):
            cached = self._held.get((Tree.CACHE, picture), Held())
            if not (cached.pointed and cached.pointer):
                return False
            files = {file: body for file, body in cached.pointed.files.items() if not is_spool(file)}
            copy = {cached.pointer: Made(cached.pointed.manifest, files)}
            kept = self._held[Tree.KEEP, picture] = Held(cached.pointer, copy, cached.state)
        kept.pins |= {name}
        return True

    async def unpin(self, picture: PictureId, name: Name) -> bool:
        if not await self.holds(picture, name):
            return False
        kept = self._held[Tree.KEEP, picture]
        kept.pins -= {name}
        source = kept.pointed.manifest.source_url if kept.pointed and kept.pointed.manifest else ""
        if not kept.pins and not source.startswith("upload:"):
            self._held[Tree.CACHE, picture] = self._held.pop((Tree.KEEP, picture))
        return True


class MemoryInbox:
    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}

    async def put(self, body: bytes) -> str:
        inbox_id = uuid.uuid4().hex
        self._bodies[inbox_id] = body
        return inbox_id

    async def put_all(self, bodies: Iterable[bytes]) -> Sequence[str]:
        return [await self.put(body) for body in bodies]

    async def copy(self, inbox_id: str, into: Path) -> bool:
        body = self._bodies.get(uuid.UUID(inbox_id).hex)
        if body is not None:
            await asyncio.to_thread(into.write_bytes, body)
        return body is not None

    async def copy_all(self, wanted: Mapping[str, Path]) -> Collection[str]:
        return [inbox_id for inbox_id, into in wanted.items() if await self.copy(inbox_id, into)]

    async def remove(self, inbox_id: str) -> None:
        self._bodies.pop(uuid.UUID(inbox_id).hex, None)


class MemoryHostPauses:
    def __init__(self) -> None:
        self._pauses: dict[str, HostPause] = {}

    async def pause_of(self, authority: str) -> HostPause | None:
        return self._pauses.get(authority)

    async def all(self) -> Mapping[str, HostPause]:
        return dict(self._pauses)

    async def pause(self, authority: str, pause: HostPause) -> None:
        self._pauses[authority] = pause

    async def forget(self, authority: str) -> None:
        self._pauses.pop(authority, None)


def memory_volume() -> tuple[WriteVolume, ReadVolume]:
    """Two views of one volume, without what mends it: its bytes do not go bad."""
    pictures, names, hosts = MemoryPictures(), MemoryNames(), MemoryHostPauses()

    async def sweep() -> int:
        return 0

    async def check() -> None: ...

    write = WriteVolume(
        pictures=pictures,
        names=names,
        pins=MemoryPins(pictures),
        inbox=MemoryInbox(),
        hosts=hosts,
        videos=cast(VideoFiles, None),
        mending=cast(Mending, None),
        sweep=sweep,
        shown=names.all_shown,
        drafts=LocalDirectory(Path(tempfile.gettempdir())),
        files=(),
    )
    return write, ReadVolume(pictures, names, hosts, videos=cast(VideoFiles, None), check=check)
