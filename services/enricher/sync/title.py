"""The pictures of one title."""

from collections.abc import AsyncIterator, Iterable, Mapping

from services.enricher.sync.syncing import Syncing
from services.enricher.tasks import Progress
from shared.pictures import Name


class SyncTitle:
    """The work of a task: `names`, of one title."""

    KIND = "sync"

    def __init__(self, syncing: Syncing) -> None:
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        names = arguments["names"]
        assert isinstance(names, list)
        progress.total = len(names)
        await self._syncing.names(_parsed(names), progress)


async def _parsed(names: Iterable[str]) -> AsyncIterator[Name]:
    for name in names:
        yield Name.parse(name)
