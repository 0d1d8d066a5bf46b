"""Pins and the inbox, on every volume."""

from pathlib import Path

import pytest

from shared.pictures import ORIGINAL, Name, State, Tree, Upload
from shared.volume import PictureStore, Revision
from tests.contract.volumes import MEDIUM, NOW, PICTURE, SMALL, VolumeUnderTest, commit

NAME = Name.parse("series/tvdb:81189/poster")
OTHER_NAME = Name.parse("movie/tmdb:603/poster")
UPLOAD = Upload("0123456789abcdef" * 4)


async def current(store: PictureStore) -> Revision:
    revision = await store.current(PICTURE)
    assert revision is not None
    return revision


async def content(volume: VolumeUnderTest) -> bytes | None:
    found = await volume.read.find(PICTURE, (MEDIUM,))
    return await found.content.whole() if found else None


async def add_small(store: PictureStore, revision: Revision) -> None:
    async with store.draft() as draft:
        (draft.directory / str(SMALL)).write_bytes(b"small")
        await store.add(revision, [draft.directory / str(SMALL)])


async def test_what_is_not_stored_cannot_be_pinned(volume: VolumeUnderTest) -> None:
    assert not await volume.write.pins.pin(PICTURE, NAME)
    assert not await volume.write.pins.holds(PICTURE, NAME)
    assert not await volume.write.pins.unpin(PICTURE, NAME)
    assert [picture async for picture in volume.read.pictures()] == []


async def test_a_pinned_picture_is_kept_as_it_is(volume: VolumeUnderTest, store: PictureStore) -> None:
    before = await commit(store, b"one", MEDIUM, state=State(fresh_until=NOW, redelivered_starts=3))
    assert await volume.write.pins.pin(PICTURE, NAME)
    kept = await current(store)
    assert (kept.tree, kept.id, kept.manifest, kept.files) == (
        Tree.KEEP,
        before.id,
        before.manifest,
        before.files,
    )
    assert await volume.read.state(PICTURE) == State(fresh_until=NOW, redelivered_starts=3)
    assert await content(volume) == b"onemedium.webp"
    assert await volume.write.pins.holds(PICTURE, NAME)
    assert not await volume.write.pins.holds(PICTURE, OTHER_NAME)
    assert [picture async for picture in volume.read.pictures()] == [PICTURE]


async def test_pinning_twice_is_pinning_once(volume: VolumeUnderTest, store: PictureStore) -> None:
    await commit(store, b"one", MEDIUM, state=State(redelivered_starts=3))
    pins = volume.write.pins
    assert [await pins.pin(PICTURE, NAME) for _ in range(3)] == [True, True, True]
    kept = await current(store)
    assert await pins.unpin(PICTURE, NAME)
    assert (await current(store)).tree is Tree.CACHE
    assert (await current(store)).files == kept.files
    assert await volume.read.state(PICTURE) == State(redelivered_starts=3)
    assert not await pins.unpin(PICTURE, NAME)


