"""What every volume tells of what it holds, and what it lets go to make room."""

import os
from contextlib import suppress
from datetime import timedelta

import pytest

from shared.pictures import Failure, FailureClass, Name, PictureId, State, Tree
from shared.volume import NOTHING, Extent, Holding, Inventory, PictureStore, lacking, volume_to_keep
from shared.volume.inventory import ABSENT, UNMARKED, Space
from shared.volume.local import inventory as local_inventory
from tests.contract.volumes import MEDIUM, NOW, PICTURE, SMALL, LocalFiles, commit, revision_of

OTHER = PictureId("ff" * 16)
FIRST, SECOND = b"one", b"two"


@pytest.fixture
def volume(local_volume: LocalFiles) -> LocalFiles:
    return local_volume


@pytest.fixture
def inventory(volume: LocalFiles) -> Inventory:
    return volume_to_keep(volume.settings).inventory


async def held(inventory: Inventory, picture: PictureId = PICTURE) -> Holding:
    return (await inventory.holdings([picture]))[picture]


async def mark(inventory: Inventory, picture: PictureId = PICTURE) -> int:
    return (await inventory.marks(picture[:2]))[picture]


async def test_an_empty_volume_holds_nothing(inventory: Inventory) -> None:
    assert await inventory.holdings([PICTURE]) == {}
    assert [picture for shelf in inventory.shelves for picture in await inventory.marks(shelf)] == []


async def test_every_picture_lies_on_the_shelf_its_id_begins_with(
    store: PictureStore, inventory: Inventory
) -> None:
    await commit(store, FIRST)
    await commit(store, FIRST, picture=OTHER)
    found = {shelf: set(await inventory.marks(shelf)) for shelf in inventory.shelves}
    assert {shelf: pictures for shelf, pictures in found.items() if pictures} == {
        PICTURE[:2]: {PICTURE},
        "ff": {OTHER},
    }
    assert list(inventory.shelves) == sorted(inventory.shelves)


async def test_what_is_held_is_told_with_what_it_takes(store: PictureStore, inventory: Inventory) -> None:
    revision = await commit(store, FIRST, MEDIUM)
    first = await held(inventory)
    assert (first.revision, first.tree, first.manifest) == (revision.id, Tree.CACHE, revision.manifest)
    assert first.kept == NOTHING
    await commit(store, bytes(100_000), MEDIUM, SMALL, expected=revision.id)
    second = await held(inventory)
    assert second.cached.bytes >= first.cached.bytes + 300_000
    added = ("the revision", "its manifest", "its sums", "the original", "a rendition", "another")
    assert second.cached.files == first.cached.files + len(added)


async def test_a_failure_without_a_picture_is_held_too(store: PictureStore, inventory: Inventory) -> None:
    await store.put_state(PICTURE, State(checked_at=NOW))
    holding = await held(inventory)
    assert (holding.revision, holding.manifest, holding.state.checked_at) == (None, None, NOW)
    assert holding.cached.files == 2


async def test_a_kept_picture_is_told_apart_from_its_cached_copy(
    volume: LocalFiles, store: PictureStore, inventory: Inventory
) -> None:
    await commit(store, FIRST, MEDIUM)
    before = await held(inventory)
    volume.keep(PICTURE)
    after = await held(inventory)
    assert after.tree is Tree.KEEP
    assert (after.cached, after.kept.files) == (before.cached, before.cached.files)


async def test_the_mark_changes_with_whatever_is_added_or_replaced(
    store: PictureStore, inventory: Inventory
) -> None:
    marks = []
    revision = await commit(store, FIRST)
    marks.append(await mark(inventory))
    async with store.draft() as draft:
        (draft.directory / str(SMALL)).write_bytes(b"small")
        await store.add(revision, [draft.directory / str(SMALL)])
    marks.append(await mark(inventory))
    await store.put_state(PICTURE, State(checked_at=NOW))
    marks.append(await mark(inventory))
    await commit(store, SECOND, expected=revision.id)
    marks.append(await mark(inventory))
    assert len(set(marks)) == len(marks)
    assert await mark(inventory) == marks[-1]


def let_it_rest(volume: LocalFiles, picture: PictureId = PICTURE) -> None:
    """As if the last change in what it shares with others were long ago."""
    for tree in Tree:
        with suppress(FileNotFoundError):
            os.utime(volume.settings.root / tree / picture[:2] / picture[2:4], (1, 1))


async def part(inventory: Inventory, picture: PictureId = PICTURE) -> int:
    return (await inventory.parts(picture[:2]))[int(picture[2:4], 16)]


async def test_a_part_tells_of_every_change_in_its_pictures_and_of_no_others(
    volume: LocalFiles, store: PictureStore, inventory: Inventory
) -> None:
    assert await part(inventory) == ABSENT
    revision = await commit(store, FIRST)
    assert await part(inventory) == UNMARKED
    async with store.draft() as draft:
        (draft.directory / str(SMALL)).write_bytes(b"small")
        changes = (
            lambda: store.add(revision, [draft.directory / str(SMALL)]),
            lambda: store.put_state(PICTURE, State(checked_at=NOW)),
            lambda: commit(store, SECOND, expected=revision.id),
            lambda: store.remove(PICTURE),
        )
        for change in changes:
            let_it_rest(volume)
            rested = await part(inventory)
            assert rested not in {UNMARKED, ABSENT}
            await commit(store, FIRST, picture=OTHER)
            assert await part(inventory) == rested
            await change()
            assert await part(inventory) != rested


