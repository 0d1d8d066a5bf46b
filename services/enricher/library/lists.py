"""Lists that titles are on: how they are written, what they are called, and what a title's status is by several of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import select

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import replace_rows
from services.enricher.database.statements import DatabaseVisit, StatementOfSome
from services.enricher.library.tables import NEVER, lists, media_items

STATUSES = (
    "requested",
    "already_requested",
    "already_available",
    "available",
    "not_found",
    "error",
    "skipped",
)
"""As ListSync ranks them, the most telling first. Others come behind all of these."""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class OnList:
    """A list that a title is on. A list that was written without a colon is all type."""

    list_type: str
    list_id: str
    display_name: str | None = None
    poster_url: str | None = None
    synced_at: datetime | None = None

    @property
    def list_source(self) -> str:
        return f"{self.list_type}:{self.list_id}" if self.list_id else self.list_type


def reduced(list_source: str) -> str:
    """`type:id`, told apart at the first colon; an id that is a URL is reduced to what lists are stored by:

    of mdblist the user's name, of Trakt the list's slug or number, of all others the last part of the path.
    """
    list_type, colon, list_id = list_source.partition(":")
    if not colon or "://" not in list_id:
        return list_source
    try:
        parts = [unquote(part) for part in urlsplit(list_id).path.split("/") if part]
    except ValueError:  # half an address
        return list_source
    if "lists" in parts[:-1]:
        behind = parts[parts.index("lists") + 1]
        return f"{list_type}:{behind}"
    return f"{list_type}:{parts[-1]}" if parts else list_source


def standing_for(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of a title's entries the one whose status counts: by rank, then one that Overseerr has, then the last synced."""
    told = [row for row in rows if row["status"] is not None]
    return min(told, key=_rank, default=None)


def _rank(row: Mapping[str, Any]) -> tuple[int, bool, float]:
    status = row["status"]
    place = STATUSES.index(status) if status in STATUSES else len(STATUSES)
    return place, row["overseerr_id"] is None, -(row["last_synced"] or NEVER).timestamp()


def lists_of(rows: Sequence[Mapping[str, Any]], called: Mapping[str, OnList]) -> tuple[OnList, ...]:
    """Those that a title's entries are on, the newest first."""
    newest: dict[str, datetime] = {}
    for row in rows:
        if (source := row["list_source"]) is not None:
            at = row["last_synced"] or row["created_at"]
            newest[source] = max(at, newest.get(source, NEVER))
    ordered = sorted(newest, key=lambda source: newest[source], reverse=True)
    return tuple(_on_list(source, called.get(source), newest[source]) for source in ordered)


def _on_list(list_source: str, known: OnList | None, synced_at: datetime | None = None) -> OnList:
    list_type, _, list_id = list_source.partition(":")
    name, poster = (known.display_name, known.poster_url) if known else (None, None)
    return OnList(list_type, list_id, name, poster, synced_at)


_CALLED = StatementOfSome(lambda some: select(lists).where(lists.c.list_source.in_(some)))


def called(visit: DatabaseVisit, sources: Iterable[str]) -> Mapping[str, OnList]:
    """What is known of these lists."""
    known: dict[str, OnList] = {}
    wanted = list(dict.fromkeys(sources))
    for start in range(0, len(wanted), _AT_ONCE):
        for source, name, poster in visit.rows(*_CALLED.of(wanted[start : start + _AT_ONCE])):
            known[source] = _on_list(source, OnList("", "", name, poster))
    return known


async def name_lists(connection: AsyncConnection, named: Iterable[OnList]) -> None:
    """In the place of what they were called."""
    rows = [
        {"list_source": one.list_source, "display_name": one.display_name, "poster_url": one.poster_url}
        for one in named
    ]
    if rows:
        await replace_rows(connection, lists, rows)


class Lists:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[OnList]:
        """That a title is on, or that have a name."""
        on = select(media_items.c.list_source).where(media_items.c.list_source.is_not(None)).distinct()

        async def reading(connection: AsyncConnection) -> Sequence[OnList]:
            sources = {*(await connection.execute(on)).scalars()}
            sources |= {*(await connection.execute(select(lists.c.list_source))).scalars()}
            known = await connection.at_once(lambda visit: called(visit, sources))
            return [_on_list(source, known.get(source)) for source in sorted(sources)]

        return await self._database.read(reading)

    async def has(self, list_source: str) -> bool:
        """Whether a title is on it."""
        on = select(media_items.c.id).where(media_items.c.list_source == list_source).limit(1)

        async def reading(connection: AsyncConnection) -> bool:
            return (await connection.execute(on)).first() is not None

        return await self._database.read(reading)

    async def name(self, named: OnList) -> None:
        await self._database.write(lambda connection: name_lists(connection, [named]))
