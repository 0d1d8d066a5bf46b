"""Commits to one picture at once in a store of objects, as when the lock has failed: at every pair of steps, and many together."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from shared.pictures import Name, PictureId, RevisionId, SourceUrl
from shared.volume import Pictures, Superseded, VolumeSettings, unwatched
from shared.volume.objects import opening
from shared.volume.objects.opening import ObjectVolume
from shared.volume.objects.store import ObjectStep
from shared.volume.port import OnStep, VolumeError
from tests.contract.volumes import MEDIUM, commit, revision_of
from tests.servers.object_stores import ObjectStore

BEFORE, ONE, OTHER = b"before", b"one", b"other"
WRITERS = 16
STEPS = [step for step in ObjectStep if step is not ObjectStep.OLDER_REMOVED]


class Stop:
    """A commit waits at one step, with the thread that it runs in, until it is let go."""

    def __init__(self, at: ObjectStep) -> None:
        self._at = at
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, step: str) -> None:
        if step == self._at:
            self.reached.set()
            assert self.let_go.wait(60)


@pytest.fixture
def place(tmp_path: Path, seaweedfs: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> VolumeSettings:
    monkeypatch.setattr(opening, "probe", lambda _client: None)  # once would do for all of them
    return seaweedfs.settings(tmp_path / "state", cache_directory=tmp_path / "cache")


@pytest.mark.parametrize("other", [ONE, OTHER], ids=["same bytes", "other bytes"])
@pytest.mark.parametrize("expected", [None, revision_of(BEFORE)], ids=["miss", "refresh"])
def test_whatever_their_order_the_record_names_one_whole_revision(
    place: VolumeSettings, expected: RevisionId | None, other: bytes
) -> None:
    found = {}
    for first, second in itertools.product(STEPS, STEPS):
        picture = SourceUrl.parse(f"http://a.example/{first}-{second}.jpg".replace(" ", "-")).picture
        if expected:
            commits(place, picture, BEFORE, None)
        one = partial(commits, place, picture, ONE, expected)
        interleave(one, partial(commits, place, picture, other, expected), Stop(first), Stop(second))
        found[first, second] = asyncio.run(named_revision(ObjectVolume(place).to_read().pictures, picture))
    assert set(found.values()) <= {ONE, other}, found


def interleave(
    one: Callable[[OnStep], None], other: Callable[[OnStep], None], first: Stop, second: Stop
) -> None:
    """The first goes as far as its step, the second as far as its own; the first ends, the second ends."""
    with ThreadPoolExecutor(2) as threads:
        began = threads.submit(one, first)
        assert first.reached.wait(60)
        came = threads.submit(other, second)
        while not (second.reached.wait(0.001) or came.done()):
            pass
        first.let_go.set()
        began.result()
        second.let_go.set()
        came.result()


def commits(
    place: VolumeSettings,
    picture: PictureId,
    body: bytes,
    expected: RevisionId | None,
    on_step: OnStep = unwatched,
) -> None:
    """As a job of another process does it: whoever is told that another was faster has nothing more to do."""

    async def work() -> None:
        volume = ObjectVolume(place, on_step=on_step)
        with suppress(VolumeError):
            await commit(volume.to_write().pictures, body, MEDIUM, expected=expected, picture=picture)
        await volume.settled()

    asyncio.run(work())


async def named_revision(pictures: Pictures, picture: PictureId) -> bytes | None:
    """What is served, where all of it is: None where it is not."""
    current = await pictures.current(picture)
    if current is None:
        return None
    files = [await pictures.at(picture, current.id, name) for name in sorted(current.files)]
    medium, original = [await file.content.whole() if file else None for file in files]
    return original if original and medium == original + b"medium.webp" else None


async def test_of_sixteen_that_commit_at_once_one_wins_and_the_others_are_told(place: VolumeSettings) -> None:
    picture = SourceUrl.parse("http://a.example/raced.jpg").picture
    volumes = [ObjectVolume(place) for _ in range(WRITERS)]
    ended = await asyncio.gather(
        *(
            commit(volume.to_write().pictures, f"body {number}".encode(), MEDIUM, picture=picture)
            for number, volume in enumerate(volumes)
        ),
        return_exceptions=True,
    )
    won = [number for number, end in enumerate(ended) if not isinstance(end, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(end, Superseded) for end in ended) == WRITERS - 1
    reader = ObjectVolume(place).to_read().pictures
    assert await named_revision(reader, picture) == f"body {won[0]}".encode()


async def test_of_sixteen_renditions_that_are_added_at_once_none_is_lost(place: VolumeSettings) -> None:
    picture = SourceUrl.parse("http://a.example/added.jpg").picture
    volumes = [ObjectVolume(place) for _ in range(WRITERS)]
    revision = await commit(volumes[0].to_write().pictures, ONE, MEDIUM, picture=picture)

    async def add(volume: ObjectVolume, name: str) -> None:
        store = volume.to_write().pictures
        async with store.draft() as draft:
            (draft.directory / name).write_bytes(name.encode())
            await store.add(revision, [draft.directory / name])

    names = [f"w{92 + number}.webp" for number in range(WRITERS)]
    await asyncio.gather(*map(add, volumes, names))
    current = await ObjectVolume(place).to_read().pictures.current(picture)
    assert current
    assert current.files == {"original.jpg", "medium.webp", *names}


async def test_a_name_that_sixteen_point_at_once_shows_what_one_of_them_said(place: VolumeSettings) -> None:
    name = Name.parse("movie/tmdb:603/poster")
    pictures = [SourceUrl.parse(f"http://a.example/{number}.jpg").picture for number in range(WRITERS)]
    volumes = [ObjectVolume(place) for _ in range(WRITERS)]
    await asyncio.gather(
        *(
            volume.to_write().names.point(name, picture)
            for volume, picture in zip(volumes, pictures, strict=True)
        )
    )
    shown = {
        await volume.to_read().names.picture(name) for volume in (ObjectVolume(place), ObjectVolume(place))
    }
    assert len(shown) == 1
    assert shown <= set(pictures)
