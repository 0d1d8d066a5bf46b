"""The inventory and the integrity of a volume in a store: by its records, which say of each file what it should be."""

import asyncio
import hashlib
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress

from shared.pictures import PictureId, Tree
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import is_spool
from shared.pictures.source import parse_picture_id
from shared.volume.inventory import (
    ABSENT,
    NOTHING,
    PARTS,
    Damage,
    Extent,
    Findings,
    Holding,
    Mark,
    Space,
    What,
)
from shared.volume.objects.client import Listed, ObjectClient
from shared.volume.objects.records import (
    PictureRecord,
    PictureRecords,
    RevisionEntry,
    file_key,
    read_record,
    record_key,
)
from shared.volume.objects.store import ENDLESS, drop_files

SHELVES = tuple(f"{number:02x}" for number in range(256))
READ_AT_ONCE = 32
_PARTS = {"current": MANIFEST, "state": STATE}
"""What parts of a record are called where pictures are files."""

_MARK_BITS = 2**63 - 1


class ObjectInventory:
    """`Inventory` by listing the records, of which a tag tells whether anything of the picture changed."""

    shelves: Sequence[str] = SHELVES

    def __init__(self, client: ObjectClient, records: PictureRecords) -> None:
        self._client = client
        self._records = records

    async def parts(self, shelf: str) -> Sequence[Mark]:
        """One listing, which takes as many requests as there are thousands of pictures on the shelf."""
        marks = array("q", [ABSENT] * PARTS)
        async for listed in self._client.list(f"index/{shelf}"):
            if picture := _picture(listed):
                place = int(picture[2:4], 16)
                marks[place] = (max(marks[place], 0) + _mark(listed.e_tag)) & _MARK_BITS
        return marks  # type: ignore[return-value] # of marks, which are numbers: thirty times smaller than a list

    async def marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        prefix = f"index/{shelf[:2]}/{shelf[2:]}" if shelf[2:] else f"index/{shelf}"
        return {
            picture: _mark(listed.e_tag)
            async for listed in self._client.list(prefix)
            if (picture := _picture(listed))
        }

    async def holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        limit = asyncio.Semaphore(READ_AT_ONCE)

        async def one(picture: PictureId) -> Holding | None:
            async with limit:
                read = await self._records.read(picture)
            return _holding(picture, read.record, read.e_tag) if read.e_tag else None

        held = await asyncio.gather(*map(one, pictures))
        return {holding.picture: holding for holding in held if holding}

    async def shelving(self, pictures: int) -> Extent:  # noqa: ARG002 - there are no directories
        return NOTHING

    async def space(self) -> Space:
        return ENDLESS


def _picture(listed: Listed) -> PictureId | None:
    with suppress(ValueError):
        return parse_picture_id(listed.key.rpartition("/")[2].removesuffix(".json"))
    return None


def _mark(e_tag: str) -> Mark:
    digest = hashlib.blake2b(e_tag.encode(), digest_size=8).digest()
    return Mark(int.from_bytes(digest) & _MARK_BITS or 1)


def _holding(picture: PictureId, record: PictureRecord, e_tag: str) -> Holding | None:
    if record.going_since:
        return None
    entries = [entry for entry in (record.current, record.before) if entry]
    files = [file for entry in entries for file in entry.files.values()]
    extent = Extent(sum(file.bytes for file in files), 1 + len(files))
    is_kept = record.tree is Tree.KEEP
    return Holding(
        picture=picture,
        revision=record.current.id if record.current else None,
        tree=record.tree,
        manifest=record.current.manifest if record.current else None,
        state=record.state,
        cached=NOTHING if is_kept else extent,
        kept=extent if is_kept else NOTHING,
        mark=_mark(e_tag),
    )


class ObjectIntegrity:
    """`Mending`: each file is read, and compared with what its record says."""

    def __init__(self, client: ObjectClient, records: PictureRecords) -> None:
        self._client = client
        self._records = records

    async def examine(self, picture: PictureId) -> Findings:
        try:
            stored = await self._client.get(record_key(picture))
        except FileNotFoundError:
            return Findings(picture, None, None, (), 0)
        record, unreadable = read_record(stored.body)
        damages = [
            Damage(record.tree, _PARTS[part], What.UNREADABLE) for part in sorted(unreadable & _PARTS.keys())
        ]
        if record.current is None:
            return Findings(picture, None, None, tuple(damages), 0)
        damaged, size = await self._damages(picture, record.current, record.tree)
        return Findings(picture, record.current.id, record.current.manifest, (*damages, *damaged), size)

    async def examine_locked(self, picture: PictureId) -> Findings:
        return await self.examine(picture)

    async def take_out(self, findings: Findings) -> None:
        """Out of the record first: until then it says what nobody finds."""
        names = {damage.file_name for damage in findings.damages}
        self._records.forget(findings.picture)
        if names & set(_PARTS.values()):  # written anew, as it was read
            await self._records.change(findings.picture, lambda record: record)
        if findings.revision:
            keys = {
                file_key(findings.picture, findings.revision, name) for name in names - set(_PARTS.values())
            }
            await drop_files(self._records, findings.picture, keys)
            await self._client.delete(sorted(keys))

    async def _damages(
        self, picture: PictureId, entry: RevisionEntry, tree: Tree
    ) -> tuple[list[Damage], int]:
        damages, size = [], 0
        for name, file in sorted(entry.files.items()):
            if is_spool(name):
                continue
            what = None
            try:
                body = (await self._client.get(file_key(picture, entry.id, name))).body
            except FileNotFoundError:
                what = What.MISSING
            else:
                size += len(body)
                digest = (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()
                if not body:
                    what = What.EMPTY
                elif digest != file.sha256:
                    what = What.TRUNCATED if len(body) < file.bytes else What.ALTERED
            if what:
                damages.append(Damage(tree, name, what))
        return damages, size
