"""Which entries are the same title, and the items made of them."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.library.item import ItemIds, MediaType
from services.enricher.library.tables import NEVER, media_items

Link = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """What is known of an entry that tells which title it is."""

    id: int
    media_type: MediaType
    ids: ItemIds
    plain_title: str
    year: int | None

    @property
    def links(self) -> tuple[Link | None, ...]:
        """One for each kind of link, the strongest first."""
        ids, kind = self.ids, self.media_type.value
        return (
            ("imdb", kind, ids.imdb) if ids.imdb else None,
            ("tmdb", kind, str(ids.tmdb)) if ids.tmdb else None,
            ("tvdb", kind, str(ids.tvdb)) if ids.tvdb else None,
            ("title", kind, self.plain_title, str(self.year or "")),
        )


KINDS = 4


def plain(title: str) -> str:
    """A title as it is compared: without case, accents and punctuation, unless nothing else is in it."""
    letters = title.casefold().replace("&", " and ")
    if not letters.isascii():
        decomposed = unicodedata.normalize("NFKD", letters)
        letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    words = re.findall(r"\w+", letters)
    return " ".join(words) or title.strip()


def by_title(entries: Iterable[KnownEntry]) -> Mapping[str, list[KnownEntry]]:
    """The entries of each title, by its key: the strongest link that they have."""
    group_of = {entry.id: _Group.of(entry) for entry in entries}
    for strength in range(KINDS):
        holders: defaultdict[Link, set[_Group]] = defaultdict(set)
        for group in set(group_of.values()):
            for link in group.links[strength]:
                holders[link].add(group)
        for link in sorted(holders):
            found = {group_of[entry.id] for group in holders[link] for entry in group.entries}
            _join(_joinable(found, strength), group_of)
    return {group.key: group.entries for group in set(group_of.values())}


@dataclass(eq=False, slots=True)
class _Group:
    entries: list[KnownEntry]
    links: tuple[set[Link], ...]

    @classmethod
    def of(cls, entry: KnownEntry) -> "_Group":
        return cls([entry], tuple({link} if link else set() for link in entry.links))

    @property
    def key(self) -> str:
        return ":".join(min(next(links for links in self.links if links)))

    def take(self, other: "_Group") -> None:
        self.entries += other.entries
        for mine, others in zip(self.links, other.links, strict=True):
            mine.update(others)


def _joinable(groups: set[_Group], strength: int) -> list[_Group]:
    for kind in range(strength):
        if sum(bool(group.links[kind]) for group in groups) > 1:
            return [group for group in groups if not any(group.links[:strength])]
    return list(groups)


def _join(groups: list[_Group], group_of: dict[int, _Group]) -> None:
    if len(groups) < 2:  # noqa: PLR2004 - nothing to join
        return
    largest = max(groups, key=lambda group: len(group.entries))
    for group in groups:
        if group is not largest:
            largest.take(group)
            group_of.update((entry.id, largest) for entry in group.entries)


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
    *(_columns[name] for name in ("last_synced", "title_synced")),
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


_DERIVED = ("title_key", "first_of_title", "first_in_list", "title_synced")


def _changes(key: str, title: list[Fields]) -> Iterable[dict[str, object]]:
    oldest_in: dict[str | None, int] = {}
    for row in sorted(title, key=lambda row: row["id"]):
        oldest_in.setdefault(row["list_source"], row["id"])
    oldest = min(oldest_in.values())
    synced = max((row["last_synced"] for row in title if row["last_synced"]), default=NEVER)
    for row in title:
        wanted = (key, row["id"] == oldest, row["id"] == oldest_in[row["list_source"]], synced)
        if wanted != tuple(row[name] for name in _DERIVED):
            yield dict(zip(("row_id", *_DERIVED), (row["id"], *wanted), strict=True))


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


def _known(row: Fields) -> KnownEntry:
    ids = ItemIds(row["imdb_id"], row["tmdb_id"], row["tvdb_id"])
    return KnownEntry(row.get("id", 0), MediaType(row["media_type"]), ids, row["plain_title"], row["year"])
