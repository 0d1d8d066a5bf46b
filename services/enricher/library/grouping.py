"""Keeping `title_key` and the first entries true while entries come, change and go."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.database.tables import media_items
from services.enricher.library.item import Ids, MediaType
from services.enricher.library.same_title import Known, Link, by_title

AT_ONCE = 500
"""Values in one condition of a query."""

Fields = Mapping[str, Any]
_columns = media_items.c
_READ = select(
    *(
        _columns[name]
        for name in ("id", "media_type", "plain_title", "year", "imdb_id", "tmdb_id", "tvdb_id")
    ),
    *(_columns[name] for name in ("list_source", "title_key", "first_of_title", "first_in_list")),
)
_WRITE = update(media_items).where(_columns.id == bindparam("row_id"))


async def links_of(connection: AsyncConnection, ids: Collection[int]) -> set[Link]:
    """What joins these entries to others, to be asked before they are changed or removed."""
    return links_in(await _chosen(connection, _columns.id, ids))


def links_in(rows: Iterable[Fields]) -> set[Link]:
    return {link for row in rows for link in _known(row).links if link}


async def regroup(connection: AsyncConnection, links: Iterable[Link]) -> None:
    """Group anew all that can be reached from these links, and no more."""
    rows = await _reachable(connection, set(links))
    known = [_known(row) for row in rows.values()]
    changes: list[dict[str, object]] = []
    for key, entries in by_title(known).items():
        changes += _changes(key, [rows[entry.id] for entry in entries])
    if changes:
        await connection.execute(_WRITE, changes)


def _changes(key: str, title: list[Fields]) -> Iterable[dict[str, object]]:
    oldest_in: dict[str | None, int] = {}
    for row in sorted(title, key=lambda row: row["id"]):
        oldest_in.setdefault(row["list_source"], row["id"])
    oldest = min(oldest_in.values())
    for row in title:
        wanted = (key, row["id"] == oldest, row["id"] == oldest_in[row["list_source"]])
        if wanted != (row["title_key"], row["first_of_title"], row["first_in_list"]):
            names = ("row_id", "title_key", "first_of_title", "first_in_list")
            yield dict(zip(names, (row["id"], *wanted), strict=True))


async def _reachable(connection: AsyncConnection, links: set[Link]) -> Mapping[int, Fields]:
    """Entries that have one of the links, those linked to them, and so on."""
    reached: dict[int, Fields] = {}
    asked: set[Link] = set()
    while links:
        asked |= links
        further: set[Link] = set()
        for row in await _holders(connection, links):
            if row["id"] not in reached:
                reached[row["id"]] = row
                further.update(link for link in _known(row).links if link)
        links = further - asked
    return reached


async def _holders(connection: AsyncConnection, links: set[Link]) -> list[Fields]:
    values: defaultdict[str, set[str | int]] = defaultdict(set)
    for kind, _, value, *_ in links:
        values[kind].add(int(value) if kind in ("tmdb", "tvdb") else value)
    columns = {
        "imdb": _columns.imdb_id,
        "tmdb": _columns.tmdb_id,
        "tvdb": _columns.tvdb_id,
        "title": _columns.plain_title,
    }
    rows = [
        row for kind, wanted in values.items() for row in await _chosen(connection, columns[kind], wanted)
    ]
    return [row for row in rows if not links.isdisjoint(_known(row).links)]


async def _chosen(
    connection: AsyncConnection, column: ColumnElement[Any], values: Collection[str | int]
) -> list[Fields]:
    rows: list[Fields] = []
    waiting = list(values)
    for start in range(0, len(waiting), AT_ONCE):
        some = waiting[start : start + AT_ONCE]
        rows += [row._asdict() for row in await connection.execute(_READ.where(column.in_(some)))]
    return rows


def _known(row: Fields) -> Known:
    ids = Ids(row["imdb_id"], row["tmdb_id"], row["tvdb_id"])
    return Known(row.get("id", 0), MediaType(row["media_type"]), ids, row["plain_title"], row["year"])
