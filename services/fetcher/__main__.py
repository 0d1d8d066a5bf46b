"""The fetcher alone: `python -m services.fetcher`. Its port answers health and metrics only."""

from services.fetcher.app import add_fetcher
from services.fetcher.settings import FetcherSettings
from shared.http import HttpSettings, create_skeleton
from shared.process.start import serve, start
from shared.queue import QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, volume_to_write

PORT = 8083


async def main(volume_settings: VolumeSettings) -> None:
    skeleton = create_skeleton("fetcher", Metrics())
    with volume_to_write(volume_settings) as volume:
        async with (
            open_queue(
                QueueSettings(),
                state_dir=volume_settings.state_dir,
                background=skeleton.background,
                with_others=True,
            ) as queue,
            add_fetcher(skeleton, FetcherSettings(), queue=queue, volume=volume),
        ):
            await serve(skeleton, HttpSettings(), default_port=PORT)


if __name__ == "__main__":
    start(main)