async def test_a_part_is_looked_at_alone(store: PictureStore, inventory: Inventory) -> None:
    await commit(store, FIRST)
    assert set(await inventory.marks(PICTURE[:4])) == {PICTURE}
    other = next(part for part in ("00", "01") if part != PICTURE[2:4])
    assert await inventory.marks(PICTURE[:2] + other) == {}


async def test_a_sweep_of_what_did_not_change_takes_a_look_at_each_part_and_at_no_picture(
    volume: LocalFiles, store: PictureStore, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    really = local_inventory._changed_ns

    def counted(path: str) -> int:
        looks.append(path)
        return really(path)

    for number in range(6):
        await commit(store, FIRST, picture=PictureId(PICTURE[:4] + f"{number:028x}"))
    monkeypatch.setattr(local_inventory, "_changed_ns", counted)
    await inventory.parts(PICTURE[:2])
    assert looks == [str(volume.settings.root / Tree.CACHE / PICTURE[:2] / PICTURE[2:4])]


async def test_what_has_just_changed_has_no_mark_yet(store: PictureStore, inventory: Inventory) -> None:
    await commit(store, FIRST)
    assert (await held(inventory)).mark == UNMARKED


async def test_a_volume_that_went_away_is_no_empty_one(volume: LocalFiles, inventory: Inventory) -> None:
    (volume.layout.root / Tree.KEEP).rmdir()
    with pytest.raises(OSError, match="keep"):
        await inventory.marks("00")
    with pytest.raises(OSError, match="keep"):
        await inventory.holdings([PICTURE])


async def test_a_picture_that_is_what_was_chosen_is_evicted(
    volume: LocalFiles, store: PictureStore, inventory: Inventory
) -> None:
    revision = await commit(store, FIRST, MEDIUM)
    assert await store.evict(PICTURE, revision.id, NOW)
    assert await volume.read.current(PICTURE) is None
    assert await inventory.holdings([PICTURE]) == {}
    assert not list(volume.layout.trash.iterdir())
    assert not volume.layout.picture(Tree.CACHE, PICTURE).parent.exists()
    assert not await store.evict(PICTURE, revision.id, NOW)


async def test_what_was_fetched_again_is_not_evicted(volume: LocalFiles, store: PictureStore) -> None:
    revision = await commit(store, FIRST)
    assert not await store.evict(PICTURE, revision.id, NOW - timedelta(seconds=1))
    assert not await store.evict(PICTURE, revision_of(SECOND), NOW)
    assert not await store.evict(PICTURE, None, None)
    assert await volume.read.current(PICTURE) == revision


async def test_a_failure_is_evicted_where_nothing_is_stored(
    volume: LocalFiles, store: PictureStore, inventory: Inventory
) -> None:
    await store.put_state(PICTURE, State(checked_at=NOW))
    assert not await store.evict(PICTURE, revision_of(FIRST), NOW)
    assert await store.evict(PICTURE, None, None)
    assert await inventory.holdings([PICTURE]) == {}


async def test_what_is_kept_is_never_evicted_but_its_cached_copy_is(
    volume: LocalFiles, store: PictureStore, inventory: Inventory
) -> None:
    revision = await commit(store, FIRST, MEDIUM)
    volume.keep(PICTURE)
    assert await store.evict(PICTURE, revision.id, NOW)
    assert not await store.evict(PICTURE, revision.id, NOW)
    holding = await held(inventory)
    assert (holding.tree, holding.cached, holding.revision) == (Tree.KEEP, NOTHING, revision.id)


async def test_the_directories_that_pictures_share_are_told(
    volume: LocalFiles, store: PictureStore, inventory: Inventory
) -> None:
    none, some = await inventory.shelving(0), await inventory.shelving(1000)
    assert (none.files, some.files) == (0, 1243)  # of a thousand, some share one
    assert none.bytes == 0
    assert (await inventory.shelving(10**9)).files == 256 + 256 * 256


async def test_what_is_remembered_of_refused_names_counts_as_used(
    volume: LocalFiles, inventory: Inventory
) -> None:
    gone = Failure.after(None, FailureClass.GONE, "There is none.", now=NOW)
    for number in range(10):
        await volume.write.names.refuse(Name.parse(f"movie/tmdb:{number}/poster"), gone)
    used = await inventory.shelving(0)
    assert used.bytes > 0
    assert used.files == len(list(volume.layout.refused.iterdir())) > 0


async def test_the_space_that_is_left_is_told(inventory: Inventory) -> None:
    space = await inventory.space()
    assert space.bytes > 0
    assert space.files is None or space.files > 0


def test_what_lacks_to_a_floor() -> None:
    floor = Extent(100, 10)
    assert lacking(Space(100, 10), floor) == NOTHING
    assert lacking(Space(40, 12), floor) == Extent(60, 0)
    assert lacking(Space(140, 2), floor) == Extent(0, 8)
    assert lacking(Space(140, None), floor) == NOTHING
