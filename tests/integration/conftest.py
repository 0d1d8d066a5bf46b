"""One composition for each test, set up with the settings an operator would use."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.queue import Delay
from shared.settings import HostSettings
from shared.volume import VolumeSettings
from tests.integration.enricher import running_enricher
from tests.integration.onesheet import PATIENCE_S, QUICK_DELAYS, Onesheet, running_onesheet
from tests.integration.streaming import StartStreaming
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import TraktAccountHost
from tests.providers.twitch import TwitchHost

Start = Callable[..., Awaitable[Onesheet]]
"""`start(SETTING="value", …, fetching=True)`."""


@pytest.fixture
async def start(
    tmp_path: Path, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Start]:
    authority = picture_host.root.removeprefix("http://")
    usual = {
        "ALLOWED_HOSTS": authority,
        "ALLOW_PRIVATE": authority,
        "RENDER_PROCESSES": "1",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "DISK_FREE_FLOOR_GB": "0",
        "MISS_WAIT": str(PATIENCE_S),
        "MISS_WAIT_OTHERS": str(PATIENCE_S),
    }
    async with AsyncExitStack() as stack:

        async def started(
            *,
            fetching: bool = True,
            delays: Mapping[Delay, float] = QUICK_DELAYS,
            place: VolumeSettings | None = None,
            **settings: str,
        ) -> Onesheet:
            for name, value in (usual | settings).items():
                monkeypatch.setenv(name, value)
            composed = running_onesheet(
                tmp_path,
                picture_host,
                proxy=ProxySettings(),
                fetcher=FetcherSettings() if fetching else None,
                delays=delays,
                place=place,
            )
            return await stack.enter_async_context(composed)

        yield started
        picture_host.forget()  # so that nothing waits at a gate while all is stopped


@pytest.fixture
async def onesheet(start: Start) -> Onesheet:
    """With the usual settings: nothing is made ahead."""
    return await start()


@pytest.fixture
async def tmdb() -> AsyncIterator[TmdbHost]:
    async with TmdbHost.running() as host:
        yield host


@pytest.fixture
async def trakt() -> AsyncIterator[TraktAccountHost]:
    async with TraktAccountHost.running() as host:
        yield host


@pytest.fixture
async def twitch(picture_host: PictureHost) -> AsyncIterator[TwitchHost]:
    async with TwitchHost.running() as host:
        host.world.host = picture_host
        host.world.add_channel("123", "first", offline=True)
        host.world.add_channel("456", "second")
        host.world.add_game("509658", "Just Chatting")
        yield host


@pytest.fixture
def streaming(
    tmp_path: Path, picture_host: PictureHost, twitch: TwitchHost, monkeypatch: pytest.MonkeyPatch
) -> StartStreaming:
    """`streaming(streamers=…)`: a whole server with a key of Twitch's stand-in."""
    authority = picture_host.root.removeprefix("http://")
    usual = {
        "ALLOW_PRIVATE": authority,
        "ALLOWED_HOSTS": authority,
        "DISK_FREE_FLOOR_GB": "0",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "RENDER_PROCESSES": "1",
        "MISS_WAIT_OTHERS": str(PATIENCE_S),
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
