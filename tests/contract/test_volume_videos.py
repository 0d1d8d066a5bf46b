"""Videos on a volume: the same on local files and in a store of objects."""

import asyncio

import pytest

from shared.volume import VideoFiles
from tests.contract.volumes import LocalFiles, Objects
from tests.providers.videos import an_mp4

ONE, TWO = (f"0e4fb7a8-33f6-4b29-8f6f-00000000000{number}" for number in (1, 2))


@pytest.fixture(params=["local_volume", "object_volume"])
def videos(request: pytest.FixtureRequest) -> VideoFiles:
    volume: LocalFiles | Objects = request.getfixturevalue(request.param)
    return volume.write.videos


async def put(videos: VideoFiles, name: str, body: bytes, *, private: bool = False) -> None:
    draft = videos.draft()
    await asyncio.to_thread(draft.write_bytes, body)
    stored = await videos.put(name, draft, is_private=private)
    assert not draft.exists()
    assert (stored.name, stored.size, stored.is_private) == (name, len(body), private)


async def test_what_is_put_is_found_read_in_parts_listed_and_removed(videos: VideoFiles) -> None:
    assert await videos.find(ONE) is None
    assert list(await videos.all()) == []
    body = an_mp4(5_000_000)
    await put(videos, ONE, body)
    await put(videos, TWO, body[:900], private=True)
    found = await videos.find(ONE)
    assert found
    for first, length in ((0, 10), (4_999_990, 10), (1_000_000, 3_500_000)):
        part = b"".join([piece async for piece in found.content.part(first, length)])
        assert part == body[first : first + length]
    assert found.version == f"{found.modified_s:x}-{len(body):x}"
    assert {(video.name, video.is_private) for video in await videos.all()} == {(ONE, False), (TWO, True)}
    assert await videos.remove(ONE)
    assert not await videos.remove(ONE)
    assert await videos.find(ONE) is None
    assert [video.name for video in await videos.all()] == [TWO]


@pytest.mark.parametrize("name", ["", "../x", "a", ONE.upper(), f"{ONE}.mp4", "%2e%2e"])
async def test_only_a_uuid_is_a_name(videos: VideoFiles, name: str) -> None:
    draft = videos.draft()
    await asyncio.to_thread(draft.write_bytes, b"x")
    for asked in (videos.find(name), videos.remove(name), videos.put(name, draft, is_private=False)):
        with pytest.raises(ValueError, match="UUID"):
            await asked
    assert list(await videos.all()) == []
