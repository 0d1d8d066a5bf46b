"""Everything in one process on one port: the default for one machine."""

from collections.abc import Callable

from services.enricher.app import add_enricher
from services.enricher.settings import EnricherSettings
from services.fetcher.app import add_fetcher
from services.fetcher.settings import FetcherSettings
from services.proxy.app import add_proxy
from services.proxy.settings import ProxySettings
from shared.http import HttpSettings, create_skeleton
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.process.start import serve
from shared.queue import QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, volume_to_keep, volume_to_read, volume_to_write

PORT = 8080


async def run(
    volume_settings: VolumeSettings,
    *,
    proxy: ProxySettings,
    fetcher: FetcherSettings,
    enricher: EnricherSettings,
    http: HttpSettings,
    on_listening: Callable[[str], None],
    paths: PublicPaths = PUBLIC_PATHS,
) -> None:
    with volume_to_write(volume_settings) as volume:
        skeleton = create_skeleton("onesheet", Metrics())
        async with open_queue(
            QueueSettings(), state_dir=volume_settings.state_dir, background=skeleton.background
        ) as queue:
            readable = volume_to_read(volume_settings, beside=volume.live)
            add_proxy(skeleton, proxy, queue=queue, volume=readable, paths=paths)
            async with (
                add_fetcher(skeleton, fetcher, queue=queue, volume=volume),
                add_enricher(
                    skeleton,
                    enricher,
                    queue=queue,
                    volume=volume_to_keep(volume_settings, beside=volume.live),
                    state_dir=volume_settings.state_dir,
                    paths=paths,
                ),
            ):
                await serve(skeleton, http, default_port=PORT, on_listening=on_listening)
