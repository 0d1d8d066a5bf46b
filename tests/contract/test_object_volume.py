"""What is true of objects alone: which stores are refused, what is remembered and for how long, what is counted, listed and swept."""

import asyncio
import json
import os
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import obstore
import pytest

from shared.contracts import PicturePurged, PictureStored
from shared.pictures import ORIGINAL, Name, PictureId, SourceUrl, State, Tree
from shared.telemetry import utc_now
from shared.volume import Locked, VolumeRefused, volume_to_write
from shared.volume.inventory import Damage, What
from shared.volume.objects import cached_files, leases, records, sweep
from shared.volume.objects.cached_files import CachedFiles
from shared.volume.objects.client import ConditionLost
from shared.volume.objects.opening import ObjectVolume
from shared.volume.objects.records import record_key
from tests.contract.volumes import MEDIUM, PICTURE, SMALL, Objects, commit, manifest_of, revision_of
from tests.servers.certificates import made_certificate
from tests.servers.object_stores import KEY, KEY_ID, Clock, ObjectStore
from tests.servers.store_relay import SLOW_DOWN, StoreRelay

NAME = Name.parse("series/tvdb:81189/poster")


@pytest.fixture
def volume(object_volume: Objects) -> Objects:
    return object_volume


@pytest.fixture
def another(volume: Objects) -> ObjectVolume:
    """Another process at the same volume, which hears of nothing."""
    return ObjectVolume(volume.settings)


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("rclone", "writes over an object that must not be there yet (If-None-Match: *)"),
        ("juicefs", "writes over an object that must not be there yet (If-None-Match: *)"),
    ],
)
def test_a_store_that_ignores_conditions_is_refused_in_a_sentence(
    request: pytest.FixtureRequest, tmp_path: Path, store: str, said: str
) -> None:
    server: ObjectStore = request.getfixturevalue(store)
    with pytest.raises(VolumeRefused) as refused:
        ObjectVolume(server.settings(tmp_path / "state", cache_directory=tmp_path / "cache"))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("ignored", "answered", "said"),
    [
        ("If-None-Match", {}, "that must not be there yet (If-None-Match: *)"),
        ("If-Match", {}, "that is not the one it was told (If-Match)"),
        ("Range", {}, "does not answer a range with that range (206)"),
        ("", {"content-type": "binary/octet-stream"}, "does not keep the Content-Type of objects"),
        ("", {"x-amz-meta-made-by": ""}, "does not keep the metadata of objects"),
        ("", {"etag": '"{}"'}, "does not keep the entity tags that it hands out (ETag)"),
    ],
)
def test_a_store_that_does_not_keep_its_word_is_refused_with_what_it_lacks(
    tmp_path: Path, seaweedfs: ObjectStore, ignored: str, answered: Mapping[str, str], said: str
) -> None:
    with StoreRelay.before(seaweedfs.endpoint) as relay:
        relay.ignores, relay.answers_with = ignored, answered
        settings = seaweedfs.settings(
            tmp_path / "state", endpoint=relay.endpoint, cache_directory=tmp_path / "cache"
        )
        with pytest.raises(VolumeRefused) as refused:
            ObjectVolume(settings)
    assert said in str(refused.value)


@pytest.mark.parametrize("status", [404, 409, 412])
async def test_whichever_way_a_store_says_it_who_was_slower_has_lost(
    tmp_path: Path, seaweedfs: ObjectStore, status: int
) -> None:
    with StoreRelay.before(seaweedfs.endpoint) as relay:
        settings = seaweedfs.settings(
            tmp_path / "state", endpoint=relay.endpoint, cache_directory=tmp_path / "cache"
        )
        client = ObjectVolume(settings).client
        e_tag = await client.create("one", b"1", media_type="text/plain")
        relay.says = lambda method, _path: (status, {}) if method == "PUT" else None
        with pytest.raises(ConditionLost):
            await client.replace("one", b"2", media_type="text/plain", e_tag=e_tag)


