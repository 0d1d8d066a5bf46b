"""Pictures in a store, read through their records: as the fetcher and the enricher look, and as the proxy serves."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from shared.pictures import ORIGINAL, PictureId, Rendition, RevisionId, State
from shared.pictures.paths import file_names, spool_name
from shared.pictures.source import parse_picture_id
from shared.volume.objects.cached_files import CachedFiles, ComingFile
from shared.volume.objects.client import ObjectBytes, ObjectClient
from shared.volume.objects.records import FileEntry, PictureRecord, PictureRecords, file_key
from shared.volume.port import Revision, StoredFile


@dataclass(frozen=True, slots=True)
class ObjectContent:
    """`Content` that is asked of the store when it is wanted."""

    client: ObjectClient
    key: str

    async def whole(self) -> bytes:
        return (await self.client.get(self.key)).body

    def part(self, first: int, length: int) -> AsyncIterator[bytes]:
        return self.client.part(self.key, first, length)


Place = tuple[RevisionId, str, FileEntry]
"""Of a file: its revision and name, and what is known of it."""


class ObjectPictures:
    """`Pictures` by their records, whose bytes stay where they are until they are wanted."""

    def __init__(self, client: ObjectClient, records: PictureRecords) -> None:
        self._client = client
        self._records = records

    async def find(self, picture: PictureId, renditions: tuple[Rendition, ...]) -> StoredFile | None:
        place = _first(await self._records.get(picture), renditions)
        return self._lazily(picture, *place) if place else None

    async def at(self, picture: PictureId, revision: RevisionId, file_name: str) -> StoredFile | None:
        place = _of_revision(await self._records.get(picture), revision, file_name)
        return self._lazily(picture, *place) if place else None

    async def current(self, picture: PictureId) -> Revision | None:
        return revision_of(picture, await self._records.get(picture))

    async def state(self, picture: PictureId) -> State:
        return (await self._records.get(picture)).state

    async def ahead(self, pictures: Iterable[PictureId]) -> None:
        await self._records.ahead(pictures)

    async def pictures(self) -> AsyncIterator[PictureId]:
        async for listed in self._client.list("index"):
            try:
                yield parse_picture_id(listed.key.rpartition("/")[2].removesuffix(".json"))
            except ValueError:
                continue

    def _lazily(self, picture: PictureId, revision: RevisionId, name: str, entry: FileEntry) -> StoredFile:
        content = ObjectContent(self._client, file_key(picture, revision, name))
        return StoredFile(picture, name, entry.bytes, entry.modified_s, content)


class CachedPictures(ObjectPictures):
    """The same for whoever sends them: what is found is on the local disk, or on its way there, asked for once however many want it."""

    def __init__(self, client: ObjectClient, records: PictureRecords, files: CachedFiles) -> None:
        super().__init__(client, records)
        self._files = files
        self._flights: dict[str, asyncio.Task[ObjectBytes]] = {}

    async def find(self, picture: PictureId, renditions: tuple[Rendition, ...]) -> StoredFile | None:
        place = _first(await self._records.get(picture), renditions)
        if place is None:
            return None

        def still() -> bool:
            known = self._records.peek(picture)
            return known is not None and _first(known, renditions) == place

        return await self._brought(picture, *place, still)

    async def at(self, picture: PictureId, revision: RevisionId, file_name: str) -> StoredFile | None:
        """By an immutable path, which is an object's: without its record the first time, for where a picture was removed its
        objects are as well. What lies here was fetched before; of that the record says whether it may still be shown.
        """
        key, proved_until_s = file_key(picture, revision, file_name), time.monotonic() + self._proof_lasts_s

        def still() -> bool:
            known = self._records.peek(picture)
            if known is None:
                return time.monotonic() < proved_until_s
            return _of_revision(known, revision, file_name) is not None

        known = self._records.peek(picture)
        if known is None and not self._files.holds(key):
            try:
                stored = await self._fetched(key)
            except FileNotFoundError:
                return None
            return self._answer(picture, key, stored, still)
        place = _of_revision(known or await self._records.get(picture), revision, file_name)
        return await self._brought(picture, *place, still) if place else None

    @property
    def _proof_lasts_s(self) -> float:
        return self._client.settings.pointer_s

    async def _brought(
        self, picture: PictureId, revision: RevisionId, name: str, entry: FileEntry, still: Callable[[], bool]
    ) -> StoredFile | None:
        key = file_key(picture, revision, name)
        if coming := self._files.coming(key):
            return self._answer(picture, key, coming, still)
        if (local := self._files.find(key, still)) and local.identity[2] == entry.bytes:
            return StoredFile(picture, name, entry.bytes, entry.modified_s, local)
        try:
            stored = await self._fetched(key)
        except FileNotFoundError:  # removed since the record was read
            self._records.forget(picture)
            return None
        return self._answer(picture, key, stored, still)

    def _answer(
        self, picture: PictureId, key: str, stored: ObjectBytes | ComingFile, still: Callable[[], bool]
    ) -> StoredFile | None:
        """From memory, while it is being written to the disk. None: an empty one is none."""
        if not stored.body:
            return None
        local = None if self._files.coming(key) else self._files.find(key, still)
        name = key.rpartition("/")[2]
        return StoredFile(picture, name, len(stored.body), stored.modified_s, local or _Bytes(stored.body))

    async def _fetched(self, key: str) -> ObjectBytes:
        """Once, however many ask at the same time; whoever gives up leaves it to the others."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._fetch(key), name="fetching a file")
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    async def _fetch(self, key: str) -> ObjectBytes:
        with self._files.giving_way():
            stored = await self._client.get(key)
        if stored.body:
            await self._files.put(key, stored.body, stored.modified_s)
        return stored

    def _landed(self, key: str, flight: asyncio.Task[ObjectBytes]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # told to who waited

    async def close(self) -> None:
        for flight in list(self._flights.values()):
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Bytes:
    """`Content` that is here already, and has no place on the disk."""

    body: bytes

    async def whole(self) -> bytes:
        return self.body

    async def part(self, first: int, length: int) -> AsyncIterator[bytes]:
        yield self.body[first : first + length]


def revision_of(picture: PictureId, record: PictureRecord) -> Revision | None:
    current = record.current
    if current is None:
        return None
    return Revision(picture, current.id, record.tree, current.manifest, frozenset(current.files))


def _first(record: PictureRecord, renditions: tuple[Rendition, ...]) -> Place | None:
    """The preferred one of what the current revision has; of a large original, what is spooled."""
    if record.current is None:
        return None
    names = [name for rendition in renditions for name in file_names(rendition)]
    if ORIGINAL in renditions:
        names += [spool_name(name) for name in file_names(ORIGINAL)]
    files = record.current.files
    return next(((record.current.id, name, files[name]) for name in names if name in files), None)


def _of_revision(record: PictureRecord, revision: RevisionId, file_name: str) -> Place | None:
    entry = record.entry(revision)
    found = entry.files.get(file_name) if entry else None
    return (revision, file_name, found) if found else None
