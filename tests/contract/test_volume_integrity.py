"""What every volume says of what befell its pictures: each kind of damage is found, and nothing that is none."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from shared.pictures import Name, Rendition, State, Tree, picture_path
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER
from shared.volume import Mending, PictureStore, Revision
from shared.volume.inventory import Damage, What
from shared.volume.local.durable import SUMS, add_sums, read_sums
from shared.volume.local.integrity import is_whole
from tests.contract.volumes import MEDIUM, PICTURE, SMALL, LocalFiles, commit, revision_of
from tests.providers.drawing import Format, encode, poster

ONE = b"one"


@pytest.fixture
def volume(local_volume: LocalFiles) -> LocalFiles:
    return local_volume


@pytest.fixture
def mending(volume: LocalFiles) -> Mending:
    return volume.write.mending


@pytest.fixture
async def revision(store: PictureStore) -> Revision:
    return await commit(store, ONE, MEDIUM)


@pytest.fixture
def directory(volume: LocalFiles) -> Path:
    return volume.layout.root / picture_path(Tree.CACHE, PICTURE)


@pytest.fixture
def inside(directory: Path, revision: Revision) -> Path:
    return directory / revision.id


def drawn(extension: str, seed: int = 1) -> bytes:
    formats: dict[str, Format] = {"webp": "webp", "jpg": "jpeg", "png": "png", "gif": "gif"}
    return encode(poster(seed, (40, 60)), formats[extension])


def settle(directory: Path) -> None:
    """It has been there for an hour."""
    for path in (directory, *directory.rglob("*")):
        os.utime(path, (time.time() - 3600,) * 2, follow_symlinks=False)


async def damages(mending: Mending) -> list[str]:
    return [str(damage) for damage in (await mending.examine(PICTURE)).damages]


async def test_what_was_committed_is_sound(mending: Mending, revision: Revision) -> None:
    findings = await mending.examine(PICTURE)
    assert (findings.is_sound, findings.revision, findings.manifest) == (True, revision.id, revision.manifest)
    assert findings.bytes == len(ONE) + len(b"onemedium.webp")


async def test_what_is_not_there_is_sound(mending: Mending) -> None:
    findings = await mending.examine(PICTURE)
    assert (findings.is_sound, findings.revision) == (True, None)


async def test_the_sums_are_those_that_sha256sum_checks(
    inside: Path, store: PictureStore, revision: Revision
) -> None:
    async with store.draft() as draft:
        (draft.directory / str(SMALL)).write_bytes(b"small")
        await store.add(revision, [draft.directory / str(SMALL)])
    command = ["sha256sum", "--check", "--strict", SUMS]
    said = await asyncio.to_thread(
        subprocess.run, command, cwd=inside, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == ["medium.webp: OK", "original.jpg: OK", "small.webp: OK"]
    assert SUMS not in (await store.current(PICTURE)).files  # type: ignore[union-attr]  # it is there


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("medium.webp", b"", What.EMPTY),
        ("medium.webp", b"oneMedium.webp", What.TRUNCATED),  # it is no WebP either
        ("original.jpg", b"", What.EMPTY),
        ("original.jpg", b"on", What.TRUNCATED),
        ("original.jpg", b"two", What.ALTERED),
    ],
)
async def test_a_file_that_is_not_what_it_was_is_found(
    mending: Mending, inside: Path, file: str, content: bytes, what: What
) -> None:
    (inside / file).write_bytes(content)
    findings = await mending.examine(PICTURE)
    assert findings.damages == (Damage(Tree.CACHE, file, what),)
    assert findings.lost_original == file.startswith("original")
    assert findings.lost_renditions == (() if file.startswith("original") else (file,))


async def test_another_picture_in_the_place_of_one_is_found(mending: Mending, inside: Path) -> None:
    """Whole, and of the same size: only its sum tells."""
    right, wrong = (drawn("webp", seed) for seed in (1, 2))
    (inside / "small.webp").write_bytes(right)
    add_sums(inside, [inside / "small.webp"])
    assert await damages(mending) == []
    (inside / "small.webp").write_bytes(wrong)
    assert await damages(mending) == ["small.webp altered"]


async def test_a_rendition_that_two_have_made_is_either(
    mending: Mending, inside: Path, tmp_path: Path
) -> None:
    other = tmp_path / "medium.webp"
    other.write_bytes(b"made by somebody else")
    add_sums(inside, [other])
    assert await damages(mending) == []
    other.replace(inside / "medium.webp")
    assert await damages(mending) == []


async def test_a_torn_line_of_sums_says_nothing(mending: Mending, inside: Path) -> None:
    with (inside / SUMS).open("ab") as sums:
        sums.write(b"0123abcd  small.w")
    assert set(read_sums(inside)) == {"medium.webp", "original.jpg"}
    assert await damages(mending) == []


@pytest.mark.parametrize(("content", "found"), [(b"two", ["original.jpg altered"]), (ONE, [])])
async def test_a_revision_without_sums_is_checked_as_far_as_it_can_be(
    mending: Mending, inside: Path, content: bytes, found: list[str]
) -> None:
    (inside / SUMS).unlink()
    (inside / "original.jpg").write_bytes(content)
    (inside / "medium.webp").write_bytes(drawn("webp"))
    assert await damages(mending) == found
    (inside / "medium.webp").write_bytes(drawn("webp")[:-10])
    assert await damages(mending) == ["medium.webp truncated", *found]


@pytest.mark.parametrize("format_", ["webp", "jpg", "png", "gif"])
def test_a_file_that_ends_early_is_not_whole(tmp_path: Path, format_: str) -> None:
    file = tmp_path / f"small.{format_}"
    whole = drawn(format_)
    file.write_bytes(whole)
    assert is_whole(file)
    for cut in (1, 20, len(whole) - 1, len(whole)):
        file.write_bytes(whole[:-cut])
        if not (format_ == "gif" and cut == 1):  # whose last byte may stand anywhere
            assert not is_whole(file)


async def test_a_manifest_that_cannot_be_read_is_found(
    mending: Mending, directory: Path, inside: Path
) -> None:
    (inside / MANIFEST).write_text("{")
    assert await damages(mending) == []  # it may be written just now
    settle(directory)
    assert await damages(mending) == ["manifest.json unreadable"]
    (inside / MANIFEST).unlink()
    settle(directory)
    assert await damages(mending) == ["manifest.json missing"]


async def test_a_revision_without_a_pointer_is_found(mending: Mending, directory: Path, inside: Path) -> None:
    (directory / POINTER).unlink()
    assert await damages(mending) == []  # it may be committed just now
    assert [str(damage) for damage in (await mending.examine_locked(PICTURE)).damages] == ["current missing"]
    settle(directory)
    assert await damages(mending) == ["current missing"]


async def test_a_pointer_to_nothing_is_found(volume: LocalFiles, mending: Mending) -> None:
    volume.point_into_the_void(PICTURE)
    assert await damages(mending) == ["current unreadable"]


async def test_a_state_that_cannot_be_read_is_found(
    volume: LocalFiles, mending: Mending, revision: Revision
) -> None:
    volume.damage_state(PICTURE)
    assert await damages(mending) == ["state.json unreadable"]


async def test_a_failure_alone_is_sound(mending: Mending, store: PictureStore) -> None:
    await store.put_state(PICTURE, State())
    assert await damages(mending) == []


async def test_a_spool_is_nobodys_damage(volume: LocalFiles, mending: Mending, revision: Revision) -> None:
    volume.spool(revision)
    assert await damages(mending) == []


async def test_a_pinned_picture_is_checked_where_it_is_kept(
    volume: LocalFiles, mending: Mending, revision: Revision
) -> None:
    name = Name.parse("movie/tmdb:603/poster")
    assert await volume.write.pins.pin(PICTURE, name)
    assert await damages(mending) == []
    kept = volume.layout.picture(Tree.KEEP, PICTURE) / revision.id / "medium.webp"
    kept.unlink()
    kept.write_bytes(b"something else")
    findings = await mending.examine(PICTURE)
    assert findings.damages == (Damage(Tree.KEEP, "medium.webp", What.TRUNCATED),)


async def test_what_is_damaged_is_taken_out_and_the_rest_stays(
    volume: LocalFiles, store: PictureStore, mending: Mending, inside: Path
) -> None:
    (inside / "original.jpg").write_bytes(b"two")
    await mending.take_out(await mending.examine_locked(PICTURE))
    current = await store.current(PICTURE)
    assert current
    assert current.files == {"medium.webp"}
    assert (await mending.examine(PICTURE)).is_sound


async def test_where_a_whole_revision_is_left_it_is_pointed_at(
    store: PictureStore, mending: Mending, directory: Path, revision: Revision
) -> None:
    second = await commit(store, b"two", MEDIUM, expected=revision.id)
    (directory / second.id / MANIFEST).unlink()
    await mending.take_out(await mending.examine_locked(PICTURE))
    assert await store.current(PICTURE) == revision
    assert not (directory / second.id).exists()


async def test_where_none_is_left_there_is_no_pointer(
    store: PictureStore, mending: Mending, directory: Path, inside: Path
) -> None:
    (inside / MANIFEST).unlink()
    await mending.take_out(await mending.examine_locked(PICTURE))
    assert await store.current(PICTURE) is None
    assert not (directory / POINTER).is_symlink()
    assert (directory / STATE).exists()


async def test_the_same_bytes_committed_again_bring_what_was_taken_out(
    store: PictureStore, mending: Mending, inside: Path
) -> None:
    (inside / "original.jpg").write_bytes(b"")
    await mending.take_out(await mending.examine_locked(PICTURE))
    again = await commit(store, ONE, SMALL, expected=revision_of(ONE))
    assert again.files == {"original.jpg", "medium.webp", "small.webp"}
    assert await damages(mending) == []
    assert set(read_sums(inside)) == {"original.jpg", "medium.webp", "small.webp"}


def test_nothing_is_said_of_the_end_of_what_has_none(tmp_path: Path) -> None:
    drawing = tmp_path / "original.svg"
    drawing.write_text("<svg/>")
    assert is_whole(drawing)
    drawing.write_text("")
    assert not is_whole(drawing)


def test_a_rendition_is_named_in_sums_as_everywhere(tmp_path: Path) -> None:
    file = tmp_path / str(Rendition.parse("h632.webp"))
    file.write_bytes(b"x")
    add_sums(tmp_path, [file])
    assert set(read_sums(tmp_path)) == {"h632.webp"}
