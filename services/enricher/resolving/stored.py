"""What is here of pictures that names show: noted in the artwork table when the fetcher says that it changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.enricher.database import DatabaseUnavailable
from services.enricher.resolving.known import Known, Stored
from services.enricher.resolving.table import ArtworkTable
from shared.pictures import Name, PictureId, picture_path
from shared.volume import Pictures, Revision

WAITING_AT_MOST = 10_000
"""Pictures; beyond that the table is behind until the next event, and what is shown is as the volume has it."""

_log = structlog.get_logger()


class StoredArtwork:
    """Notes are gathered: whatever is heard while the last ones are written is the next transaction."""

    def __init__(self, table: ArtworkTable, pictures: Pictures) -> None:
        self._table = table
        self._pictures = pictures
        self._heard: set[PictureId] = set()
        self._noting: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Leaving it waits for what is being noted."""
        try:
            yield
        finally:
            if self._noting:
                await self._noting

    def hear(self, picture: PictureId) -> None:
        """It was stored, or purged."""
        if len(self._heard) < WAITING_AT_MOST:
            self._heard.add(picture)
        if self._noting is None:
            self._noting = asyncio.create_task(self._note(), name="noting stored artwork")

    async def as_stored(self, known: Known) -> Stored | None:
        """As the volume has it at this moment."""
        revision = await self._pictures.current(known.picture)
        return stored_as(known.name, revision) if revision else None

    async def _note(self) -> None:
        try:
            while self._heard:
                heard, self._heard = self._heard, set()
                known = [one for picture in heard for one in await self._table.of_picture(picture)]
                stored = {one.id: await self.as_stored(one) for one in known}
                changed = {one.id: stored[one.id] for one in known if stored[one.id] != one.stored}
                if changed:
                    await self._table.note_stored(changed)
        except DatabaseUnavailable as error:
            _log.warning("stored artwork not noted", error=str(error))
        finally:
            self._noting = None


def stored_as(name: Name, revision: Revision) -> Stored:
    path, original = f"/api/v1/images/{name}", revision.manifest.original
    return Stored(
        local_image_url=f"{path}/original",
        local_thumbnail_url=f"{path}/thumbnail",
        storage_path=f"{picture_path(revision.tree, revision.picture)}/{revision.id}",
        processed_at=revision.manifest.fetched_at,
        file_size=original.bytes,
        width=original.width,
        height=original.height,
    )
