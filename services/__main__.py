"""`python -m services`: everything in one process, with no setting at all."""

import sys
from urllib.parse import quote

from services.enricher.settings import EnricherSettings
from services.fetcher.settings import FetcherSettings
from services.one_process import run
from services.proxy.settings import ProxySettings
from shared.http import HttpSettings
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.process.start import start
from shared.volume import VolumeSettings

EXAMPLE = "https://image.tmdb.org/t/p/original/6FfCtAuVAW8XJjZ7eWeLibRLWTw.jpg"
"""The poster of Star Wars (1977), at TMDB's picture host."""


def introduce(address: str, *, example: str = EXAMPLE) -> None:
    """Tell whoever started us where to look; on stderr, for stdout is the log."""
    print(  # noqa: T201 - read by whoever started it
        f"\n  Onesheet is at {address}\n"
        f"  Operators:     {address}/ops\n"
        f"  A picture:     {address}{PUBLIC_PATHS.source.pattern}?size=medium&url={quote(example, safe='')}\n"
        f"  The API:       {address}/api/docs\n",
        file=sys.stderr,
        flush=True,
    )


async def main(volume_settings: VolumeSettings, *, paths: PublicPaths = PUBLIC_PATHS) -> None:
    await run(
        volume_settings,
        proxy=ProxySettings(),
        fetcher=FetcherSettings(),
        enricher=EnricherSettings(),
        http=HttpSettings(),
        on_listening=introduce,
        paths=paths,
    )


if __name__ == "__main__":
    start(main)
