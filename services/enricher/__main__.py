"""The enricher alone: `python -m services.enricher`."""

from services.enricher.app import add_enricher
from services.enricher.settings import EnricherSettings
from shared.http import HttpSettings, create_skeleton
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.process.start import serve, start
from shared.queue import QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, volume_to_keep

PORT = 8082


async def main(volume_settings: VolumeSettings, *, paths: PublicPaths = PUBLIC_PATHS) -> None:
    volume, state_dir = volume_to_keep(volume_settings), volume_settings.state_dir
    settings, http = EnricherSettings(), HttpSettings()
    skeleton = create_skeleton("enricher", Metrics())
    async with (
        open_queue(
            QueueSettings(), state_dir=state_dir, background=skeleton.background, with_others=True
        ) as queue,
        add_enricher(skeleton, settings, queue=queue, volume=volume, state_dir=state_dir, paths=paths),
    ):
        await serve(skeleton, http, default_port=PORT)


if __name__ == "__main__":
    start(main)
