"""One composition for each test, set up with the settings an operator would use."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.queue import Delay
from shared.volume import VolumeSettings
from tests.integration.onesheet import PATIENCE_S, QUICK_DELAYS, Onesheet, running_onesheet
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import TraktAccountHost

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
    """With the usual settings, and all standard renditions made in `later`."""
    return await start()


@pytest.fixture
async def tmdb() -> AsyncIterator[TmdbHost]:
    async with TmdbHost.running() as host:
        yield host


@pytest.fixture
async def trakt() -> AsyncIterator[TraktAccountHost]:
    async with TraktAccountHost.running() as host:
        yield host
