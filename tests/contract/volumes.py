"""The volumes that the contract is tested on: local files, objects in a store, and one in memory, which shows that no port needs
files.
"""

import asyncio
import copy
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, cast

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import S3Store

from shared.contracts import PicturePurged
from shared.pictures import (
    Manifest,
    Name,
    Original,
    PictureId,
    Placeholder,
    Rendition,
    RevisionId,
    SourceUrl,
    State,
    Tree,
    revision_id,
)
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER, picture_path, spool_name
from shared.volume import (
    Names,
    Pictures,
    PictureStore,
    Revision,
    StoredFile,
    VolumeSettings,
    WriteVolume,
    volume_to_read,
    volume_to_write,
)
from shared.volume.local.layout import Layout
from shared.volume.local.pins import PINS
from shared.volume.local.refusals import Refusals, _digest
from shared.volume.objects.names import ObjectNames, refusal_key
from shared.volume.objects.opening import ObjectVolume
from shared.volume.objects.records import file_key, record_key
from tests.servers.object_stores import ObjectStore
from tests.servers.store_relay import StoreRelay
from tests.servers.volume_in_memory import Held, MemoryNames, MemoryPictures, memory_volume

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = SourceUrl.parse("http://a.example/poster.jpg")
PICTURE = SOURCE.picture
MEDIUM, SMALL = Rendition.parse("medium.webp"), Rendition.parse("small.webp")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)

HOLDER = """
import asyncio, sys
from shared.pictures import SourceUrl
from shared.volume import Locked, VolumeSettings, volume_to_write
from shared.volume.local.layout import prepared_layout

async def hold():
    with volume_to_write(VolumeSettings()) as volume:
        try:
            async with volume.pictures.lock(SourceUrl.parse(sys.argv[1]).picture):
                print("held", flush=True)
                await asyncio.to_thread(sys.stdin.readline)
        except Locked:
            print("locked", flush=True)

asyncio.run(hold())
"""


class VolumeUnderTest(Protocol):
    """A volume, and what can befall it from outside the port."""

    write: WriteVolume
    read: Pictures
    read_names: Names
    """What another process sees of it."""

    def damage_state(self, picture: PictureId) -> None: ...

    def damage_manifest(self, revision: Revision) -> None: ...

    def damage_failure(self, name: Name) -> None: ...

    def damage_pins(self, picture: PictureId) -> None: ...

    def in_cache(self, picture: PictureId, rendition: Rendition) -> bytes | None:
        """What a link into `cache` shows, whatever `keep` has."""

    def empty(self, file: StoredFile) -> None:
        """The file is there, with nothing in it."""

    def spool(self, revision: Revision) -> None:
        """The original was too large to keep."""

    def point_into_the_void(self, picture: PictureId) -> None:
        """The pointer names a revision that is not there."""

    def keep(self, picture: PictureId) -> None:
        """What pinning does: the picture is in `keep`, and for a while still in `cache`."""


class LocalFiles:
    def __init__(self, directory: Path, write: WriteVolume) -> None:
        self.settings = settings_in(directory)
        self.write = write
        self.layout = Layout(self.settings.root)
        read = volume_to_read(self.settings)
        self.read, self.read_names = read.pictures, read.names

    def damage_state(self, picture: PictureId) -> None:
        (self._directory(picture) / STATE).write_text('{"failures": 7')

    def damage_manifest(self, revision: Revision) -> None:
        (self._directory(revision.picture) / revision.id / MANIFEST).write_text("{")

    def damage_failure(self, name: Name) -> None:
        Refusals(self.layout)._file(_digest(name)).write_text('{"reasons": ["gone"')

    def damage_pins(self, picture: PictureId) -> None:
        (self.layout.picture(Tree.KEEP, picture) / PINS).write_text("[")

    def in_cache(self, picture: PictureId, rendition: Rendition) -> bytes | None:
        file = self._directory(picture) / POINTER / str(rendition)
        return file.read_bytes() if file.exists() else None

    def empty(self, file: StoredFile) -> None:
        assert file.local
        Path(file.local.path).write_bytes(b"")

    def spool(self, revision: Revision) -> None:
        original = self._directory(revision.picture) / revision.id / revision.manifest.original.file_name
        original.rename(original.with_name(spool_name(original.name)))

    def point_into_the_void(self, picture: PictureId) -> None:
        pointer = self._directory(picture) / POINTER
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.unlink(missing_ok=True)
        pointer.symlink_to("0123456789abcdef")

    def keep(self, picture: PictureId) -> None:
        kept = self.layout.root / picture_path(Tree.KEEP, picture)
        shutil.copytree(self._directory(picture), kept, symlinks=True)

    def _directory(self, picture: PictureId) -> Path:
        return self.layout.root / picture_path(Tree.CACHE, picture)


