"""Copying a volume of files into a store of objects and back, and what other commands say of such a volume."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.command import doctor, volumes
from services.command.server import CommandFailed, told
from shared.pictures import Name, SourceUrl, State, Tree
from shared.volume import VolumeAway, VolumeRefused, WriteVolume, volume_to_archive, volume_to_write
from tests.contract.volumes import MEDIUM, PICTURE, SMALL, Objects, commit, settings_in
from tests.providers.videos import an_mp4
from tests.servers.object_stores import ObjectStore
from tests.servers.store_relay import SLOW_DOWN, StoreRelay

NAME = Name.parse("series/tvdb:81189/poster")
VIDEO = "0e4fb7a8-33f6-4b29-8f6f-000000000001"
PINNED = SourceUrl.parse("http://a.example/pinned.jpg").picture


@pytest.fixture
def files(tmp_path: Path) -> Iterator[WriteVolume]:
    with volume_to_write(settings_in(tmp_path / "first")) as write:
        yield write


async def test_all_of_a_volume_is_copied_there_and_back_and_again_only_what_is_left(
    tmp_path: Path, files: WriteVolume, object_volume: Objects
) -> None:
    state = State(redelivered_starts=3)
    revision = await commit(files.pictures, b"one", MEDIUM, state=state)
    await commit(files.pictures, b"two", picture=PINNED)
    await files.pins.pin(PINNED, NAME)
    await files.names.point(NAME, PINNED)
    draft = files.videos.draft()
    draft.write_bytes(an_mp4(3_000_000))
    await files.videos.put(VIDEO, draft, is_private=True)
    heard: list[None] = []
    objects = object_volume.write

    async def copied(old: WriteVolume, new: WriteVolume) -> dict[str, int]:
        return dict(await volumes.copy_all(old, new, on_picture=lambda: heard.append(None)))

    assert await copied(files, objects) == {"copied": 2, "names": 1, "videos": 1}
    assert len(heard) == 3
    assert await copied(files, objects) == {"there": 2}
    await commit(files.pictures, b"one", SMALL, expected=revision.id)  # the site goes on
    assert await copied(files, objects) == {"copied": 1, "there": 1}
    with volume_to_write(settings_in(tmp_path / "second")) as back:
        assert await copied(objects, back) == {"copied": 2, "names": 1, "videos": 1}
        for volume in (objects, back):
            current = await volume.pictures.current(PICTURE)
            assert current
            assert (current.id, current.tree, current.manifest) == (
                revision.id,
                Tree.CACHE,
                revision.manifest,
            )
            assert current.files == {"original.jpg", "medium.webp", "small.webp"}
            small = await volume.pictures.find(PICTURE, (SMALL,))
            assert small
            assert await small.content.whole() == b"onesmall.webp"
            assert await volume.names.picture(NAME) == PINNED
            assert await volume.pins.names(PINNED) == {NAME}
            video = await volume.videos.find(VIDEO)
            assert video
            assert (video.is_private, await video.content.whole()) == (True, an_mp4(3_000_000))
        assert await copied(objects, back) == {"there": 2}


async def test_a_store_that_wants_to_be_asked_less_ends_no_copy_and_one_that_stays_away_does_in_a_sentence(
    files: WriteVolume, tmp_path: Path, seaweedfs: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "AGAIN_AFTER_S", (0.01,) * 6)
    for number in range(3):
        await commit(files.pictures, b"one", picture=SourceUrl.parse(f"http://a.example/{number}").picture)
    with StoreRelay.before(seaweedfs.endpoint) as relay:
        place = seaweedfs.settings(tmp_path / "s", endpoint=relay.endpoint, cache_directory=tmp_path / "c")
        with volume_to_write(place) as objects:
            refusals = iter([SLOW_DOWN] * 7)
            relay.says = lambda method, _path: next(refusals, None) if method == "PUT" else None
            assert await volumes.copy_all(files, objects, on_picture=lambda: None) == {"copied": 3}
            await commit(files.pictures, b"two", picture=PINNED)
            relay.says = lambda _method, _path: SLOW_DOWN
            with pytest.raises(VolumeAway, match="SlowDown"):
                await volumes.copy_all(files, objects, on_picture=lambda: None)


def test_the_doctor_looks_at_a_store_and_a_backup_does_not_take_its_cache_for_a_volume(
    tmp_path: Path, seaweedfs: ObjectStore
) -> None:
    place = seaweedfs.settings(tmp_path / "state", cache_directory=tmp_path / "kept")
    assert doctor.mounts(place).state is doctor.Health.GOOD
    away = place.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"})
    found = doctor.mounts(away)
    assert (found.state, "does not answer" in found.said) == (doctor.Health.BROKEN, True)
    with pytest.raises(VolumeRefused, match="onesheet volume copy"):
        volume_to_archive(place)


@pytest.mark.parametrize(
    ("source", "sentence"), [("file:{0}/nowhere", "no directory"), ("nowhere", "file:<directory>")]
)
def test_what_is_no_volume_is_refused_in_a_sentence_and_not_made(
    tmp_path: Path, source: str, sentence: str
) -> None:
    with pytest.raises(CommandFailed, match=sentence) as refused:
        volumes.copy(source.format(tmp_path), f"file:{tmp_path}/new", on_picture=lambda: None)
    assert "pydantic" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_what_the_system_says_of_a_file_is_a_sentence() -> None:
    assert told(FileNotFoundError(2, "No such file or directory", "x")) == "x: No such file or directory."
