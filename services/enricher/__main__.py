"""The enricher alone: `python -m services.enricher`."""

from services.enricher.app import add_enricher
from shared.http import HttpSettings, create_skeleton
from shared.process import serve, start
from shared.queue import QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, prepared_layout

PORT = 8082


async def main(volume_settings: VolumeSettings) -> None:
    prepared_layout(volume_settings)
    async with open_queue(QueueSettings(), state_dir=volume_settings.state_dir) as queue:
        skeleton = create_skeleton("enricher", Metrics())
        add_enricher(skeleton, queue=queue)
        await serve(skeleton.app, HttpSettings(), default_port=PORT)


if __name__ == "__main__":
    start(main)
