"""The proxy alone: `python -m services.proxy`."""

from services.proxy.app import add_proxy
from services.proxy.settings import ProxySettings
from shared.http import HttpSettings, create_skeleton
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.process.start import serve, start
from shared.queue import QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, volume_to_read

PORT = 8081


async def main(volume_settings: VolumeSettings, *, paths: PublicPaths = PUBLIC_PATHS) -> None:
    volume = volume_to_read(volume_settings)
    skeleton = create_skeleton("proxy", Metrics())
    async with open_queue(
        QueueSettings(), state_dir=volume_settings.state_dir, background=skeleton.background, with_others=True
    ) as queue:
        add_proxy(skeleton, ProxySettings(), queue=queue, volume=volume, paths=paths)
        await serve(skeleton, HttpSettings(), default_port=PORT)


if __name__ == "__main__":
    start(main)
