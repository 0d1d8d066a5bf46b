"""A server with the streamer library, before a stand-in for Twitch that knows some."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from shared.pictures import Name
from tests.integration.enricher import RunningEnricher
from tests.integration.onesheet import until

StartStreaming = Callable[..., AbstractAsyncContextManager[RunningEnricher]]


async def stored(enricher: RunningEnricher, path: str) -> None:
    """Wait until a name of the volume shows something that is there."""

    async def shows() -> bool:
        picture = await enricher.volume.names.picture(Name.parse(path))
        return picture is not None and await enricher.volume.pictures.current(picture) is not None

    await until(shows, every_s=0.05)
