"""What the library's titles lack."""

from collections.abc import AsyncIterator, Mapping, Sequence

from services.enricher.library import Library, MediaType, Selection, Window, name_of
from services.enricher.sync.syncing import Syncing
from services.enricher.tasks import Progress
from shared.pictures import Name, Role

AT_ONCE = 100


class SyncMissing:
    """The work of a task: `content_type` (or any), at most `limit` pictures of these `roles`; `dry_run` only says which."""

    KIND = "sync missing"

    def __init__(self, library: Library, syncing: Syncing) -> None:
        self._library = library
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        content_type = str(arguments["content_type"] or "")
        selection = Selection(media_type=MediaType(content_type) if content_type else None)
        roles = arguments["roles"]
        assert isinstance(roles, list)
        missing = self._missing(selection, [Role(role) for role in roles], int(str(arguments["limit"])))
        await self._syncing.names(missing, progress, dry_run=bool(arguments["dry_run"]))

    async def _missing(self, selection: Selection, roles: Sequence[Role], limit: int) -> AsyncIterator[Name]:
        """In the order of the library, the newest first."""
        async for name in self._names(selection, roles):
            if limit <= 0:
                return
            if not await self._syncing.shows_something(name):
                limit -= 1
                yield name

    async def _names(self, selection: Selection, roles: Sequence[Role]) -> AsyncIterator[Name]:
        """Of titles that nobody knows an id of, there are none."""
        offset = 0
        while items := (await self._library.page(selection, Window(AT_ONCE, offset))).items:
            offset += len(items)
            for item in items:
                for role in roles:
                    if name := name_of(item, role):
                        yield name
