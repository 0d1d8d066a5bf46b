"""Warming up: pictures by their sources, fetched before anybody asks for them."""

from collections.abc import Mapping

from services.enricher.sync.syncing import Syncing
from services.enricher.tasks import Progress
from shared.pictures import SourceUrl


class Warm:
    """The work of a task: `urls`, which pictures may be fetched from."""

    KIND = "warm"

    def __init__(self, syncing: Syncing) -> None:
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        urls = arguments["urls"]
        assert isinstance(urls, list)
        progress.total = len(urls)
        await self._syncing.sources(map(SourceUrl.parse, urls), progress)
