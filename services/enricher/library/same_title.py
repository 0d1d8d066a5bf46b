"""Which entries are the same title, and the items made of them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, select, update

from services.enricher.database.statements import DatabaseVisit, Statement, StatementOfSome
from services.enricher.library.item import ItemIds, MediaType
from services.enricher.library.tables import NEVER, media_items
from shared import letters

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
    words = letters.words_in(letters.bare(title.replace("&", " and ")))
    return " ".join(words) or title.strip()


def by_title(entries: Iterable[KnownEntry]) -> Mapping[str, list[KnownEntry]]:
    """The entries of each title, by its key: the strongest link that they have."""
    links = {entry: [link for link in entry.links if link] for entry in entries}
    holders_of = Counter(link for each in links.values() for link in each)
    joined = [entry for entry, each in links.items() if any(holders_of[link] > 1 for link in each)]
    titles = _joined(joined)
    alone = links.keys() - set(joined)
    return titles | {":".join(links[entry][0]): [entry] for entry in alone}


def _joined(entries: Iterable[KnownEntry]) -> dict[str, list[KnownEntry]]:
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
_DERIVED = ("title_key", "first_of_title", "first_in_list", "title_synced")
_WRITE = Statement(
    update(media_items).where(_columns.id == bindparam("row_id")).values(dict.fromkeys(_DERIVED))
)
_COMING = 2**62
"""New rows count from here: their ids will be above all that there are."""


def links_of(visit: DatabaseVisit, ids: Collection[int]) -> set[Link]:
    """What joins these entries to others, to be asked before they are changed or removed."""
    return links_in(_chosen(visit, "id", ids))


def links_in(rows: Iterable[Fields]) -> set[Link]:
    return {link for row in rows for link in _known(row).links if link}


def regroup(visit: DatabaseVisit, links: Iterable[Link], new: Sequence[Fields] = ()) -> list[Fields]:
    """Group anew all that can be reached from these links, and no more.

    The links of rows that are about to be added are among them; these are given back with what is derived for them.
    """
    coming = {_COMING + place: {**row, "id": _COMING + place} for place, row in enumerate(new)}
    rows = {**_reachable(visit, set(links)), **coming}
    known = [_known(row) for row in rows.values()]
    changes: list[dict[str, Any]] = []
    for key, entries in by_title(known).items():
        changes += _changes(key, [rows[entry.id] for entry in entries])
    visit.run(_WRITE, *(change for change in changes if change["row_id"] < _COMING))
    derived = {change["row_id"]: change for change in changes}
    return [
        {**row, **{name: derived[_COMING + place][name] for name in _DERIVED}}
        for place, row in enumerate(new)
    ]


def _changes(key: str, title: list[Fields]) -> Iterable[dict[str, Any]]:
    oldest_in: dict[str | None, int] = {}
    for row in sorted(title, key=lambda row: row["id"]):
        oldest_in.setdefault(row["list_source"], row["id"])
    oldest = min(oldest_in.values())
    synced = max((row["last_synced"] for row in title if row["last_synced"]), default=NEVER)
    for row in title:
        wanted = (key, row["id"] == oldest, row["id"] == oldest_in[row["list_source"]], synced)
        if wanted != tuple(row[name] for name in _DERIVED):
            yield dict(zip(("row_id", *_DERIVED), (row["id"], *wanted), strict=True))


def _reachable(visit: DatabaseVisit, links: set[Link]) -> Mapping[int, Fields]:
    """Entries that have one of the links, those linked to them, and so on."""
    reached: dict[int, Fields] = {}
    asked: set[Link] = set()
    while links:
        asked |= links
        further: set[Link] = set()
        for row in _holders(visit, links):
            if row["id"] not in reached:
                reached[row["id"]] = row
                further.update(link for link in _known(row).links if link)
        links = further - asked
    return reached


def _holders(visit: DatabaseVisit, links: set[Link]) -> list[Fields]:
    values: defaultdict[str, set[str | int]] = defaultdict(set)
    for kind, _, value, *_ in links:
        values[kind].add(int(value) if kind in ("tmdb", "tvdb") else value)
    rows = [row for kind, wanted in values.items() for row in _chosen(visit, kind, wanted)]
    return [row for row in rows if not links.isdisjoint(_known(row).links)]


def _with(column: ColumnElement[Any], some: Sequence[BindParameter[Any]]) -> Select[Any]:
    return _READ.where(column.in_(some))


_CHOSEN = {
    "id": StatementOfSome(partial(_with, _columns.id)),
    "imdb": StatementOfSome(partial(_with, _columns.imdb_id)),
    "tmdb": StatementOfSome(partial(_with, _columns.tmdb_id)),
    "tvdb": StatementOfSome(partial(_with, _columns.tvdb_id)),
    "title": StatementOfSome(partial(_with, _columns.plain_title)),
}


def _chosen(visit: DatabaseVisit, column: str, values: Collection[str | int]) -> list[Fields]:
    waiting = list(values)
    some = [waiting[start : start + AT_ONCE] for start in range(0, len(waiting), AT_ONCE)]
    return [row._asdict() for each in some for row in visit.rows(*_CHOSEN[column].of(each))]


def _known(row: Fields) -> KnownEntry:
    ids = ItemIds(row["imdb_id"], row["tmdb_id"], row["tvdb_id"])
    return KnownEntry(row.get("id", 0), MediaType(row["media_type"]), ids, row["plain_title"], row["year"])
