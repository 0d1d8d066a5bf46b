"""Pictures in a store, written by the fetcher: their files first, all at once, and then the record, on a condition."""

import asyncio
import hashlib
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared.pictures import (
    Manifest,
    Name,
    PictureId,
    Rendition,
    RevisionId,
    State,
    Tree,
    Upload,
    media_type_of,
)
from shared.pictures.paths import is_spool
from shared.volume import port
from shared.volume.inventory import Space
from shared.volume.objects.cached_files import CachedFiles
from shared.volume.objects.client import MODIFIED, ConditionLost, ObjectClient
from shared.volume.objects.leases import Leases
from shared.volume.objects.pictures import ObjectContent, ObjectPictures, revision_of
from shared.volume.objects.records import (
    FileEntry,
    PictureRecord,
    PictureRecords,
    RevisionEntry,
    file_key,
    keys_of,
)

ENDLESS = Space(2**60, None)
"""A store has no end; what it costs is the budget's to bound."""

KNOWN_UNDER_LOCK_S = 1.0
"""Whoever has the lock reads anew what it read longer ago: somebody else may have had the lock meanwhile."""

SENT_AT_ONCE = 8


class ObjectStep(StrEnum):
    """Named, so that tests can stop or kill a process at each of them."""

    FILES_WRITTEN = "files written"
    RECORD_COMPARED = "record compared"
    RECORD_WRITTEN = "record written"
    FILES_LOOKED_AT = "files looked at"
    OLDER_REMOVED = "older removed"


@dataclass
class ObjectDraft:
    """`Draft` in a directory of this machine; its files are sent when they are committed."""

    directory: port.LocalDirectory

    def finished(self, file: Path) -> None:
        """Under which name it will be committed, and whether at all, is not known yet."""

    async def settled(self) -> None: ...

    async def with_file(self, file: port.StoredFile) -> Path:
        if file.local:
            return Path(file.local.path)
        local = self.directory / f"stored.{file.extension}"
        body = await file.content.whole()
        await asyncio.to_thread(local.write_bytes, body)
        return local


