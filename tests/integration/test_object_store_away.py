"""A proxy and a fetcher on a store of objects that is away, slow, or whose answers are lost; and how often they ask it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.volume import VolumeSettings
from shared.volume.objects import names, records
from tests.integration.conftest import Start
from tests.integration.onesheet import until
from tests.servers.object_stores import Clock, ObjectStore
from tests.servers.store_relay import SLOW_DOWN, StoreRelay

POSTER, OTHER, THIRD = (f"/poster/{number}-300x450.jpg" for number in (1, 2, 3))
AWAY_S = 60.0


@pytest.fixture
def relay(seaweedfs: ObjectStore) -> Iterator[StoreRelay]:
    with StoreRelay.before(seaweedfs.endpoint) as relay:
        yield relay


@pytest.fixture
def place(tmp_path: Path, seaweedfs: ObjectStore, relay: StoreRelay) -> VolumeSettings:
    return seaweedfs.settings(
        tmp_path / "state", endpoint=relay.endpoint, cache_directory=tmp_path / "kept", s3_timeout_s=5
    )


@pytest.mark.usefixtures("unhurried")
async def test_a_miss_asks_the_store_four_times_in_sequence_and_a_hit_never(
    start: Start, place: VolumeSettings, relay: StoreRelay
) -> None:
    unhurried = place.model_copy(update={"pointer_s": 300.0})
    onesheet = await start(place=unhurried, ENABLE_IMAGE_OPTIMIZATION="false")
    before = len(relay.asked)
    assert (await onesheet.get(POSTER, size="small")).status == 200  # now it is known which hosts are paused
    await until(lambda: any(line.startswith("POST") for line in relay.asked[before:]))
    before, relay.in_sequence = len(relay.asked), 0
    assert (await onesheet.get(OTHER, size="small")).status == 200
    assert relay.in_sequence <= 4, (relay.in_sequence, relay.asked[before:])
    await until(lambda: any(line.startswith("POST") for line in relay.asked[before:]))
    asked = [line.partition(" ")[0] for line in relay.asked[before:]]
    assert (asked.count("PUT"), asked.count("POST")) == (len(("lock", "original", "small", "record")), 1)
    for path in (POSTER, OTHER) * 5:
        assert (await onesheet.get(path, size="small")).headers["X-Image-Cached"] == "true"
    assert len(relay.asked) == before + len(asked)


async def test_while_the_store_is_away_warm_hits_go_on_and_misses_answer_clearly(
    start: Start, place: VolumeSettings, relay: StoreRelay, clock: Clock
) -> None:
    onesheet = await start(place=place, ENABLE_IMAGE_OPTIMIZATION="false")
    warm = await onesheet.get(POSTER, size="small")
    relay.is_cut = True
    clock.passes(AWAY_S)
    for _ in range(3):
        hit = await onesheet.get(POSTER, size="small")
        assert (hit.status, hit.body) == (200, warm.body)
    missed = await onesheet.get(OTHER, size="small")
    assert (missed.status, missed.headers["Retry-After"]) == (503, "5")
    assert "cannot be reached" in missed.problem["detail"]
    assert onesheet.host.count(OTHER) == 0
    relay.is_cut = False
    found = await onesheet.get(OTHER, size="small")
    assert (found.status, found.headers["Content-Type"]) == (200, "image/webp")


async def test_while_the_store_wants_to_be_asked_less_hits_go_on_and_who_waits_gets_the_picture(
    start: Start, place: VolumeSettings, relay: StoreRelay, clock: Clock
) -> None:
    onesheet = await start(place=place, ENABLE_IMAGE_OPTIMIZATION="false")
    warm = await onesheet.get(POSTER, size="small")
    relay.says = lambda method, _path: SLOW_DOWN if method == "PUT" else None
    waiting, before = asyncio.create_task(onesheet.get(OTHER, size="small")), len(relay.asked)
    await until(lambda: sum(line.startswith("PUT") for line in relay.asked[before:]) > 2)
    relay.says = lambda _method, _path: SLOW_DOWN
    clock.passes(AWAY_S)
    hit = await onesheet.get(POSTER, size="small")
    assert (hit.status, hit.body) == (200, warm.body)
    missed = await onesheet.get(THIRD, size="small")
    assert (missed.status, missed.headers["Retry-After"]) == (503, "5")
    relay.says = lambda _method, _path: None
    assert (await waiting).status == 200
    current = await onesheet.current(OTHER)
    assert current
    assert (await onesheet.volume.mending.examine(onesheet.picture(OTHER))).is_sound


async def test_while_the_store_is_slow_warm_hits_do_not_wait_for_it(
    start: Start, place: VolumeSettings, relay: StoreRelay, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (records, names):
        monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    onesheet = await start(
        place=place.model_copy(update={"s3_timeout_s": 0.5}), ENABLE_IMAGE_OPTIMIZATION="false"
    )
    warm = await onesheet.get(POSTER, size="small")
    relay.is_held = True
    clock.passes(place.pointer_s + 1)
    hit = await onesheet.get(POSTER, size="small")
    assert (hit.status, hit.body) == (200, warm.body)
    assert (await onesheet.get(OTHER, size="small")).status == 503
    relay.is_held = False
    assert (await onesheet.get(OTHER, size="small")).status == 200


async def test_where_answers_are_lost_pictures_are_fetched_once_and_whole(
    start: Start, place: VolumeSettings, relay: StoreRelay
) -> None:
    onesheet = await start(place=place, ENABLE_IMAGE_OPTIMIZATION="false")
    relay.loses = lambda _method, _path, count: count == 1
    for path in (POSTER, OTHER, THIRD):
        found = await onesheet.get(path, size="small")
        assert (found.status, found.headers["Content-Type"]) == (200, "image/webp")
        current = await onesheet.current(path)
        assert current
        assert current.files == {"original.jpg", "small.webp"}
        assert (await onesheet.volume.mending.examine(onesheet.picture(path))).is_sound
        assert onesheet.host.count(path) == 1
