"""Entries into rows: new ones, and what is said anew of known ones."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Insert, Update, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.database.tables import media_items
from services.enricher.library.grouping import AT_ONCE, Fields, links_in, links_of, regroup
from services.enricher.library.item import Entry, Ids
from services.enricher.library.same_title import plain
from shared.pictures import picture_id

_columns = media_items.c
_SAID = ("title", "year", "full_path", "list_source", "status", "overseerr_id", "last_synced", "poster_url")
_NEW: Fields = {column.name: None for column in _columns if column.name != "id"} | {
    "title_key": "",
    "first_of_title": False,
    "first_in_list": False,
}
"""A row about which nothing is known. `regroup` fills in the rest."""

_UPDATE = update(media_items).where(_columns.id == bindparam("row_id"))


async def store(
    connection: AsyncConnection, entries: Sequence[Entry], *, now: datetime, extras: Sequence[Fields] = ()
) -> None:
    """`extras` are further columns of each entry's row. A path may come only once."""
    known = await _known(connection, entries)
    links = links_in(row for row in known if row)
    rows = [
        {**_merged(entry, row or {**_NEW, "created_at": now}), **extra, "updated_at": now}
        for entry, row, extra in zip(entries, known, extras or [{}] * len(entries), strict=True)
    ]
    await _put(connection, insert(media_items), [row for row in rows if "id" not in row])
    await _put(connection, _UPDATE, [row | {"row_id": row["id"]} for row in rows if "id" in row])
    await regroup(connection, links | links_in(rows))


async def remove(connection: AsyncConnection, ids: Collection[int]) -> None:
    """These rows; what else there is of their titles stays."""
    links = await links_of(connection, ids)
    await connection.execute(delete(media_items).where(_columns.id.in_(ids)))
    await regroup(connection, links)


async def row_id(connection: AsyncConnection, entry: Entry) -> int:
    """Of an entry that is stored."""
    [row] = await _known(connection, [entry])
    assert row is not None
    return int(row["id"])


def of_ids(ids: Ids) -> dict[str, str | int | None]:
    return {"imdb_id": ids.imdb, "tmdb_id": ids.tmdb, "tvdb_id": ids.tvdb}


def of_poster(url: str | None) -> dict[str, str | None]:
    """With the id that its picture is found by when it was evicted."""
    return {"poster_url": url, "poster_picture": picture_id(url) if url else None}


def _merged(entry: Entry, row: Fields) -> dict[str, Any]:
    """What the entry says, and what was known where it says nothing."""
    said = {name: getattr(entry, name) for name in _SAID if getattr(entry, name) is not None}
    said |= of_ids(entry.ids) if entry.ids else {}
    merged = {**row, **said, "media_type": entry.media_type.value, "plain_title": plain(entry.title)}
    return merged | of_poster(merged["poster_url"])


async def _put(connection: AsyncConnection, statement: Insert | Update, rows: Sequence[Fields]) -> None:
    if rows:
        await connection.execute(statement, rows)


async def _known(connection: AsyncConnection, entries: Sequence[Entry]) -> list[Fields | None]:
    """The row that each entry has already."""
    paths = [entry.full_path for entry in entries if entry.full_path is not None]
    found: dict[str, Fields] = {}
    for start in range(0, len(paths), AT_ONCE):
        some = _columns.full_path.in_(paths[start : start + AT_ONCE])
        rows = await connection.execute(select(media_items).where(some))
        found.update((row.full_path, row._asdict()) for row in rows)
    return [
        await _in_list(connection, entry) if entry.full_path is None else found.get(entry.full_path)
        for entry in entries
    ]


async def _in_list(connection: AsyncConnection, entry: Entry) -> Fields | None:
    """The row without a path of the same list and title."""
    same = _strongest(entry)
    query = select(media_items).where(
        _columns.full_path.is_(None),
        _columns.list_source.is_not_distinct_from(entry.list_source),
        _columns.media_type == entry.media_type.value,
        *same,
    )
    row = (await connection.execute(query.order_by(_columns.id).limit(1))).first()
    return None if row is None else row._asdict()


def _strongest(entry: Entry) -> list[ColumnElement[bool]]:
    for name, value in of_ids(entry.ids).items():
        if value is not None:
            return [_columns[name] == value]
    return [_columns.plain_title == plain(entry.title), _columns.year.is_not_distinct_from(entry.year)]
