"""Pictures on a local volume, written by the fetcher."""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from shared.pictures import Manifest, Name, PictureId, RevisionId, State, Tree
from shared.pictures.manifest import STATE
from shared.pictures.paths import is_spool
from shared.volume import port
from shared.volume.inventory import Space
from shared.volume.local.commit import Commit, committed_together
from shared.volume.local.durable import (
    FileState,
    Flusher,
    add_sums,
    flush,
    make_directories,
    replace_text,
    state_of,
)
from shared.volume.local.inventory import space_at
from shared.volume.local.layout import Layout
from shared.volume.local.names import LocalNameStore
from shared.volume.local.picture_locks import PictureLocks
from shared.volume.local.pictures import LocalPictures, read_manifest, renditions_in, whole_pointer

P = ParamSpec("P")
T = TypeVar("T")

WRITING_THREADS = 8


class LocalDraft:
    """`Draft` in a directory on the volume, so that committing is renaming."""

    def __init__(self, directory: Path, threads: ThreadPoolExecutor) -> None:
        self.directory = port.LocalDirectory(directory)
        self._threads = threads
        self._flushing: list[asyncio.Future[None]] = []
        self.flushed: set[FileState] = set()
        """What is on the disk already, whatever it is called by now."""

    def finished(self, file: Path) -> None:
        loop = asyncio.get_running_loop()
        self._flushing.append(loop.run_in_executor(self._threads, self._flush, file))

    def _flush(self, file: Path) -> None:
        before = state_of(file)
        flush(file)
        self.flushed.add(before)

    async def with_file(self, file: port.StoredFile) -> Path:
        if not isinstance(file.content, port.LocalFile):
            raise TypeError("a file of another volume")
        return Path(file.content.path)

    async def settled(self) -> None:
        """Wait for what is under way; what went wrong with it shows when the commit flushes again."""
        await asyncio.gather(*self._flushing, return_exceptions=True)


def _clear_away(draft: Path) -> None:
    """Mostly all of it is where it belongs by now: then it is gone, or empty."""
    try:
        draft.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)


