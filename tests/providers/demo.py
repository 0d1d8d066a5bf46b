"""`make demo`: everything in one process, before a picture host and a TMDB of its own, so that there is something to see."""

import asyncio
import sys
from contextlib import AsyncExitStack

import aiohttp
from pydantic import SecretStr

from services.__main__ import introduce
from services.enricher.api.access import AccessSettings
from services.enricher.finder import FinderSettings
from services.enricher.finder.metadata import ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.settings import EnricherSettings
from services.fetcher.settings import DownloadSettings, FetcherSettings
from services.one_process import run
from services.proxy.settings import ProxySettings
from shared.http import HttpSettings
from shared.process.start import start
from shared.settings import HostSettings
from shared.volume import VolumeSettings
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import API_KEY, TmdbHost

ADMIN_TOKEN = "demo"
DIRECTORY = "demo"
"""Apart from what `make run` keeps."""

TITLES = 24


async def main(_volume_settings: VolumeSettings) -> None:
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(PictureHost.running())
        tmdb = await stack.enter_async_context(TmdbHost.running())
        authority, images = host.root.removeprefix("http://"), host.url("/t/p")
        hosts = HostSettings(allowed_hosts=(*HostSettings().allowed_hosts, authority))
        providers = ProviderSettings.read(
            TmdbSettings(api_key=SecretStr(API_KEY), base_url=tmdb.base_url, image_url=images)
        )
        filling: set[asyncio.Task[None]] = set()

        def listening(address: str) -> None:
            filling.add(asyncio.create_task(_fill(address)))
            introduce(address, example=host.url("/poster/1.jpg"))
            print(f"  A library:     {address}/api/items/enriched", file=sys.stderr)
            operators = f"curl -H 'Authorization: Bearer {ADMIN_TOKEN}' {address}/api/v1/admin/queues"
            print(f"  For operators: {operators}\n", file=sys.stderr, flush=True)

        await run(
            VolumeSettings(volume_url=f"file:{DIRECTORY}/data"),
            proxy=ProxySettings(hosts=hosts, tmdb_image_url=images),
            fetcher=FetcherSettings(download=DownloadSettings(hosts=hosts, allow_private=(authority,))),
            enricher=EnricherSettings(
                access=AccessSettings(admin_token=ADMIN_TOKEN),
                hosts=hosts,
                finder=FinderSettings(providers=providers),
            ),
            http=HttpSettings(),
            on_listening=listening,
        )


async def _fill(address: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for number in range(1, TITLES + 1):
            item = {
                "title": f"The movie {number}",
                "media_type": "movie",
                "tmdb_id": number,
                "full_path": f"/films/The movie {number}.mkv",
            }
            await session.post(f"{address}/api/library/items", json=item)


if __name__ == "__main__":
    start(main)
