"""What every volume does with pictures, whatever it is made of."""

from contextlib import AsyncExitStack

import pytest

from shared.pictures import ORIGINAL, Rendition, SourceUrl, State, Tree
from shared.volume import NewRevision, PictureStore, RevisionGone, StoredFile, Superseded
from tests.contract.volumes import (
    MEDIUM,
    NOW,
    PICTURE,
    SMALL,
    VolumeUnderTest,
    commit,
    manifest_of,
    revision_of,
)

LARGE = Rendition.parse("large.webp")


async def content(file: StoredFile | None) -> bytes:
    assert file is not None
    return await file.content.whole()


async def test_nothing_is_found_where_nothing_was_committed(volume: VolumeUnderTest) -> None:
    assert await volume.read.find(PICTURE, (MEDIUM, ORIGINAL)) is None
    assert await volume.read.current(PICTURE) is None
    assert await volume.read.state(PICTURE) == State()
    assert [picture async for picture in volume.read.pictures()] == []


async def test_what_is_committed_is_found_through_the_pointer(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    revision = await commit(store, b"one", MEDIUM)
    assert await volume.read.current(PICTURE) == revision
    assert revision.renditions == (MEDIUM,)
    found = await volume.read.find(PICTURE, (MEDIUM,))
    assert found is not None
    assert await content(found) == b"onemedium.webp"
    assert (found.bytes, found.file_name, found.extension) == (14, "medium.webp", "webp")
    assert await content(await volume.read.find(PICTURE, (ORIGINAL,))) == b"one"
    assert (
        await content(
            await volume.read.at(revision.picture, revision.id, revision.manifest.original.file_name)
        )
        == b"one"
    )


async def test_the_preferred_of_what_is_there_is_found(volume: VolumeUnderTest, store: PictureStore) -> None:
    await commit(store, b"one", MEDIUM, SMALL)
    found = await volume.read.find(PICTURE, (LARGE, SMALL, MEDIUM))
    assert found is not None
    assert found.file_name == "small.webp"


async def test_an_empty_file_is_not_served(volume: VolumeUnderTest, store: PictureStore) -> None:
    revision = await commit(store, b"one", MEDIUM)
    found = await volume.read.find(PICTURE, (MEDIUM,))
    assert found is not None
    volume.empty(found)
    assert await volume.read.find(PICTURE, (MEDIUM,)) is None
    assert (
        await volume.read.at(revision.picture, revision.id, revision.manifest.original.file_name) is not None
    )


async def test_a_kept_picture_is_found_before_the_cached_one(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await commit(store, b"one", MEDIUM)
    volume.keep(PICTURE)
    current = await volume.read.current(PICTURE)
    assert current is not None
    assert current.tree is Tree.KEEP
    newer = await commit(store, b"two", MEDIUM, expected=current.id)
    assert newer.tree is Tree.KEEP
    assert await content(await volume.read.find(PICTURE, (MEDIUM,))) == b"twomedium.webp"


async def test_a_commit_replaces_the_revision_it_started_from(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    first = await commit(store, b"one", MEDIUM)
    second = await commit(store, b"two", MEDIUM, expected=first.id)
    assert await volume.read.current(PICTURE) == second
    assert (await volume.read.state(PICTURE)).revision == second.id
    assert await content(await volume.read.find(PICTURE, (MEDIUM,))) == b"twomedium.webp"


async def test_of_several_that_are_committed_at_once_each_comes_to_its_own_end(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    before = await commit(store, b"before")
    sources = [SourceUrl.parse(f"http://a.example/{number}.jpg") for number in range(3)]
    async with AsyncExitStack() as drafts:
        new = []
        for picture, body in [
            *((source.picture, str(source).encode()) for source in sources),
            (PICTURE, b"new"),
        ]:
            draft = await drafts.enter_async_context(store.draft())
            (draft.directory / "original.jpg").write_bytes(body)
            revision = revision_of(body)
            new.append(NewRevision(picture, revision, draft, manifest_of(body), State(revision=revision)))
        *made, refused = await store.commit_all(new)
    assert isinstance(refused, Superseded)
    assert await volume.read.current(PICTURE) == before
    for source, outcome in zip(sources, made, strict=True):
        assert await volume.read.current(source.picture) == outcome
        assert await content(await volume.read.find(source.picture, (ORIGINAL,))) == str(source).encode()
        assert (await volume.read.state(source.picture)).revision == revision_of(str(source).encode())
    assert await store.commit_all([]) == []


@pytest.mark.parametrize("expected", [None, revision_of(b"never there")])
async def test_a_commit_that_started_from_another_revision_changes_nothing(
    volume: VolumeUnderTest, store: PictureStore, expected: None
) -> None:
    first = await commit(store, b"one", MEDIUM)
    before = await volume.read.state(PICTURE)
    with pytest.raises(Superseded):
        await commit(store, b"two", MEDIUM, SMALL, expected=expected)
    assert await volume.read.current(PICTURE) == first
    assert await volume.read.state(PICTURE) == before
    assert await volume.read.find(PICTURE, (SMALL,)) is None


async def test_the_same_bytes_committed_twice_are_one_revision_with_all_renditions(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await commit(store, b"one", MEDIUM)
    again = await commit(store, b"one", SMALL)
    assert set(again.renditions) == {MEDIUM, SMALL}
    assert await volume.read.current(PICTURE) == again
    assert await content(await volume.read.find(PICTURE, (SMALL,))) == b"onesmall.webp"


async def test_the_revision_before_stays_for_who_still_reads_it_and_older_ones_go(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    first = await commit(store, b"one")
    second = await commit(store, b"two", expected=first.id)
    assert (
        await content(await volume.read.at(first.picture, first.id, first.manifest.original.file_name))
        == b"one"
    )
    await commit(store, b"three", expected=second.id)
    assert (
        await content(await volume.read.at(second.picture, second.id, second.manifest.original.file_name))
        == b"two"
    )
    assert await volume.read.at(first.picture, first.id, first.manifest.original.file_name) is None


async def test_bytes_that_come_back_are_committed_again(volume: VolumeUnderTest, store: PictureStore) -> None:
    first = await commit(store, b"one", MEDIUM)
    second = await commit(store, b"two", MEDIUM, expected=first.id)
    again = await commit(store, b"one", MEDIUM, expected=second.id)
    assert again.id == first.id
    assert await content(await volume.read.find(PICTURE, (MEDIUM,))) == b"onemedium.webp"


async def test_a_rendition_is_added_to_the_revision_it_was_made_of(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    first = await commit(store, b"one")
    await commit(store, b"two", expected=first.id)
    async with store.draft() as draft:
        file = draft.directory / str(SMALL)
        file.write_bytes(b"small of one")
        await store.add(first, [file])
        assert not file.exists()
    assert await volume.read.find(PICTURE, (SMALL,)) is None  # the current revision has none
    current = await volume.read.current(PICTURE)
    assert current is not None
    assert current.renditions == ()


async def test_adding_to_a_revision_that_was_removed_is_refused_and_makes_nothing(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    revision = await commit(store, b"one")
    await store.remove(PICTURE)
    async with store.draft() as draft:
        file = draft.directory / str(SMALL)
        file.write_bytes(b"late")
        with pytest.raises(RevisionGone):
            await store.add(revision, [file])
    assert [picture async for picture in volume.read.pictures()] == []


async def test_a_removed_picture_is_gone_at_once_with_all_that_was_remembered(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    revision = await commit(store, b"one", MEDIUM)
    volume.keep(PICTURE)
    assert await store.remove(PICTURE)
    assert await volume.read.find(PICTURE, (MEDIUM, ORIGINAL)) is None
    assert await volume.read.current(PICTURE) is None
    assert await volume.read.at(revision.picture, revision.id, revision.manifest.original.file_name) is None
    assert await volume.read.state(PICTURE) == State()
    assert [picture async for picture in volume.read.pictures()] == []
    assert not await store.remove(PICTURE)
    assert await commit(store, b"one", MEDIUM) == await volume.read.current(PICTURE)


async def test_a_state_is_replaced_whole(volume: VolumeUnderTest, store: PictureStore) -> None:
    await store.put_state(PICTURE, State(redelivered_starts=1, fresh_until=NOW))
    await store.put_state(PICTURE, State(redelivered_starts=2))
    assert await volume.read.state(PICTURE) == State(redelivered_starts=2)
    assert await volume.read.current(PICTURE) is None  # a state alone is no picture
    assert [picture async for picture in volume.read.pictures()] == [PICTURE]


async def test_a_state_that_cannot_be_read_counts_as_none(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await commit(store, b"one", MEDIUM, state=State(redelivered_starts=3))
    volume.damage_state(PICTURE)
    assert await volume.read.state(PICTURE) == State()
    assert await volume.read.find(PICTURE, (MEDIUM,)) is not None


async def test_a_revision_without_a_readable_manifest_counts_as_none(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    broken = await commit(store, b"one", MEDIUM)
    volume.damage_manifest(broken)
    assert await volume.read.current(PICTURE) is None
    mended = await commit(store, b"one", SMALL)  # nobody has to expect what counts as none
    assert await volume.read.current(PICTURE) == mended
    assert mended.renditions == (SMALL,)


async def test_a_pointer_to_nothing_counts_as_none(volume: VolumeUnderTest, store: PictureStore) -> None:
    volume.point_into_the_void(PICTURE)
    assert await volume.read.find(PICTURE, (MEDIUM, ORIGINAL)) is None
    assert await volume.read.current(PICTURE) is None
    assert await commit(store, b"one", MEDIUM) == await volume.read.current(PICTURE)


async def test_what_is_left_in_a_draft_goes_with_it(store: PictureStore) -> None:
    async with store.draft() as draft:
        (draft.directory / "left").write_bytes(b"x")
    assert not draft.directory.exists()


async def test_every_picture_is_listed_once(volume: VolumeUnderTest, store: PictureStore) -> None:
    pictures = {SourceUrl.parse(f"http://a.example/{number}.jpg").picture for number in range(20)}
    for picture in pictures:
        await commit(store, b"one", picture=picture)
    assert sorted([picture async for picture in volume.read.pictures()]) == sorted(pictures)


async def test_free_space_is_told(store: PictureStore) -> None:
    assert (await store.space()).bytes > 0