class ObjectPictureStore(ObjectPictures):
    """`PictureStore` in a bucket."""

    def __init__(
        self,
        client: ObjectClient,
        records: PictureRecords,
        *,
        drafts: Path,
        on_step: port.OnStep = port.unwatched,
    ) -> None:
        super().__init__(client, records)
        self._leases = Leases(client)
        self._drafts = drafts
        self.files: CachedFiles | None = None
        """What a proxy of this process has on its disk, which gets what is committed without asking for it."""
        self._at = on_step
        self._sending = asyncio.Semaphore(SENT_AT_ONCE)
        self._aside: dict[PictureId, asyncio.Task[None]] = {}

    async def find(self, picture: PictureId, renditions: tuple[Rendition, ...]) -> port.StoredFile | None:
        found = await super().find(picture, renditions)
        return found if found and await self._is_there(found) else None

    async def at(self, picture: PictureId, revision: RevisionId, file_name: str) -> port.StoredFile | None:
        found = await super().at(picture, revision, file_name)
        return found if found and await self._is_there(found) else None

    async def _is_there(self, found: port.StoredFile) -> bool:
        """What somebody else has removed from the bucket is taken out of the record, to be made or fetched again."""
        assert isinstance(found.content, ObjectContent)
        key = found.content.key
        if (self.files and self.files.holds(key)) or await self._client.is_there(key):
            return True
        await drop_files(self._records, found.picture, {key})
        return False

    @asynccontextmanager
    async def lock(self, picture: PictureId, *, insist: bool = False) -> AsyncIterator[None]:
        async with self._leases.hold(f"locks/{picture}", insist=insist) as lease:
            self._records.forget_older(picture, KNOWN_UNDER_LOCK_S)
            try:
                yield
            finally:
                lease.first = self._aside.get(picture)

    @asynccontextmanager
    async def lock_all(self, pictures: Collection[PictureId], *, insist: bool = False) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            for picture in sorted(set(pictures)):
                if not self._leases.is_held(f"locks/{picture}"):
                    await held.enter_async_context(self.lock(picture, insist=insist))
                elif not insist:
                    raise port.Locked("somebody else works on one of these pictures")
            yield

    @asynccontextmanager
    async def draft(self) -> AsyncIterator[ObjectDraft]:
        directory = self._drafts / uuid.uuid4().hex
        directory.mkdir(parents=True)
        try:
            yield ObjectDraft(port.LocalDirectory(directory))
        finally:
            shutil.rmtree(directory, ignore_errors=True)

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
        files = sorted(file for file in draft.directory.iterdir() if file.is_file())
        metadata = _metadata(manifest, shows)
        sent = await self._send_all(picture, revision, files, metadata)
        self._at(ObjectStep.FILES_WRITTEN)
        entries = {file.name: entry for file, (entry, _) in zip(files, sent, strict=True)}
        older: list[str] = []

        def committed(record: PictureRecord) -> PictureRecord:
            older.clear()
            found = record.current
            if (found.id if found else None) not in (expected, revision):
                raise port.Superseded("the pointer was switched to another revision meanwhile")
            known = record.entry(revision)
            made = RevisionEntry(
                id=revision,
                manifest=known.manifest if known else manifest,
                files={**entries, **(known.files if known else {})},
            )
            before = found if found and found.id != revision else record.before
            if before and before.id == revision:
                before = None
            if record.before and record.before != before and record.before.id != revision:
                older.extend(keys_of(picture, record.before))
            is_kept = found is not None and record.tree is Tree.KEEP
            self._at(ObjectStep.RECORD_COMPARED)
            return record.model_copy(
                update={
                    "current": made,
                    "before": before,
                    "tree": Tree.KEEP if is_kept else into,
                    "state": state,
                }
            )

        record = await self._records.change(picture, committed)
        self._at(ObjectStep.RECORD_WRITTEN)
        await self._look_after(picture, revision, files, [was_there for _, was_there in sent], metadata)
        if older:
            self._beside(picture, self._remove(older))
        made = revision_of(picture, record)
        assert made
        return made

    async def commit_all(
        self, new: Sequence[port.NewRevision]
    ) -> Sequence[port.Revision | port.VolumeError | OSError]:
        return await port.commit_each(self, new)

    async def add(self, revision: port.Revision, files: Sequence[Path]) -> None:
        picture = revision.picture
        if (await self._records.get(picture)).entry(revision.id) is None:
            self._records.forget(picture)
            if (await self._records.get(picture)).entry(revision.id) is None:
                raise port.RevisionGone("the revision was removed meanwhile")
        metadata = _metadata(revision.manifest, None)
        sent = await self._send_all(picture, revision.id, files, metadata)
        self._at(ObjectStep.FILES_WRITTEN)
        entries = {file.name: entry for file, (entry, _) in zip(files, sent, strict=True)}

        def added(record: PictureRecord) -> PictureRecord:
            known = record.entry(revision.id)
            if known is None:
                raise port.RevisionGone("the revision was removed meanwhile")
            more = known.model_copy(update={"files": {**entries, **known.files}})
            which = "current" if record.current is known else "before"
            return record.model_copy(update={which: more})

        try:
            await self._records.change(picture, added)
        except port.RevisionGone:
            await self._client.delete([file_key(picture, revision.id, file.name) for file in files])
            raise
        self._at(ObjectStep.RECORD_WRITTEN)
        await self._look_after(picture, revision.id, files, [was_there for _, was_there in sent], metadata)
        for file in files:
            file.unlink(missing_ok=True)

    async def drop_spool(self, picture: PictureId, revision: RevisionId) -> None:
        entry = (await self._records.get(picture)).entry(revision)
        spooled = {
            file_key(picture, revision, name) for name in (entry.files if entry else ()) if is_spool(name)
        }
        if spooled:
            await drop_files(self._records, picture, spooled)
            await self._client.delete(sorted(spooled))

    async def put_state(self, picture: PictureId, state: State) -> None:
        await self._records.change(picture, lambda record: record.model_copy(update={"state": state}))

    async def remove(self, picture: PictureId) -> bool:
        removed = await self._records.remove(picture)
        self._forget_files(picture)
        return removed is not None

    async def evict(
        self, picture: PictureId, revision: RevisionId | None, fetched_at: datetime | None
    ) -> bool:
        def may(record: PictureRecord) -> bool:
            there = record.current
            found = (there.id, there.manifest.fetched_at) if there else (None, None)
            return record.tree is Tree.CACHE and found == (revision, fetched_at)

        self._records.forget_older(picture, KNOWN_UNDER_LOCK_S)
        removed = await self._records.remove(picture, may)
        if removed:
            self._forget_files(picture)
        return removed is not None

    async def space(self) -> Space:
        return ENDLESS

    async def close(self) -> None:
        """Finish what is under way beside."""
        while self._aside:
            await asyncio.gather(*self._aside.values(), return_exceptions=True)
        await self._leases.settled()

    def close_now(self) -> None:
        self._leases.close()

    async def _send_all(
        self, picture: PictureId, revision: RevisionId, files: Sequence[Path], metadata: dict[str, str]
    ) -> list[tuple[FileEntry, bool]]:
        sending = (self._send(picture, revision, file, metadata) for file in files)
        return await asyncio.gather(*sending)

    async def _send(
        self, picture: PictureId, revision: RevisionId, file: Path, metadata: dict[str, str]
    ) -> tuple[FileEntry, bool]:
        """And whether it was there already, of the same source: then that one stays, whose bytes may be served already."""
        key = file_key(picture, revision, file.name)
        async with self._sending:
            body = await asyncio.to_thread(file.read_bytes)
            modified_s = int(time.time())
            was_there = False
            try:
                await self._create(key, body, {**metadata, MODIFIED: str(modified_s)})
            except ConditionLost:
                stored = await self._client.get(key)
                was_there, body, modified_s = True, stored.body, stored.modified_s
            if self.files and body and not is_spool(file.name):
                await self.files.put(key, body, modified_s)
            digest = await asyncio.to_thread(hashlib.sha256, body)
        return FileEntry(bytes=len(body), sha256=digest.hexdigest(), modified_s=modified_s), was_there

    async def _create(self, key: str, body: bytes, metadata: dict[str, str]) -> None:
        """Once more where no answer came: then what is met may be our own, which is as good."""
        media_type = media_type_of(key.rpartition(".")[2])
        try:
            await self._client.create(key, body, media_type=media_type, metadata=metadata)
        except port.VolumeAway:
            await self._client.create(key, body, media_type=media_type, metadata=metadata)

    async def _look_after(
        self,
        picture: PictureId,
        revision: RevisionId,
        files: Sequence[Path],
        were_there: Sequence[bool],
        metadata: dict[str, str],
    ) -> None:
        """Whoever removed the picture while we committed may have taken files that we found there: one of the two comes last,
        and sees it.
        """
        for file, was_there in zip(files, were_there, strict=True):
            if was_there and not await self._client.is_there(file_key(picture, revision, file.name)):
                await self._send(picture, revision, file, metadata)
        self._at(ObjectStep.FILES_LOOKED_AT)

    async def _remove(self, keys: Sequence[str]) -> None:
        await self._client.delete(keys)
        self._at(ObjectStep.OLDER_REMOVED)

    def _beside(self, picture: PictureId, work: Coroutine[Any, Any, None]) -> None:
        """What nobody has to wait for but the next one who works on the picture, one after the other."""
        before = self._aside.get(picture)

        async def one() -> None:
            if before:
                await asyncio.wait({before})
            with suppress(OSError, port.VolumeError):  # swept, some time
                await work

        task = self._aside[picture] = asyncio.create_task(one(), name="after a commit")

        def done(ended: asyncio.Task[None]) -> None:
            if self._aside.get(picture) is ended:
                del self._aside[picture]

        task.add_done_callback(done)

    def _forget_files(self, picture: PictureId) -> None:
        if self.files:
            self.files.forget(picture)


