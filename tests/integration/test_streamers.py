"""The streamer library, end to end: what is added is asked about, its pictures come by themselves, and are served by the names that
StreamVault's pages know.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.pictures import Name
from shared.settings import HostSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.picture_host import PictureHost
from tests.providers.twitch import TwitchHost

Start = Callable[..., AbstractAsyncContextManager[RunningEnricher]]


@pytest.fixture
async def twitch(picture_host: PictureHost) -> AsyncIterator[TwitchHost]:
    async with TwitchHost.running() as host:
        host.world.host = picture_host
        host.world.add_channel("123", "first", offline=True)
        host.world.add_channel("456", "second")
        host.world.add_game("509658", "Just Chatting")
        yield host


@pytest.fixture
def start(
    tmp_path: Path, picture_host: PictureHost, twitch: TwitchHost, monkeypatch: pytest.MonkeyPatch
) -> Start:
    authority = picture_host.root.removeprefix("http://")
    usual = {
        "ALLOW_PRIVATE": authority,
        "ALLOWED_HOSTS": authority,
        "DISK_FREE_FLOOR_GB": "0",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "RENDER_PROCESSES": "1",
    }
    for name, value in usual.items():
        monkeypatch.setenv(name, value)
    return partial(
        running_enricher,
        tmp_path,
        twitch=twitch,
        fetcher=FetcherSettings(),
        proxy=ProxySettings(),
        hosts=HostSettings(),
    )


async def stored(enricher: RunningEnricher, path: str) -> None:
    """Wait until a name of the volume shows something that is there."""

    async def shows() -> bool:
        picture = await enricher.volume.names.picture(Name.parse(path))
        return picture is not None and await enricher.volume.pictures.current(picture) is not None

    await until(shows, every_s=0.05)


async def test_a_streamer_that_is_added_by_login_has_pictures_that_are_ours(
    start: Start, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    picture_host.hold("/profile-first-300x300.jpg")
    async with start() as enricher:
        added = await enricher.manage("POST", "/api/streamers", {"login": "First"})
        [before] = added.json["streamers"]
        picture_host.release("/profile-first-300x300.jpg")
        await stored(enricher, "streamer/1/profile")
        await stored(enricher, "streamer/1/banner")
        after = (await enricher.manage("GET", "/api/streamers/1")).json
        status, body = await enricher.picture(after["profile_image_url"])
        by_twitch, same = await enricher.picture("/data/images/profiles/profile_avatar_tw:123.jpg")
        old_name, _ = await enricher.picture("/data/images/profiles/streamer_1.jpg")
        banner, _ = await enricher.picture(after["offline_image_url"])
    source = twitch.world.channels["123"].profile
    assert (added.status, before["twitch_id"], before["username"]) == (201, "123", "First")
    assert (before["profile_image_url"], before["original_profile_image_url"]) == (source, source)
    assert after["profile_image_url"] == "/data/images/profiles/profile_avatar_1.jpg"
    assert after["original_profile_image_url"] == source
    assert (status, by_twitch, old_name, banner) == (200, 200, 200, 200)
    assert body == same
    assert picture_host.count("/profile-first-300x300.jpg") == 1


async def test_a_profile_picture_that_twitch_replaced_is_swapped_without_a_gap(
    start: Start, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    async with start() as enricher:
        await enricher.manage("POST", "/api/streamers", {"twitch_id": "123"})
        await stored(enricher, "streamer/1/profile")
        path = "/data/images/profiles/profile_avatar_1.jpg"
        before = await enricher.picture(path)
        picture_host.hold("/another-300x300.jpg")
        twitch.world.channels["123"].profile = twitch.world.put("/another-300x300.jpg")
        await enricher.manage("POST", "/api/streamers/1/refresh")
        await until(lambda: picture_host.count("/another-300x300.jpg"))
        meanwhile = await enricher.picture(path)
        picture_host.release("/another-300x300.jpg")

        async def swapped() -> bool:
            return (await enricher.picture(path))[1] != before[1]

        await until(swapped, every_s=0.05)
    assert before[0] == meanwhile[0] == 200
    assert meanwhile == before