class InMemory:
    def __init__(self) -> None:
        self.write, read = memory_volume()
        self.read, self.read_names = read.pictures, read.names
        self._pictures = cast(MemoryPictures, read.pictures)
        self._failures = cast(MemoryNames, read.names).failures

    def damage_state(self, picture: PictureId) -> None:
        self._cached(picture).state = None

    def damage_manifest(self, revision: Revision) -> None:
        self._cached(revision.picture).revisions[revision.id].manifest = None

    def damage_failure(self, name: Name) -> None:
        del self._failures[name]

    def damage_pins(self, picture: PictureId) -> None:
        self._pictures.held[Tree.KEEP, picture].pins = frozenset()

    def in_cache(self, picture: PictureId, rendition: Rendition) -> bytes | None:
        made = self._pictures.held.get((Tree.CACHE, picture), Held()).pointed
        return made.files.get(str(rendition)) if made else None

    def empty(self, file: StoredFile) -> None:
        for made in self._cached(file.picture).revisions.values():
            made.files[file.file_name] = b""

    def spool(self, revision: Revision) -> None:
        files, name = (
            self._cached(revision.picture).revisions[revision.id].files,
            revision.manifest.original.file_name,
        )
        files[spool_name(name)] = files.pop(name)

    def point_into_the_void(self, picture: PictureId) -> None:
        held = self._pictures.held.setdefault((Tree.CACHE, picture), Held())
        held.pointer = RevisionId("0123456789abcdef")

    def keep(self, picture: PictureId) -> None:
        self._pictures.held[Tree.KEEP, picture] = copy.deepcopy(self._cached(picture))

    def _cached(self, picture: PictureId) -> Held:
        return self._pictures.held[Tree.CACHE, picture]


