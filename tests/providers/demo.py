"""`make demo`: everything in one process, with a picture host beside it, so that there is something to see."""

from services.__main__ import introduce
from services.enricher.settings import EnricherSettings
from services.fetcher.settings import DownloadSettings, FetcherSettings
from services.one_process import run
from services.proxy.settings import ProxySettings
from shared.http import HttpSettings
from shared.process import start
from shared.settings import HostSettings
from shared.volume import VolumeSettings
from tests.providers.picture_host import PictureHost


async def main(volume_settings: VolumeSettings) -> None:
    async with PictureHost.running() as host:
        authority = host.root.removeprefix("http://")
        hosts = HostSettings(allowed_hosts=(*HostSettings().allowed_hosts, authority))
        await run(
            volume_settings,
            proxy=ProxySettings(hosts=hosts),
            fetcher=FetcherSettings(download=DownloadSettings(hosts=hosts, allow_private=(authority,))),
            enricher=EnricherSettings(hosts=hosts),
            http=HttpSettings(),
            on_listening=lambda address: introduce(address, example=host.url("/poster/1.jpg")),
        )


if __name__ == "__main__":
    start(main)
