"""What pages are told of pictures, and which they have fetched ahead, on a real volume and a real queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.enricher.pictures.prefetch import HandedOut, Prefetch
from services.enricher.pictures.shown import PictureUrls, PictureUrlSettings, ShownPictures
from shared.contracts import Envelope, FetchPicture
from shared.pictures import (
    HostRules,
    Kind,
    Name,
    Original,
    PictureId,
    Placeholder,
    Rendition,
    Role,
    SourceUrl,
    State,
    picture_id,
)
from shared.queue import Lane, Queue, QueueSettings, open_queue
from shared.volume import PictureStore, Revision
from tests.contract.volumes import PICTURE, SOURCE, VolumeUnderTest, commit, manifest_of, revision_of

URLS = PictureUrls(PictureUrlSettings())
W342 = Rendition.parse("w342.webp")


async def stored(store: PictureStore, *renditions: str, width: int = 1000) -> Revision:
    body = f"{width} wide".encode()
    manifest = manifest_of(body).model_copy(
        update={
            "original": Original(mime="image/jpeg", bytes=len(body), width=width, height=width * 3 // 2),
            "placeholder": Placeholder(color="#405060", thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI"),
        }
    )
    async with store.draft() as draft:
        (draft.directory / "original.jpg").write_bytes(body)
        for rendition in renditions:
            (draft.directory / rendition).write_bytes(body)
        state = State(revision=revision_of(body))
        return await store.commit(PICTURE, revision_of(body), draft, manifest, state, expected=None)


def widths(srcset: str) -> dict[str, str]:
    """`342w` → its URL."""
    return {width: url for url, width in (entry.split(" ") for entry in srcset.split(", "))}


async def test_of_a_picture_that_was_never_stored_only_urls_are_known(volume: VolumeUnderTest) -> None:
    shown = await ShownPictures(volume.read, URLS).of(str(SOURCE), Role.POSTER)
    assert shown.url == URLS.by_source(str(SOURCE), "w342")
    assert list(widths(shown.srcset)) == ["92w", "154w", "185w", "342w", "500w", "780w"]
    assert (shown.width, shown.height, shown.color, shown.thumbhash) == (None, None, None, None)


async def test_a_stored_one_has_its_size_and_placeholder_and_immutable_paths_for_what_is_there(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    revision = await stored(store, "w342.webp", "w500.jpg", "w780.avif")
    shown = await ShownPictures(volume.read, URLS).of(str(SOURCE), Role.POSTER)
    paths = widths(shown.srcset)
    assert shown.url == paths["342w"] == f"/p/{PICTURE}/{revision.id}/w342.webp"
    assert paths["500w"] == f"/p/{PICTURE}/{revision.id}/w500.jpg"
    assert paths["780w"] == URLS.by_source(str(SOURCE), "w780"), "not every browser shows AVIF"
    assert (shown.width, shown.height, shown.color) == (1000, 1500, "#405060")
    assert shown.thumbhash == "1QcSHQRnh493V4dIh4eXh1h4kJUI"


async def test_no_width_is_offered_twice_for_nothing_is_enlarged(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await stored(store, width=200)
    shown = await ShownPictures(volume.read, URLS).of(str(SOURCE), Role.POSTER)
    assert list(widths(shown.srcset)) == ["92w", "154w", "185w", "200w"]
    assert widths(shown.srcset)["200w"] == URLS.by_source(str(SOURCE), "w342")


async def test_an_event_makes_us_look_again(volume: VolumeUnderTest, store: PictureStore) -> None:
    pictures = ShownPictures(volume.read, URLS)
    before = await pictures.of(str(SOURCE), Role.POSTER)
    await stored(store)
    assert await pictures.of(str(SOURCE), Role.POSTER) == before
    pictures.forget(PICTURE)
    assert (await pictures.of(str(SOURCE), Role.POSTER)).width == 1000


async def test_what_a_name_points_at_is_read_once_until_an_event(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    name, pictures = Name(Kind.MOVIE, "tmdb:603", Role.POSTER), ShownPictures(volume.read, URLS)
    assert await pictures.of_name(name, PICTURE) is None
    await pictures.of(str(SOURCE), Role.POSTER)  # what is remembered of one that is not stored is no answer
    assert await pictures.of_name(name, PICTURE) is None
    await stored(store)
    pictures.forget(PICTURE)
    shown = await pictures.of_name(name, PICTURE)
    assert shown
    assert shown.width == 1000
    await store.remove(PICTURE)
    assert await pictures.of_name(name, PICTURE) == shown
    pictures.forget(PICTURE)
    assert await pictures.of_name(name, PICTURE) is None


async def test_what_was_read_while_an_event_came_is_not_remembered(
    volume: VolumeUnderTest, store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = ShownPictures(volume.read, URLS)
    really = volume.read.current

    async def current(picture: PictureId) -> Revision | None:
        before = await really(picture)
        await stored(store)
        pictures.forget(picture)
        return before

    monkeypatch.setattr(volume.read, "current", current)
    assert (await pictures.of(str(SOURCE), Role.POSTER)).width is None
    monkeypatch.undo()
    assert (await pictures.of(str(SOURCE), Role.POSTER)).width == 1000


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_has_widths(volume: VolumeUnderTest, role: Role) -> None:
    shown = await ShownPictures(volume.read, URLS).of(str(SOURCE), role)
    assert shown.url in widths(shown.srcset).values()


@asynccontextmanager
async def a_queue(directory: Path) -> AsyncIterator[tuple[Queue, list[FetchPicture], asyncio.Event]]:
    """A queue with what came to its lane `later`, and an event that is set at the second."""
    came: list[FetchPicture] = []
    two = asyncio.Event()

    async def take(envelope: Envelope) -> None:
        assert isinstance(envelope.payload, FetchPicture)
        came.append(envelope.payload)
        if len(came) >= 2:
            two.set()

    async with (
        open_queue(QueueSettings(), state_dir=directory) as queue,
        queue.consume(Lane.PICTURES_LATER, take, concurrency=1),
    ):
        yield queue, came, two


def poster(number: int, host: str = "a.example") -> HandedOut:
    name = Name(Kind.MOVIE, f"tmdb:{number}", Role.POSTER)
    return HandedOut(f"http://{host}/{number}.jpg", name)


async def test_posters_are_fetched_ahead_once_with_their_names(
    volume: VolumeUnderTest, store: PictureStore, tmp_path: Path
) -> None:
    there = HandedOut(str(SOURCE), None)
    await commit(store, b"there", W342)
    async with a_queue(tmp_path / "state") as (queue, came, two):
        ahead = Prefetch(queue, volume.read, HostRules.of(["a.example"]))
        async with ahead.open():
            ahead.soon([there, poster(1), poster(1, "elsewhere.example")])
            ahead.soon([poster(1), poster(2)])
            async with asyncio.timeout(60):
                await two.wait()
    wanted = [
        FetchPicture(source_url=SourceUrl.parse(one.source_url), rendition=W342, name=one.name)
        for one in (poster(1), poster(2))
    ]
    assert sorted(came, key=repr) == wanted  # a store may tell of one before the other


async def test_a_purged_poster_is_asked_for_by_the_next_page(volume: VolumeUnderTest, tmp_path: Path) -> None:
    async with a_queue(tmp_path / "state") as (queue, came, two):
        ahead = Prefetch(queue, volume.read, HostRules.of(["*"]))
        async with ahead.open():
            ahead.soon([poster(1)])
            ahead.forget(picture_id(poster(1).source_url))
            ahead.soon([poster(1)])
            async with asyncio.timeout(60):
                await two.wait()
    assert len(came) == 2


async def test_a_full_lane_is_said_once_for_a_page_and_the_next_page_asks_again(
    volume: VolumeUnderTest, tmp_path: Path
) -> None:
    settings = QueueSettings(lane_limit=1)
    async with open_queue(settings, state_dir=tmp_path / "state") as queue:
        ahead = Prefetch(queue, volume.read, HostRules.of(["*"]))
        with capture_logs() as lines:
            async with ahead.open():
                for _ in range(2):
                    ahead.soon([poster(1), poster(2), poster(3)])
                    async with asyncio.timeout(60):
                        while ahead._tasks:
                            await asyncio.wait(ahead._tasks)
    assert [line["posters"] for line in lines if line["event"] == "not fetched ahead"] == [2, 2]