class Objects:
    """What befalls a store from outside is done to its objects, by the keys that `docs/object-storage.md` promises."""

    def __init__(self, settings: VolumeSettings, write: WriteVolume) -> None:
        self.settings = settings
        self.write = write
        read = volume_to_read(settings, beside=write.live)
        self.read, self.read_names = read.pictures, read.names
        self._names = cast(ObjectNames, read.names)
        self.opened = opened_objects(write)

    def damage_state(self, picture: PictureId) -> None:
        self.change_record(picture, lambda record: {**record, "state": {"failures": 7}})

    def damage_manifest(self, revision: Revision) -> None:
        self.change_record(
            revision.picture, lambda record: {**record, "current": {**record["current"], "manifest": {}}}
        )

    def damage_failure(self, name: Name) -> None:
        self.put(refusal_key(name), b'{"reason": ')
        self._names.forget(name)

    def damage_pins(self, picture: PictureId) -> None:
        self.change_record(picture, lambda record: {**record, "pins": 7})

    def in_cache(self, picture: PictureId, rendition: Rendition) -> bytes | None:
        pytest.skip("a picture in a store lies in one place, and no link shows another")

    def empty(self, file: StoredFile) -> None:
        for listed in self.keys("p"):
            if listed.endswith(f"/{file.file_name}"):
                self.put(listed, b"")
        self.opened.to_read()
        self.forget_files(file.picture)

    def spool(self, revision: Revision) -> None:
        original = revision.manifest.original.file_name
        body = self.get(file_key(revision.picture, revision.id, original))
        self.put(file_key(revision.picture, revision.id, spool_name(original)), body)

        def spooled(record: dict[str, Any]) -> dict[str, Any]:
            files = dict(record["current"]["files"])
            files[spool_name(original)] = files.pop(original)
            return {**record, "current": {**record["current"], "files": files}}

        self.change_record(revision.picture, spooled)

    def point_into_the_void(self, picture: PictureId) -> None:
        self.put(record_key(picture), b'{"current": {"id": "0123456789abcdef"}}')
        self.opened.records.forget(picture)

    def keep(self, picture: PictureId) -> None:
        self.change_record(picture, lambda record: {**record, "tree": "keep"})

    def change_record(self, picture: PictureId, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        key = record_key(picture)
        self.put(key, json.dumps(change(json.loads(self.get(key)))).encode())
        self.opened.records.forget(picture)

    def forget_files(self, picture: PictureId) -> None:
        self.opened.hear(PicturePurged(picture=picture))

    def get(self, key: str) -> bytes:
        return bytes(obstore.get(self.bucket, self.path(key)).bytes())

    def put(self, key: str, body: bytes) -> None:
        with suppress(GenericError):  # an answer that was lost
            obstore.put(self.bucket, self.path(key), body)
            return
        obstore.put(self.bucket, self.path(key), body)

    def delete(self, *keys: str) -> None:
        obstore.delete(self.bucket, [self.path(key) for key in keys])

    def keys(self, prefix: str = "") -> list[str]:
        before = self.opened.client.settings.key_prefix
        pages = obstore.list(self.bucket, self.path(prefix))
        return sorted(meta["path"].removeprefix(before) for page in pages for meta in page)

    @property
    def bucket(self) -> S3Store:
        client = self.opened.client
        return client.stores[client.settings.bucket]

    def path(self, key: str) -> str:
        return f"{self.opened.client.settings.key_prefix}{key}"


def opened_objects(volume: WriteVolume) -> ObjectVolume:
    assert volume.live
    assert isinstance(volume.live.opened, ObjectVolume)
    return volume.live.opened


def settings_in(directory: Path) -> VolumeSettings:
    return VolumeSettings(volume_url=f"file:{directory}/volume", state_directory=directory / "state")


@pytest.fixture
def local_volume(tmp_path: Path) -> Iterator[LocalFiles]:
    with volume_to_write(settings_in(tmp_path)) as write:
        yield LocalFiles(tmp_path, write)


@pytest.fixture
async def object_volume(tmp_path: Path, seaweedfs: ObjectStore) -> AsyncIterator[Objects]:
    settings = seaweedfs.settings(tmp_path / "state", cache_directory=tmp_path / "cache")
    with volume_to_write(settings) as write:
        volume = Objects(settings, write)
        yield volume
        await volume.opened.settled()


@pytest.fixture
async def object_volume_far_away(tmp_path: Path, seaweedfs: ObjectStore) -> AsyncIterator[Objects]:
    """Of each object, the answer to every second write is lost on its way: it was written, and nobody says so."""
    with StoreRelay.before(seaweedfs.endpoint) as relay:
        settings = seaweedfs.settings(
            tmp_path / "state", endpoint=relay.endpoint, cache_directory=tmp_path / "cache"
        )
        with volume_to_write(settings) as write:
            relay.loses = lambda method, _path, count: method == "PUT" and count % 2 == 1
            volume = Objects(settings, write)
            yield volume
            await volume.opened.settled()


@pytest.fixture(params=["local files", "memory", "objects", "objects, answers lost"])
def volume(request: pytest.FixtureRequest) -> VolumeUnderTest:
    if request.param == "objects, answers lost":
        far: Objects = request.getfixturevalue("object_volume_far_away")
        return far
    if request.param == "memory":
        return InMemory()
    if request.param == "objects":
        objects: Objects = request.getfixturevalue("object_volume")
        return objects
    files: LocalFiles = request.getfixturevalue("local_volume")
    return files


@pytest.fixture
def store(volume: VolumeUnderTest) -> PictureStore:
    return volume.write.pictures


async def commit(
    store: PictureStore,
    body: bytes,
    *renditions: Rendition,
    expected: RevisionId | None = None,
    state: State | None = None,
    picture: PictureId = PICTURE,
    source: str = str(SOURCE),
    into: Tree = Tree.CACHE,
    shows: Name | None = None,
) -> Revision:
    """One revision of the picture, whose renditions hold the original's bytes and their own name."""
    async with store.draft() as draft:
        (draft.directory / "original.jpg").write_bytes(body)
        for rendition in renditions:
            (draft.directory / str(rendition)).write_bytes(body + str(rendition).encode())
        return await store.commit(
            picture,
            revision_of(body),
            draft,
            manifest_of(body, source),
            state or State(revision=revision_of(body), fresh_until=NOW + timedelta(days=1)),
            expected=expected,
            into=into,
            shows=shows,
        )


def revision_of(body: bytes) -> RevisionId:
    return revision_id(sha256(body).hexdigest())


def manifest_of(body: bytes, source: str = str(SOURCE)) -> Manifest:
    return Manifest(
        source_url=source,
        provider=None,
        original=Original(mime="image/jpeg", bytes=len(body), width=4, height=3),
        placeholder=Placeholder(color="#102030"),
        fetched_at=NOW,
    )


@asynccontextmanager
async def another_process_at_the_lock(
    settings: VolumeSettings, source: SourceUrl = SOURCE
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A process that tries to lock the picture: `held` or `locked`, and itself, waiting with what it got."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(source)),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "VOLUME_URL": settings.volume_url,
            "STATE_DIR": str(settings.state_dir),
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(60):
            yield (await process.stdout.readline()).decode().strip(), process
    finally:
        process.stdin.close()
        await process.wait()