def test_on_a_machine_that_has_a_role_no_key_is_needed(
    tmp_path: Path, seaweedfs: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"AccessKeyId": KEY_ID, "SecretAccessKey": KEY, "Token": "", "Expiration": "2099-01-01T00:00:00Z"}
    told = {"/": "the-role", "/the-role": json.dumps(given | {"Code": "Success", "Type": "AWS-HMAC"})}

    class Metadata(BaseHTTPRequestHandler):
        """Of an instance in Amazon's cloud, as its documentation has it."""

        def do_PUT(self) -> None:
            self._say("a-token")

        def do_GET(self) -> None:
            self._say(told[self.path.removeprefix("/latest/meta-data/iam/security-credentials")])

        def _say(self, body: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_said: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Metadata) as metadata:
        thread = threading.Thread(target=metadata.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{metadata.server_port}")
            settings = seaweedfs.settings(
                tmp_path / "state",
                cache_directory=tmp_path / "cache",
                s3_access_key_id="",
                s3_secret_access_key="",
            )
            assert ObjectVolume(settings).client.settings.access_key_id == ""
        finally:
            metadata.shutdown()
            thread.join()


def test_a_bucket_that_is_not_there_is_refused_or_made(tmp_path: Path, seaweedfs: ObjectStore) -> None:
    place: dict[str, Any] = {"volume_url": f"s3://b{time.time_ns()}", "cache_directory": tmp_path / "cache"}
    with pytest.raises(VolumeRefused, match="there is no bucket b"):
        ObjectVolume(seaweedfs.settings(tmp_path / "state", **{**place, "s3_create_buckets": False}))
    made = ObjectVolume(seaweedfs.settings(tmp_path / "state", **place))
    assert len(made.to_keep().identity()) == 32


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"s3_secret_access_key": "wrong"}, "check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY"),
        ({"s3_endpoint_url": "http://127.0.0.1:1"}, "does not answer: check S3_ENDPOINT_URL"),
    ],
)
def test_a_store_that_does_not_let_us_in_is_refused_with_what_to_check(
    tmp_path: Path, seaweedfs: ObjectStore, changed: dict[str, str], said: str
) -> None:
    settings = seaweedfs.settings(tmp_path / "state", cache_directory=tmp_path / "cache")
    with pytest.raises(VolumeRefused, match=said):
        ObjectVolume(settings.model_copy(update=changed))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((301, {"x-amz-bucket-region": "eu-central-1"}), "is in eu-central-1: set S3_REGION=eu-central-1."),
        ((400, {"x-code": "AuthorizationHeaderMalformed"}), "in another region: set S3_REGION."),
        ((403, {"x-code": "RequestTimeTooSkewed"}), "too far apart: set this machine's right."),
        ((403, {"x-code": "InvalidAccessKeyId"}), "does not know the key: check S3_ACCESS_KEY_ID."),
        ((403, {"x-code": "AccessDenied"}), "it has to read, write, remove and list objects."),
        ((400, {"x-code": "ExpiredToken"}), "or the role of this machine."),
        (SLOW_DOWN, "too busy just now: start again in a minute."),
        ((501, {"x-code": "NotImplemented"}), "501 Not Implemented (NotImplemented)."),
    ],
)
def test_what_a_store_refuses_at_the_start_is_told_with_what_to_do(
    tmp_path: Path, seaweedfs: ObjectStore, answer: tuple[int, Mapping[str, str]], said: str
) -> None:
    with StoreRelay.before() as relay:
        relay.says = lambda _method, _path: answer
        settings = seaweedfs.settings(
            tmp_path / "state", endpoint=relay.endpoint, cache_directory=tmp_path / "cache"
        )
        with pytest.raises(VolumeRefused) as refused:
            ObjectVolume(settings)
    assert str(refused.value).endswith(said)


