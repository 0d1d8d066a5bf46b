"""The library: what there is to show, each title once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.database import Database
from services.enricher.database.tables import media_items
from services.enricher.library import listing
from services.enricher.library.grouping import links_of, regroup
from services.enricher.library.item import Entry, Ids, Item, Page, Selection, Window
from services.enricher.library.storing import of_ids, of_poster, remove, row_id, store
from shared.telemetry import utc_now

EVERYTHING = Selection()
FIRST_WINDOW = Window()
_POSTER = update(media_items).where(media_items.c.id == bindparam("item"))


class Library:
    """Every method is one transaction, and raises DatabaseUnavailable where that cannot be."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def page(self, selection: Selection = EVERYTHING, window: Window = FIRST_WINDOW) -> Page:
        """The newest first."""

        async def reading(connection: AsyncConnection) -> Page:
            return await listing.page(connection, selection, window)

        return await self._database.read(reading)

    async def item(self, item_id: int) -> Item | None:
        async def reading(connection: AsyncConnection) -> Item | None:
            return await listing.item(connection, item_id)

        return await self._database.read(reading)

    async def add(self, entry: Entry) -> Item:
        """The item that the entry is now part of."""

        async def writing(connection: AsyncConnection) -> Item:
            await store(connection, [entry], now=self._now())
            item = await listing.item(connection, await row_id(connection, entry))
            assert item is not None
            return item

        return await self._database.write(writing)

    async def add_all(self, entries: Sequence[Entry]) -> None:
        """Many in one write."""
        await self._database.write(lambda connection: store(connection, entries, now=self._now()))

    async def remove(self, item_id: int) -> Item | None:
        """The item that was removed, with every place it was found at; None where there was none."""

        async def writing(connection: AsyncConnection) -> Item | None:
            item = await listing.item(connection, item_id)
            if item is not None:
                key = select(media_items.c.title_key).where(media_items.c.id == item_id).scalar_subquery()
                rows = await connection.execute(
                    select(media_items.c.id).where(media_items.c.title_key == key)
                )
                await remove(connection, list(rows.scalars()))
            return item

        return await self._database.write(writing)

    async def remove_entries(self, ids: Collection[int]) -> None:
        """Single entries; their titles stay while they have others."""
        await self._database.write(lambda connection: remove(connection, ids))

    async def identify(self, ids: Mapping[int, Ids]) -> None:
        """What is known by now of these items, in one write. An id that stays unknown is left as it was."""

        async def writing(connection: AsyncConnection) -> None:
            links = await links_of(connection, ids)
            for item_id, found in ids.items():
                values = {name: value for name, value in of_ids(found).items() if value is not None}
                await _change(connection, item_id, values | {"updated_at": self._now()})
            await regroup(connection, links | await links_of(connection, ids))

        await self._database.write(writing)

    async def store_posters(self, poster_urls: Mapping[int, str]) -> None:
        """The bare poster URL of each item, in one write."""
        now = self._now()
        rows = [
            {"item": item_id, "poster_cached_at": now, **of_poster(url)}
            for item_id, url in poster_urls.items()
        ]
        if rows:
            await self._database.write(lambda connection: connection.execute(_POSTER, rows))


async def _change(connection: AsyncConnection, item_id: int, values: Mapping[str, object]) -> None:
    await connection.execute(update(media_items).where(media_items.c.id == item_id).values(**values))