async def test_a_picture_is_kept_until_its_last_pin_is_gone(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await commit(store, b"one", MEDIUM)
    pins = volume.write.pins
    await pins.pin(PICTURE, NAME)
    await pins.pin(PICTURE, OTHER_NAME)
    assert [await pins.holds(PICTURE, name) for name in (NAME, OTHER_NAME)] == [True, True]
    await pins.unpin(PICTURE, NAME)
    assert (await current(store)).tree is Tree.KEEP
    assert await pins.holds(PICTURE, OTHER_NAME)
    assert not await pins.holds(PICTURE, NAME)
    await pins.unpin(PICTURE, OTHER_NAME)
    assert (await current(store)).tree is Tree.CACHE
    assert not await pins.holds(PICTURE, OTHER_NAME)
    assert await content(volume) == b"onemedium.webp"


async def test_who_has_not_pinned_a_picture_cannot_unpin_it(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await commit(store, b"one", MEDIUM, into=Tree.KEEP)
    assert not await volume.write.pins.unpin(PICTURE, NAME)
    assert (await current(store)).tree is Tree.KEEP


async def test_an_upload_stays_kept_without_any_pin(volume: VolumeUnderTest, store: PictureStore) -> None:
    await commit(store, b"one", picture=UPLOAD.picture, source=str(UPLOAD), into=Tree.KEEP)
    pins = volume.write.pins
    await pins.pin(UPLOAD.picture, NAME)
    assert await pins.unpin(UPLOAD.picture, NAME)
    assert not await pins.holds(UPLOAD.picture, NAME)
    kept = await volume.read.current(UPLOAD.picture)
    assert kept is not None
    assert kept.tree is Tree.KEEP


async def test_a_commit_goes_where_it_belongs(volume: VolumeUnderTest, store: PictureStore) -> None:
    first = await commit(store, b"one", MEDIUM, into=Tree.KEEP)
    assert first.tree is Tree.KEEP
    second = await commit(store, b"two", MEDIUM, expected=first.id)  # a refresh knows nothing of trees
    assert (second.tree, await content(volume)) == (Tree.KEEP, b"twomedium.webp")


async def test_what_was_cached_goes_when_what_is_kept_changes(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    """Else links into `cache` would show the picture of then."""
    first = await commit(store, b"one", MEDIUM)
    await volume.write.pins.pin(PICTURE, NAME)
    assert volume.in_cache(PICTURE, MEDIUM) == b"onemedium.webp"  # for names that point there
    await commit(store, b"two", MEDIUM, expected=first.id)
    assert volume.in_cache(PICTURE, MEDIUM) is None
    assert await content(volume) == b"twomedium.webp"


async def test_a_rendition_is_added_where_the_picture_is_served_from(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    cached = await commit(store, b"one")
    await volume.write.pins.pin(PICTURE, NAME)
    await add_small(store, cached)  # by a job that found it before it was pinned
    assert (await current(store)).holds(SMALL)
    kept = await current(store)
    await volume.write.pins.unpin(PICTURE, NAME)
    await volume.write.pins.pin(PICTURE, NAME)
    await volume.write.pins.unpin(PICTURE, NAME)
    await add_small(store, kept)  # and by one that found it before it was unpinned
    assert (await current(store)).holds(SMALL)


async def test_unpinning_keeps_what_was_made_since(volume: VolumeUnderTest, store: PictureStore) -> None:
    first = await commit(store, b"one", MEDIUM)
    await volume.write.pins.pin(PICTURE, NAME)
    await add_small(store, first)
    await store.put_state(PICTURE, State(redelivered_starts=4))
    await volume.write.pins.unpin(PICTURE, NAME)
    left = await current(store)
    assert (left.tree, set(left.renditions)) == (Tree.CACHE, {MEDIUM, SMALL})
    assert await volume.read.state(PICTURE) == State(redelivered_starts=4)


async def test_a_spooled_original_is_not_pinned(volume: VolumeUnderTest, store: PictureStore) -> None:
    revision = await commit(store, b"one", MEDIUM)
    volume.spool(revision)
    await volume.write.pins.pin(PICTURE, NAME)
    assert (await current(store)).files == {"medium.webp"}
    await store.drop_spool(PICTURE, revision.id)
    assert await volume.read.find(PICTURE, (ORIGINAL,)) is None


async def test_a_purge_takes_the_pins_along(volume: VolumeUnderTest, store: PictureStore) -> None:
    await commit(store, b"one", MEDIUM)
    await volume.write.pins.pin(PICTURE, NAME)
    assert await store.remove(PICTURE)
    assert await volume.read.current(PICTURE) is None
    assert await content(volume) is None
    assert not await volume.write.pins.holds(PICTURE, NAME)
    assert (await commit(store, b"one", MEDIUM)).tree is Tree.CACHE


async def test_pins_that_cannot_be_read_count_as_none_and_the_picture_stays(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await commit(store, b"one", MEDIUM)
    pins = volume.write.pins
    await pins.pin(PICTURE, NAME)
    volume.damage_pins(PICTURE)
    assert not await pins.unpin(PICTURE, NAME)
    assert (await current(store)).tree is Tree.KEEP
    await pins.pin(PICTURE, NAME)
    assert await pins.holds(PICTURE, NAME)


async def test_an_upload_is_copied_from_the_inbox_until_it_is_removed(
    volume: VolumeUnderTest, tmp_path: Path
) -> None:
    inbox, into = volume.write.inbox, tmp_path / "copy"
    one, other = await inbox.put(b"one"), await inbox.put(b"other")
    assert one != other
    for _ in range(2):
        assert await inbox.copy(one, into)
        assert into.read_bytes() == b"one"
    many = await inbox.put_all(body for body in (b"first", b"second"))
    wanted = {inbox_id: tmp_path / inbox_id for inbox_id in (*many, "0" * 32)}
    assert sorted(await inbox.copy_all(wanted)) == sorted(many)
    assert [wanted[inbox_id].read_bytes() for inbox_id in many] == [b"first", b"second"]
    await inbox.remove(one)
    await inbox.remove(one)
    assert not await inbox.copy(one, into)
    assert await inbox.copy(other, into)
    assert into.read_bytes() == b"other"


@pytest.mark.parametrize("odd", ["../names/x", "", "x" * 32, "/etc/passwd", "a/b"])
async def test_an_odd_id_leads_nowhere(volume: VolumeUnderTest, tmp_path: Path, odd: str) -> None:
    with pytest.raises(ValueError):
        await volume.write.inbox.copy(odd, tmp_path / "copy")
    with pytest.raises(ValueError):
        await volume.write.inbox.remove(odd)
