"""What earlier scans have found: to leave out what is as it was, and to take out what is no more."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.database import Database
from services.enricher.library.item import LibraryEntry
from services.enricher.library.library import remove, store
from services.enricher.library.scan.names import as_text
from services.enricher.library.scan.tree import Sighting
from services.enricher.library.tables import media_items

AT_ONCE = 500
Scanned = Row[Any]

_columns = media_items.c
_MOVED = update(media_items).where(_columns.full_path == bindparam("path"))


class RememberedFiles:
    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def changed(self, sightings: Sequence[Sighting]) -> Sequence[Sighting]:
        """Those that are new or differ from what was found there before."""
        known = await self._database.read(lambda connection: _known(connection, sightings))
        moved = [
            {"path": as_text(s.path), "scan_device": s.device}
            for s in sightings
            if known.get(as_text(s.path), (s.state, s.device))[1] != s.device
        ]
        if moved:
            await self._database.write(lambda connection: connection.execute(_MOVED, moved))
        return [s for s in sightings if known.get(as_text(s.path), (None, 0))[0] != s.state]

    async def keep(self, entries: Sequence[LibraryEntry], sightings: Sequence[Sighting]) -> None:
        extras = [{"scan_state": s.state, "scan_device": s.device} for s in sightings]
        await self._database.write(
            lambda connection: store(connection, entries, now=self._now(), extras=extras)
        )

    async def below(self, root: str, *, after: str = "") -> Sequence[Scanned]:
        """What earlier scans found there, in the order of its paths: some of it, after the path `after`."""
        start = as_text(root).rstrip("/")
        query = (
            select(_columns.id, _columns.full_path, _columns.scan_device)
            .where(_columns.full_path >= start, _columns.full_path < start + "0", _columns.full_path > after)
            .where((_columns.full_path == start) | (_columns.full_path >= start + "/"))
            .where(_columns.scan_state.is_not(None))
            .order_by(_columns.full_path)
            .limit(AT_ONCE)
        )

        async def reading(connection: AsyncConnection) -> Sequence[Scanned]:
            return list(await connection.execute(query))

        return await self._database.read(reading)

    async def forget(self, ids: Collection[int]) -> None:
        await self._database.write(lambda connection: remove(connection, ids))


async def _known(
    connection: AsyncConnection, sightings: Sequence[Sighting]
) -> Mapping[str, tuple[str | None, int]]:
    paths = [as_text(sighting.path) for sighting in sightings]
    query = select(_columns.full_path, _columns.scan_state, _columns.scan_device)
    rows = await connection.execute(query.where(_columns.full_path.in_(paths)))
    return {row.full_path: (row.scan_state, row.scan_device) for row in rows}