def test_a_certificate_that_is_not_trusted_is_told_of_and_taken_where_it_is_said_to_be(
    tmp_path: Path, seaweedfs: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = made_certificate(tmp_path)
    certificate.load_cert_chain(made["TLS_CERTIFICATE"], made["TLS_KEY"])
    with StoreRelay.before(seaweedfs.endpoint, certificate=certificate) as relay:
        place: dict[str, Any] = {"endpoint": relay.endpoint, "cache_directory": tmp_path / "cache"}
        with pytest.raises(VolumeRefused, match=r"is not trusted .*: set SSL_CERT_FILE"):
            ObjectVolume(seaweedfs.settings(tmp_path / "state", **place))
        ObjectVolume(seaweedfs.settings(tmp_path / "state", **place, s3_verify_ssl=False))
        monkeypatch.setenv("SSL_CERT_FILE", made["TLS_CERTIFICATE"])
        with pytest.raises(VolumeRefused, match=r"is an authority's, .*CA:FALSE"):
            ObjectVolume(seaweedfs.settings(tmp_path / "state", **place))


def test_a_store_may_lie_below_a_path(tmp_path: Path, seaweedfs: ObjectStore) -> None:
    asked = []

    def says(method: str, path: str) -> tuple[int, Mapping[str, str]]:
        asked.append(f"{method} {path}")
        return (200, {}) if method == "HEAD" else SLOW_DOWN

    with StoreRelay.before() as relay:
        relay.says = says
        settings = seaweedfs.settings(
            tmp_path / "state",
            endpoint=f"{relay.endpoint}/storage/v1/s3/",
            cache_directory=tmp_path / "cache",
        )
        with pytest.raises(VolumeRefused):
            ObjectVolume(settings)
    assert {one.split("/")[1:5] == ["storage", "v1", "s3", "pictures"] for one in asked} == {True}


async def test_originals_and_what_is_made_of_them_may_lie_in_buckets_of_their_own(
    tmp_path: Path, seaweedfs: ObjectStore
) -> None:
    settings = seaweedfs.settings(
        tmp_path / "state",
        cache_directory=tmp_path / "cache",
        s3_bucket_originals="originals",
        s3_bucket_thumbnails="thumbnails",
    )
    with volume_to_write(settings) as write:
        objects = Objects(settings, write)
        revision = await commit(write.pictures, b"one", MEDIUM)
        client = objects.opened.client
        held = {
            bucket: [one["path"] for page in obstore.list(store, client.settings.prefix) for one in page]
            for bucket, store in client.stores.items()
        }
        assert [path.rpartition("/")[2] for path in held["originals"]] == ["original.jpg"]
        assert [path.rpartition("/")[2] for path in held["thumbnails"]] == ["medium.webp"]
        found = await objects.read.find(PICTURE, (MEDIUM,))
        assert found
        assert await found.content.whole() == b"onemedium.webp"
        assert await write.pictures.remove(PICTURE)
        assert await objects.read.at(PICTURE, revision.id, "original.jpg") is None


async def test_in_a_bucket_that_keeps_versions_what_was_removed_counts_as_gone_and_may_come_again(
    tmp_path: Path, seaweedfs: ObjectStore
) -> None:
    place: dict[str, Any] = {"cache_directory": tmp_path / "cache", "volume_url": "s3://versions/onesheet"}
    settings = seaweedfs.settings(tmp_path / "state", **place)
    ObjectVolume(settings).close()  # which makes the bucket
    seaweedfs.keep_versions("versions")
    with volume_to_write(settings) as write:
        objects = Objects(settings, write)
        for body in (b"one", b"two", b"one"):
            first = await commit(write.pictures, body, MEDIUM)
            second = await commit(write.pictures, body * 2, MEDIUM, expected=first.id)
            found = await objects.read.at(PICTURE, second.id, "original.jpg")
            assert found
            assert await found.content.whole() == body * 2
            assert await write.pictures.remove(PICTURE)
            await objects.opened.settled()
            assert (objects.keys("p"), objects.keys("index")) == ([], [])
            objects.opened.records.forget(PICTURE)
            assert await objects.read.find(PICTURE, (MEDIUM,)) is None


async def test_each_file_says_what_it_is_and_where_it_came_from(volume: Objects) -> None:
    async with volume.write.pictures.draft() as draft:
        (draft.directory / "original.jpg").write_bytes(b"one")
        manifest, revision = manifest_of(b"one", "http://a.example/Ü.jpg"), revision_of(b"one")
        store = volume.write.pictures
        await store.commit(PICTURE, revision, draft, manifest, State(), expected=None, shows=NAME)
    [key] = volume.keys("p")
    assert key == f"p/{PICTURE}/{revision}/original.jpg"
    said = {
        str(name): value for name, value in obstore.get(volume.bucket, volume.path(key)).attributes.items()
    }
    assert said.pop("modified").isdecimal()
    assert said == {
        "Content-Type": "image/jpeg",
        "Cache-Control": "public, max-age=86400",
        "source_url": "http://a.example/%C3%9C.jpg",
        "entity_type": "series",
        "entity_id": "tvdb:81189",
        "image_type": "poster",
    }


async def test_an_event_ends_what_another_process_remembers_and_so_do_seconds(
    volume: Objects, another: ObjectVolume, clock: Clock
) -> None:
    revision = await commit(volume.write.pictures, b"one", MEDIUM)
    reader = another.to_read().pictures
    assert await reader.find(PICTURE, (MEDIUM,))
    assert await reader.at(PICTURE, revision.id, "medium.webp")
    await volume.write.pictures.remove(PICTURE)
    assert await reader.find(PICTURE, (MEDIUM,)), "it has not heard of it"
    another.hear(PicturePurged(picture=PICTURE))
    assert await reader.find(PICTURE, (MEDIUM,)) is None
    assert await reader.at(PICTURE, revision.id, "medium.webp") is None
    await commit(volume.write.pictures, b"two", MEDIUM)
    another.hear(PictureStored(picture=PICTURE, revision=revision_of(b"two"), renditions=(MEDIUM,)))
    assert await reader.find(PICTURE, (MEDIUM,))
    await another.settled()
    found = await reader.find(PICTURE, (MEDIUM,))
    assert found
    assert found.local
    assert found.local.is_preferred()
    await volume.write.pictures.remove(PICTURE)
    clock.passes(volume.settings.pointer_s + 0.1)  # and no event comes
    assert not found.local.is_preferred()
    assert await reader.find(PICTURE, (MEDIUM,)) is None


async def test_what_several_ask_for_at_once_is_asked_for_once(volume: Objects, another: ObjectVolume) -> None:
    await commit(volume.write.pictures, b"one", MEDIUM)
    reader = another.to_read().pictures
    before = dict(another.client.costs.requests)
    found = await asyncio.gather(*(reader.find(PICTURE, (MEDIUM,)) for _ in range(20)))
    assert {await file.content.whole() for file in found if file} == {b"onemedium.webp"}
    assert all(found)
    asked = another.client.costs.requests["get", "done"] - before.get(("get", "done"), 0)
    assert asked == len(("the record", "the file"))
    assert [await reader.find(PICTURE, (MEDIUM,)) for _ in range(20)]
    assert another.client.costs.requests["get", "done"] - before.get(("get", "done"), 0) == asked


@pytest.mark.usefixtures("unhurried")
async def test_a_commit_asks_the_store_twice_in_sequence_and_lists_nothing(volume: Objects) -> None:
    client = volume.opened.client
    assert await volume.read.find(PICTURE, (MEDIUM,)) is None  # as the proxy has just asked
    await volume.write.hosts.pause_of("a.host")  # remembered as long as pointers are
    before = dict(client.costs.requests)
    async with volume.write.pictures.lock(PICTURE):
        await commit(volume.write.pictures, b"one", MEDIUM, SMALL)
        assert await volume.read.find(PICTURE, (MEDIUM,))
    await volume.opened.settled()
    asked = {what: count - before.get(what, 0) for what, count in client.costs.requests.items()}
    assert {what: count for what, count in asked.items() if count} == {
        ("put", "done"): len(("the lock", "the original", "a rendition", "another", "the record")),
        ("delete", "done"): len(("the lock",)),
    }
    assert client.costs.bytes["written",] > len(b"one")


async def test_what_went_from_the_bucket_is_not_taken_for_stored(
    volume: Objects, another: ObjectVolume
) -> None:
    """As a lifecycle rule does it."""
    revision = await commit(volume.write.pictures, b"one", MEDIUM)
    volume.delete(f"p/{PICTURE}/{revision.id}/medium.webp")
    assert (await volume.write.mending.examine(PICTURE)).damages == (
        Damage(Tree.CACHE, "medium.webp", What.MISSING),
    )
    assert await another.to_write().pictures.find(PICTURE, (MEDIUM,)) is None
    current = await another.to_read().pictures.current(PICTURE)
    assert current
    assert current.files == {"original.jpg"}
    again = await commit(volume.write.pictures, b"one", MEDIUM)
    assert again.holds(MEDIUM)


@pytest.mark.parametrize(
    ("body", "what"), [(b"", What.EMPTY), (b"onem", What.TRUNCATED), (b"oneMedium.webp", What.ALTERED)]
)
async def test_a_file_that_is_not_what_it_was_is_found_and_taken_out(
    volume: Objects, body: bytes, what: What
) -> None:
    revision = await commit(volume.write.pictures, b"one", MEDIUM)
    mending = volume.write.mending
    assert (await mending.examine(PICTURE)).is_sound
    volume.put(f"p/{PICTURE}/{revision.id}/medium.webp", body)
    findings = await mending.examine(PICTURE)
    assert (findings.damages, findings.revision) == ((Damage(Tree.CACHE, "medium.webp", what),), revision.id)
    await mending.take_out(findings)
    assert (await mending.examine(PICTURE)).is_sound
    assert volume.keys("p") == [f"p/{PICTURE}/{revision.id}/original.jpg"]


async def test_a_record_that_cannot_be_read_is_found_and_written_anew(volume: Objects) -> None:
    await commit(volume.write.pictures, b"one", MEDIUM)
    volume.put(record_key(PICTURE), b"{")
    findings = await volume.write.mending.examine(PICTURE)
    assert [str(damage) for damage in findings.damages] == ["manifest.json unreadable"]
    await volume.write.mending.take_out(findings)
    assert (await volume.write.mending.examine(PICTURE)).is_sound
    assert await commit(volume.write.pictures, b"one", MEDIUM) == await volume.read.current(PICTURE)


async def test_the_inventory_tells_each_change_by_listing_records_alone(volume: Objects) -> None:
    keeper = volume.opened.to_keep()
    inventory, shelf = keeper.inventory, PICTURE[:2]
    seen = []
    revision = await commit(volume.write.pictures, b"one", MEDIUM)
    for change in (
        lambda: commit(volume.write.pictures, b"one", SMALL),
        lambda: volume.write.pins.pin(PICTURE, NAME),
        lambda: volume.write.pictures.put_state(PICTURE, State(redelivered_starts=1)),
    ):
        seen.append(((await inventory.marks(shelf))[PICTURE], await inventory.parts(shelf)))
        assert (await inventory.marks(PICTURE[:4])).keys() == {PICTURE}
        await change()
    held = (await inventory.holdings([PICTURE, PictureId("ff" * 16)]))[PICTURE]
    assert (held.revision, held.tree, held.mark) == (
        revision.id,
        Tree.KEEP,
        (await inventory.marks(shelf))[PICTURE],
    )
    assert held.kept.bytes == len(b"one" + b"onemedium.webp" + b"onesmall.webp")
    assert held.cached.bytes == 0
    assert len({mark for mark, _ in seen}) == len({tuple(parts) for _, parts in seen}) == len(seen)
    assert not await volume.write.pictures.evict(PICTURE, revision.id, revision.manifest.fetched_at)
    await volume.write.pins.unpin(PICTURE, NAME)
    assert not await volume.write.pictures.evict(PICTURE, revision_of(b"two"), revision.manifest.fetched_at)
    assert await volume.write.pictures.evict(PICTURE, revision.id, revision.manifest.fetched_at)
    assert (volume.keys("p"), volume.keys("index")) == ([], [])


async def test_a_removal_that_was_stopped_is_finished_by_whoever_does_it_again(
    volume: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit(volume.write.pictures, b"one", MEDIUM)

    async def stopped(_keys: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(volume.opened.client, "delete", stopped)
        with pytest.raises(ConnectionError):
            await volume.write.pictures.remove(PICTURE)
    assert await volume.read.find(PICTURE, (ORIGINAL,)) is None, "it is out of sight at once"
    monkeypatch.setattr(records, "GOING_WAIT_S", 0.0)
    with pytest.raises(Locked):
        await commit(volume.write.pictures, b"two")
    monkeypatch.setattr(records, "GOING_S", -1.0)
    assert await volume.write.pictures.remove(PICTURE)
    assert [key for key in volume.keys("") if PICTURE in key] == [
        f"p/{PICTURE}/{revision_of(b'two')}/original.jpg"
    ]


async def test_a_lock_that_nobody_gave_back_ends(
    volume: Objects, another: ObjectVolume, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with volume.write.pictures.lock(PICTURE):
        with pytest.raises(Locked):
            async with another.to_write().pictures.lock(PICTURE):
                pytest.fail("two hold it")
        async with another.to_write().pictures.lock(PICTURE, insist=True):
            pass
        later = utc_now() + timedelta(seconds=leases.LASTS_S + 1)
        monkeypatch.setattr(leases, "utc_now", lambda: later)
        async with another.to_write().pictures.lock(PICTURE):
            pass
    await another.settled()


async def test_what_nobody_speaks_of_is_swept_by_one_of_all(
    volume: Objects, another: ObjectVolume, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = await commit(volume.write.pictures, b"one", MEDIUM)
    volume.put(f"p/{PICTURE}/{revision.id}/w92.webp", b"of a commit that was stopped")
    volume.put(f"p/{'cd' * 16}/{revision.id}/original.jpg", b"of one that nobody finished")
    volume.put("inbox/" + "ab" * 16, b"that nobody took")
    spoken = [f"p/{PICTURE}/{revision.id}/{name}" for name in ("medium.webp", "original.jpg")]
    assert await volume.write.sweep() == 0, "all of it may be of work under way"
    assert len(volume.keys("p")) == len(spoken) + 2
    later = utc_now() + timedelta(days=8)
    for module in (sweep, leases):
        monkeypatch.setattr(module, "utc_now", lambda: later)
    assert await another.to_write().sweep() >= len(("a file", "another", "an upload"))
    assert volume.keys("p") == spoken
    assert volume.keys("inbox") == []
    assert await ObjectVolume(volume.settings).to_write().sweep() == 0, "it has just been done"


async def test_what_clients_wait_for_comes_before_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_files, "WRITTEN_WITHIN_S", 60.0)
    files, key = CachedFiles(tmp_path / "kept", max_bytes=10**6), f"p/{PICTURE}/{'0' * 16}/a.webp"
    with files.giving_way():
        await files.put(key, b"one", 1_795_000_000)
        for _ in range(10):
            await asyncio.sleep(0)
        assert files.find(key, lambda: True) is None
        assert files.coming(key)
    await files.settled()
    assert files.find(key, lambda: True)
    assert files.coming(key) is None
    files.close()


async def test_a_proxy_keeps_the_longest_unused_no_longer(
    volume: Objects, another: ObjectVolume, tmp_path: Path
) -> None:
    """And finds what it had after a restart, at the same place."""
    files = CachedFiles(tmp_path / "kept", max_bytes=25)
    for name in ("a", "b"):
        await files.put(f"p/{PICTURE}/{'0' * 16}/{name}.webp", bytes(10), 1_795_000_000)
    await files.settled()
    assert files.find(f"p/{PICTURE}/{'0' * 16}/a.webp", lambda: True)
    await files.put(f"p/{PICTURE}/{'0' * 16}/c.webp", bytes(10), 1_795_000_000)
    await files.settled()
    files.close()
    again = CachedFiles(tmp_path / "kept", max_bytes=25)
    found = {name: again.find(f"p/{PICTURE}/{'0' * 16}/{name}.webp", lambda: True) for name in "abc"}
    assert {name for name, file in found.items() if file} == {"a", "c"}
    assert found["a"]
    assert found["a"].inside == f"0/p/{PICTURE[:2]}/{PICTURE}.{'0' * 16}.a.webp"
    beside = CachedFiles(tmp_path / "kept", max_bytes=25)
    await beside.put(f"p/{PICTURE}/{'0' * 16}/a.webp", bytes(10), 1_795_000_000)
    await beside.settled()
    assert beside.find(f"p/{PICTURE}/{'0' * 16}/a.webp", lambda: True).inside.startswith("1/")  # type: ignore[union-attr]
    again.forget(PICTURE)
    assert not found["a"].is_there()
    again.close()
    beside.close()


@pytest.mark.parametrize("bytes_", [1000, cached_files.FROM_MEMORY + 1], ids=["small", "large"])
async def test_a_client_is_answered_while_a_small_file_is_being_written_and_by_the_file_where_it_is_large(
    volume: Objects, another: ObjectVolume, monkeypatch: pytest.MonkeyPatch, bytes_: int
) -> None:
    body = bytes(bytes_)
    revision = await commit(volume.write.pictures, body)
    opened, held = threading.Event(), CachedFiles._write

    def slowly(*given: Any) -> bool:
        assert opened.wait(60)
        return held(*given)

    monkeypatch.setattr(CachedFiles, "_write", slowly)
    reader = another.to_read().pictures
    before = another.client.costs.requests["get", "done"]
    is_small = bytes_ <= cached_files.FROM_MEMORY
    if not is_small:
        opened.set()
    for _ in range(3):
        found = await reader.at(PICTURE, revision.id, "original.jpg")
        assert found
        assert (found.local is None) == is_small
        assert await found.content.whole() == body
    asked = another.client.costs.requests["get", "done"] - before
    opened.set()
    await another.settled()
    found = await reader.at(PICTURE, revision.id, "original.jpg")
    assert found
    assert found.local
    assert await found.content.whole() == body
    assert asked == len(("the file", "its record, as it is there"))


async def test_what_is_forgotten_while_it_is_being_written_is_not_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, begun, opened = (
        CachedFiles(tmp_path / "kept", max_bytes=10**6),
        threading.Event(),
        threading.Event(),
    )
    held = files._write

    def slowly(*given: Any) -> bool:
        begun.set()
        assert opened.wait(60)
        return held(*given)

    monkeypatch.setattr(files, "_write", slowly)
    key = f"p/{PICTURE}/{'0' * 16}/a.webp"
    await files.put(key, b"one", 1_795_000_000)
    await asyncio.to_thread(begun.wait, 60)
    files.forget(PICTURE)
    opened.set()
    await files.settled()
    assert not files.holds(key)
    assert not [file for file in (tmp_path / "kept").rglob("*.webp") if file.is_file()]


async def test_a_file_that_a_crash_left_short_is_asked_for_again(
    volume: Objects, another: ObjectVolume
) -> None:
    await commit(volume.write.pictures, b"one", MEDIUM)
    reader = another.to_read().pictures
    assert await reader.find(PICTURE, (MEDIUM,))
    await another.settled()
    found = await reader.find(PICTURE, (MEDIUM,))
    assert found
    assert found.local
    os.truncate(found.local.path, 3)
    again = await reader.find(PICTURE, (MEDIUM,))
    assert again
    assert await again.content.whole() == b"onemedium.webp"


async def test_what_is_about_to_be_looked_at_is_asked_for_at_once_and_then_remembered(
    volume: Objects, another: ObjectVolume, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [SourceUrl.parse(f"http://a.example/{number}.jpg").picture for number in range(6)]
    for picture in pictures[:4]:
        await commit(volume.write.pictures, b"one", picture=picture)
    reader, client = another.to_keep().pictures, another.client
    asking, most, held = 0, 0, client.get

    async def counted(key: str) -> Any:
        nonlocal asking, most
        if not key.startswith("index/"):
            return await held(key)
        asking, most = asking + 1, max(most, asking + 1)
        try:
            return await held(key)
        finally:
            asking -= 1

    monkeypatch.setattr(records, "AHEAD_AT_ONCE", 3)
    monkeypatch.setattr(records, "ABSENT_S", 60.0)
    monkeypatch.setattr(client, "get", counted)
    await reader.ahead(pictures)
    before = dict(client.costs.requests)
    found = [await reader.current(picture) for picture in pictures]
    assert [bool(one) for one in found] == [True] * 4 + [False] * 2
    assert dict(client.costs.requests) == before
    assert most == 3