async def drop_files(records: PictureRecords, picture: PictureId, keys: set[str]) -> None:
    """Take files out of the record, whose objects are gone or about to."""

    def without(entry: RevisionEntry | None) -> RevisionEntry | None:
        if entry is None:
            return None
        left = {
            name: file for name, file in entry.files.items() if file_key(picture, entry.id, name) not in keys
        }
        return entry if len(left) == len(entry.files) else entry.model_copy(update={"files": left})

    def dropped(record: PictureRecord) -> PictureRecord | None:
        current, before = without(record.current), without(record.before)
        if (current, before) == (record.current, record.before):
            return None
        return record.model_copy(update={"current": current, "before": before})

    await records.change(picture, dropped)


def _metadata(manifest: Manifest, shows: Name | None) -> dict[str, str]:
    """What stands beside the bytes, for whoever looks at the bucket with other tools."""
    said = {"source_url": manifest.source_url}
    if shows:
        said |= {"entity_type": shows.kind.value, "entity_id": shows.id, "image_type": shows.role.value}
    return said


def is_upload(picture: PictureId, record: PictureRecord) -> bool:
    if record.current is None:
        return False
    try:
        return Upload.parse(record.current.manifest.source_url).picture == picture
    except ValueError:
        return False


class ObjectPins:
    """`Pins` in the records: a pinned picture's record says so, and its files stay where they are."""

    def __init__(self, client: ObjectClient, records: PictureRecords) -> None:
        self._client = client
        self._records = records

    async def pin(self, picture: PictureId, name: Name) -> bool:
        """Without what is there for a minute only."""
        spooled: list[str] = []

        def pinned(record: PictureRecord) -> PictureRecord | None:
            current = record.current
            if current is None:
                return None
            kept = {file: entry for file, entry in current.files.items() if not is_spool(file)}
            spooled[:] = [file_key(picture, current.id, file) for file in current.files.keys() - kept.keys()]
            return record.model_copy(
                update={
                    "tree": Tree.KEEP,
                    "pins": record.pins | {name},
                    "current": current.model_copy(update={"files": kept}),
                }
            )

        record = await self._records.change(picture, pinned)
        await self._client.delete(spooled)
        return record.current is not None

    async def unpin(self, picture: PictureId, name: Name) -> bool:
        was_pinned = False

        def unpinned(record: PictureRecord) -> PictureRecord | None:
            nonlocal was_pinned
            was_pinned = was_pinned or name in record.pins
            if name not in record.pins:
                return None
            left = record.pins - {name}
            stays = left or is_upload(picture, record)
            return record.model_copy(update={"pins": left, "tree": Tree.KEEP if stays else Tree.CACHE})

        await self._records.change(picture, unpinned)
        return was_pinned

    async def holds(self, picture: PictureId, name: Name) -> bool:
        return name in await self.names(picture)

    async def names(self, picture: PictureId) -> frozenset[Name]:
        return (await self._records.get(picture)).pins