class LocalPictureStore(LocalPictures):
    """`PictureStore` below one directory. What waits for the disk runs in threads of its own."""

    def __init__(self, layout: Layout, *, on_step: port.OnStep = port.unwatched) -> None:
        super().__init__(layout)
        self._locks = PictureLocks(layout.locks)
        self._names = LocalNameStore(layout)
        self._on_step = on_step
        self._threads = ThreadPoolExecutor(WRITING_THREADS, thread_name_prefix="volume")
        self._flusher = Flusher()

    def lock(self, picture: PictureId, *, insist: bool = False) -> AbstractAsyncContextManager[None]:
        return self._locks.hold(picture, insist=insist)

    def lock_all(
        self, pictures: Collection[PictureId], *, insist: bool = False
    ) -> AbstractAsyncContextManager[None]:
        return self._locks.hold_all(pictures, insist=insist)

    @asynccontextmanager
    async def draft(self) -> AsyncIterator[LocalDraft]:
        directory = self._layout.scratch / uuid.uuid4().hex
        directory.mkdir()
        draft = LocalDraft(directory, self._threads)
        try:
            yield draft
        finally:
            await draft.settled()
            _clear_away(directory)

    async def commit(
        self,
        picture: PictureId,
        revision: RevisionId,
        draft: port.Draft,
        manifest: Manifest,
        state: State,
        *,
        expected: RevisionId | None,
        into: Tree = Tree.CACHE,
        shows: Name | None = None,
    ) -> port.Revision:
        await draft.settled()
        with_it: Callable[[], Sequence[Path]] = tuple
        if shows and into is Tree.CACHE:  # what is kept is pinned to its names, which then show it
            with_it = partial(self._names.put_unless_pinned, shows, picture)
        commit = self._commit(picture, revision, into, with_it)
        return await self._changing(
            picture, commit.run, draft.directory, manifest, state, expected, flushed=_flushed(draft)
        )

    async def commit_all(
        self, new: Sequence[port.NewRevision]
    ) -> Sequence[port.Revision | port.VolumeError | OSError]:
        for one in new:
            await one.draft.settled()

        def committed() -> Sequence[port.Revision | port.VolumeError | OSError]:
            try:
                return committed_together(
                    [
                        self._commit(one.picture, one.revision, Tree.CACHE).steps(
                            one.draft.directory, one.manifest, one.state, None, flushed=_flushed(one.draft)
                        )
                        for one in new
                    ],
                    self._flusher,
                )
            finally:
                for one in new:
                    self._layout.tell_of_change(one.picture)

        return await self._in_thread(committed)

    def _commit(
        self,
        picture: PictureId,
        revision: RevisionId,
        into: Tree,
        with_it: Callable[[], Sequence[Path]] = tuple,
    ) -> Commit:
        return Commit(
            self._layout,
            picture,
            revision,
            into=into,
            flusher=self._flusher,
            on_step=self._on_step,
            with_it=with_it,
        )

    async def add(self, revision: port.Revision, files: Sequence[Path]) -> None:
        await self._changing(revision.picture, self._add, revision, files)

    def _add(self, revision: port.Revision, files: Sequence[Path]) -> None:
        self._flusher.flush_all(files)
        for tree in Tree:  # the one that serves comes first
            directory = self._layout.picture(tree, revision.picture) / revision.id
            with suppress(FileNotFoundError):
                add_sums(directory, files)
                for file in files:
                    file.rename(directory / file.name)
                flush(directory)
                return
        raise port.RevisionGone("the revision was removed meanwhile")

    async def drop_spool(self, picture: PictureId, revision: RevisionId) -> None:
        for tree in Tree:
            directory = self._layout.picture(tree, picture) / revision
            for name in renditions_in(directory):
                if is_spool(name):
                    (directory / name).unlink(missing_ok=True)
        self._layout.tell_of_change(picture)

    async def put_state(self, picture: PictureId, state: State) -> None:
        await self._changing(picture, self._put_state, picture, state)

    def _put_state(self, picture: PictureId, state: State) -> None:
        keep, cache = (self._layout.picture(tree, picture) for tree in (Tree.KEEP, Tree.CACHE))
        directory = keep if keep.is_dir() else cache
        unflushed = make_directories(directory)
        replace_text(directory / STATE, state.model_dump_json(), aside=self._layout.scratch)
        for parent in unflushed:
            flush(parent)

    async def remove(self, picture: PictureId) -> bool:
        return await self._in_thread(self._remove, picture)

    def _remove(self, picture: PictureId) -> bool:
        removed = False
        for tree in Tree:
            directory = self._layout.picture(tree, picture)
            try:
                directory.rename(self._layout.new_trash())
            except FileNotFoundError:
                continue
            flush(directory.parent)
            removed = True
        return removed

    async def evict(
        self, picture: PictureId, revision: RevisionId | None, fetched_at: datetime | None
    ) -> bool:
        return await self._in_thread(self._evict, picture, revision, fetched_at)

    def _evict(self, picture: PictureId, revision: RevisionId | None, fetched_at: datetime | None) -> bool:
        """Not flushed: what a power cut brings back is evicted another time."""
        directory = self._layout.picture(Tree.CACHE, picture)
        there = whole_pointer(directory)
        manifest = read_manifest(directory / there) if there else None
        if (there, manifest and manifest.fetched_at) != (revision, fetched_at):
            return False
        trash = self._layout.new_trash()
        try:
            directory.rename(trash)
        except FileNotFoundError:
            return False
        with suppress(
            OSError
        ):  # another lies beside it; who is about to commit one there holds this very lock
            directory.parent.rmdir()
        shutil.rmtree(trash, ignore_errors=True)  # at once, for it is about the room
        return True

    async def space(self) -> Space:
        return space_at(self._layout.root)

    async def _changing(
        self, picture: PictureId, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        def told() -> T:
            try:
                return work(*args, **kwargs)
            finally:
                self._layout.tell_of_change(picture)

        return await self._in_thread(told)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self._flusher.close()


def _flushed(draft: port.Draft) -> set[FileState]:
    return draft.flushed if isinstance(draft, LocalDraft) else set()
