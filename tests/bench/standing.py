"""What the figures about hits are taken on: one stored picture of about 53 kB, and everything that serves it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import aiohttp

from shared.pictures import (
    Name,
    PictureId,
    Rendition,
    SourceUrl,
    candidates,
)
from shared.volume.local.layout import Layout
from shared.volume.local.names import LocalNameStore
from tests.bench.filled import SIZE, store
from tests.providers.drawing import encode, poster
from tests.providers.separate_host import SeparateHost
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import RunningService, measured_service

FILE = "bench.jpg"
NAME = Name.parse("movie/tmdb:603/poster")
OF_FILE = Name.parse("streamer/1/profile")
ACCEPT = {"Accept": "image/webp"}


@dataclass(frozen=True, slots=True)
class Standing:
    host: SeparateHost
    directory: Path
    settings: dict[str, str]
    proxy: RunningService
    source: SourceUrl

    @property
    def volume(self) -> Path:
        return self.directory / "data"

    @property
    def picture(self) -> PictureId:
        return self.source.picture

    @property
    def file(self) -> Path:
        """The stored rendition, through the pointer."""
        paths = candidates(self.picture, (Rendition.parse(f"{SIZE}.webp"),))
        return next(self.volume / path for path in paths if (self.volume / path).exists())

    @property
    def by_url(self) -> str:
        return f"/api/images/proxy?url={quote(str(self.source), safe='')}&size={SIZE}&format=webp"

    @property
    def by_tmdb_path(self) -> str:
        return f"/t/p/{SIZE}/{FILE}"

    @property
    def by_name(self) -> str:
        return f"/api/v1/images/{NAME}/{SIZE}.webp"

    @property
    def by_file(self) -> str:
        return f"/data/images/profiles/profile_avatar_1.webp?size={SIZE}"

    @property
    def by_stored_path(self) -> str:
        revision = self.file.parent.resolve().name
        return f"/p/{self.picture}/{revision}/{SIZE}.webp"


@asynccontextmanager
async def standing(directory: Path, node: RabbitNode) -> AsyncIterator[Standing]:
    """A proxy and a fetcher on RabbitMQ, with the picture stored."""
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(SeparateHost.running())
        await host.put(f"/t/p/original/{FILE}", encode(poster(1, size=(620, 930)), "jpeg", quality=92))
        authority = host.root.removeprefix("http://")
        settings = {
            "ALLOWED_HOSTS": authority,
            "ALLOW_PRIVATE": authority,
            "VOLUME_URL": f"file:{directory}/data",
            "QUEUE_URL": node.vhost(),
        }
        await stack.enter_async_context(measured_service("services.fetcher", settings, cwd=directory))
        proxy = await stack.enter_async_context(measured_service("services.proxy", settings, cwd=directory))
        fetched = Standing(
            host, directory, settings, proxy, SourceUrl.parse(host.url(f"/t/p/original/{FILE}"))
        )
        await ask(proxy.address + fetched.by_url)
        # As if TMDB had been asked: what pages ask for names a provider's host, without a port.
        source = SourceUrl.parse(f"https://image.tmdb.org/t/p/original/{FILE}")
        store(fetched.volume, source.picture, fetched.file)
        for name in (NAME, OF_FILE):
            await LocalNameStore(Layout(fetched.volume)).point(name, source.picture)
        yield replace(fetched, source=source)


async def ask(url: str) -> bytes:
    """Raise RuntimeError for any answer but 200."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=ACCEPT) as response,
    ):
        if response.status != 200:
            raise RuntimeError(f"{url} was answered {response.status}: {await response.text()}")
        return await response.read()


async def etag_of(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url, headers=ACCEPT) as response:
        return response.headers["ETag"]
