"""The fetcher killed (`kill -9`) while it commits to a store of objects, at every named step and at random: the job is done again, no
part is ever in sight, and every picture is there in the end.

`make chaos` kills at random 200 times, each run of the tests ten times.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from random import Random

import obstore
import pytest
import pytest_asyncio

from services.fetcher.steps import FetchStep
from shared.contracts import RefreshPicture
from shared.pictures import Name, PictureId, Rendition, Source, name_path
from shared.queue import Lane
from shared.volume import VolumeSettings
from shared.volume.objects.client import ObjectClient
from shared.volume.objects.opening import ObjectVolume
from shared.volume.objects.records import ABSENT, PictureRecord, file_key, parsed, record_key
from shared.volume.objects.store import ObjectStep
from tests.faults import test_killed_at_random as at_random
from tests.faults.versions import Version, file_names
from tests.faults.watching import looking_all_the_time
from tests.faults.world import World, drawn, eventually
from tests.servers.object_stores import ObjectStore
from tests.servers.rabbitmq import Broker
from tests.servers.stopping_fetcher import Step

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLS = int(os.environ.get("KILLS", "10"))
SEED = int(os.environ.get("SEED", "5"))
FETCHERS = 2
PICTURES = 20

OF_A_MISS: tuple[Step, ...] = (
    FetchStep.LOCKED,
    FetchStep.RENDERED,
    ObjectStep.FILES_WRITTEN,
    ObjectStep.RECORD_COMPARED,
    ObjectStep.RECORD_WRITTEN,
    ObjectStep.FILES_LOOKED_AT,
    FetchStep.COMMITTED,
    FetchStep.NAME_POINTED,
    FetchStep.UNLOCKED,
)
"""From where the store is written to for the first time."""

IN_SIGHT = OF_A_MISS.index(ObjectStep.RECORD_WRITTEN)


@dataclass(frozen=True)
class Bucket:
    """What lies there, as somebody sees it who remembers nothing."""

    client: ObjectClient

    def record(self, picture: PictureId) -> PictureRecord:
        return parsed(self.read(record_key(picture)) or ABSENT.model_dump_json().encode())

    def read(self, key: str) -> bytes | None:
        """Without an event loop, for a thread that watches."""
        store = self.client.stores[self.client.settings.bucket]
        try:
            return bytes(obstore.get(store, self.client.settings.key_prefix + key).bytes())
        except FileNotFoundError:
            return None

    def shown(self, picture: PictureId) -> dict[str, bytes | None]:
        """The bytes of what its record names. None: a file that is not there."""
        current = self.record(picture).current
        names = current.files if current else {}
        return {name: self.read(file_key(picture, current.id, name)) if current else None for name in names}

    def looks(self, picture: PictureId, *versions: Version) -> Iterator[str]:
        good = {name: {version.files.get(name) for version in versions} for name in file_names(versions)}
        for name, content in self.shown(picture).items():
            if content not in good[name] and self.record(picture).current:
                yield f"{name} has {len(content or b'')} bytes that are no whole picture"


@pytest.fixture(scope="module")
def place(seaweedfs: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> VolumeSettings:
    directory = tmp_path_factory.mktemp("place")
    return seaweedfs.settings(directory / "state", cache_directory=directory / "kept")


@pytest.fixture(scope="module")
def bucket(place: VolumeSettings) -> Bucket:
    return Bucket(ObjectVolume(place).client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    rabbitmq: Broker,
    seaweedfs: ObjectStore,
    place: VolumeSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    directory = tmp_path_factory.mktemp("world")
    usual = {"FETCH_CONCURRENCY": "2", "LOCK_PATIENCE": "0.5", "IMAGE_FORMAT": "jpg"}
    settings = {**seaweedfs.environment(place), **usual, "VOLUME_CACHE_DIR": str(directory / "kept")}
    async with World.running(directory, rabbitmq.vhost(), **settings) as world:
        yield world
        await world.end()
        assert await world.waiting() == {}


@pytest.mark.parametrize("step", OF_A_MISS)
async def test_killed_at_a_step_the_picture_is_there_in_the_end(
    world: World, bucket: Bucket, step: Step
) -> None:
    await world.fetchers(1)
    subject = world.new_subject()
    version = Version.of(subject.body, "medium.webp")
    name = Name.parse(f"series/{subject.picture}/poster")
    with looking_all_the_time(lambda: bucket.looks(subject.picture, version), pause_s=0.01):
        world.orders.give(step, signal.SIGKILL)
        trace = await world.publish(subject.job(name=name))
        assert await (await world.stopped()).ended() == -signal.SIGKILL
        assert bool(bucket.shown(subject.picture)) == (OF_A_MISS.index(step) >= IN_SIGHT)
        await world.fetchers(1)
        await world.done(trace)
    assert bucket.shown(subject.picture) == version.files
    assert json.loads(bucket.read(name_path(name)) or b"{}")["picture"] == subject.picture
    assert await world.host.count(subject.path) <= (1 if OF_A_MISS.index(step) >= IN_SIGHT else 2)


async def test_killed_before_or_after_an_old_revision_goes_the_new_one_stays(
    world: World, bucket: Bucket
) -> None:
    subject, (_, second), (_, third) = world.new_subject(), drawn("png"), drawn("webp")
    await world.fetchers(1)
    await world.done(await world.publish(subject.job()))
    await world.host.put(subject.path, second, content_type="image/png")
    refresh = RefreshPicture(source_url=subject.source)
    await world.done(await world.publish(refresh, Lane.PICTURES_LATER))
    await world.host.put(subject.path, third, content_type="image/webp")
    world.orders.give(ObjectStep.OLDER_REMOVED, signal.SIGKILL)
    await world.publish(refresh, Lane.PICTURES_LATER)
    await (await world.stopped()).ended()
    await world.fetchers(1)
    # Objects are removed beside the job, which may have been done by then: its line, written a moment later, is lost.
    await world.done(await world.publish(refresh, Lane.PICTURES_LATER))
    assert bucket.shown(subject.picture)["original.webp"] == third
    record = bucket.record(subject.picture)
    assert record.before
    assert {name for name in record.before.files if name.startswith("original")} == {"original.png"}


class BucketLoad(at_random.Load):
    """The same load; what is there is what the records in the bucket say."""

    def __init__(self, world: World, random: Random, bucket: Bucket) -> None:
        super().__init__(world, random)
        self._bucket = bucket
        self._seen: set[str] = set()

    def is_there(self, source: Source, rendition: Rendition) -> bool:
        key = f"{source.picture}/{rendition}"
        if key not in self._seen:
            current = self._bucket.record(source.picture).current
            self._seen |= {key} if current and str(rendition) in current.files else set()
        return key in self._seen

    def look(self) -> Iterator[str]:
        for path, source in list(self.pictures.items()):
            for name, content in self._bucket.shown(source.picture).items():
                if content is None and not self._bucket.shown(source.picture).get(name, b""):
                    yield f"{name} of {path} is not there"
                elif content is not None and not self.is_whole(name, content, path):
                    yield f"{name} of {path} is not whole"


@pytest.mark.timeout(600 + 10 * KILLS)
async def test_killed_at_random_instants_every_picture_is_there_in_the_end(
    world: World, bucket: Bucket
) -> None:
    load = BucketLoad(world, Random(SEED), bucket)
    with looking_all_the_time(load.look, pause_s=0.2):
        publishing = asyncio.create_task(load.publish_for_ever())
        deaths = await asyncio.gather(
            *(
                at_random.live_and_die(world, Random(SEED + number), KILLS // FETCHERS)
                for number in range(FETCHERS)
            )
        )
        await world.fetchers(2)
        await eventually(lambda: len(load.pictures) >= PICTURES, within_s=at_random.CATCHES_UP_WITHIN_S)
        publishing.cancel()
        await eventually(lambda: not load.missing(), within_s=at_random.CATCHES_UP_WITHIN_S)
    counts = {path: count for path, count in (await world.host.counts()).items() if path in load.pictures}
    load.check_downloads([victim for died in deaths for victim in died], counts)
    assert [line for one in world.services for line in one.lines if line.get("outcome") == "failed"] == []
