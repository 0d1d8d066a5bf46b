"""The library: entries written, items read, each title once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, bindparam, delete, insert, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.statements import DatabaseVisit, Statement, StatementOfSome
from services.enricher.library import listing
from services.enricher.library.item import Item, ItemIds, LibraryEntry, MediaType, Page, Selection, Window
from services.enricher.library.lists import Lists, OnList, called, name_lists
from services.enricher.library.same_title import AT_ONCE, Fields, Link, links_in, links_of, plain, regroup
from services.enricher.library.tables import NEVER, media_items
from shared.pictures import picture_id
from shared.telemetry import utc_now

_columns = media_items.c
_SAID = ("title", "year", "full_path", "list_source", "status", "overseerr_id", "last_synced", "poster_url")
_NEW: Fields = {column.name: None for column in _columns if column.name != "id"} | {
    "title_key": "",
    "first_of_title": False,
    "first_in_list": False,
    "title_synced": NEVER,
}
"""A row about which nothing is known. `regroup` fills in the rest."""

_INSERT = Statement(insert(media_items).values(_NEW))
_UPDATE = Statement(update(media_items).where(_columns.id == bindparam("row_id")).values(_NEW))


def store(
    visit: DatabaseVisit,
    entries: Sequence[LibraryEntry],
    *,
    now: datetime,
    extras: Sequence[Fields] = (),
) -> None:
    """`extras` are further columns of each entry's row. A path may come only once."""
    known = _known(visit, entries)
    links = links_in(row for row in known if row)
    rows = [
        {**_merged(entry, row or {**_NEW, "created_at": now}), **extra, "updated_at": now}
        for entry, row, extra in zip(entries, known, extras or [{}] * len(entries), strict=True)
    ]
    new = [row for row in rows if "id" not in row]
    _put(visit, new, [row for row in rows if "id" in row], links)


@dataclass(frozen=True, slots=True)
class TakenIn:
    """How many entries are new, how many were there and had something added, and how many had not."""

    added: int
    completed: int
    unchanged: int


def take_in(
    visit: DatabaseVisit,
    entries: Sequence[LibraryEntry],
    extras: Sequence[Fields],
    *,
    dry_run: bool = False,
) -> TakenIn:
    """Entries of another program, with further columns of their rows: what is known here stays, and is completed.

    But the later word counts of a status. Each path, and each title of a list, may come only once.
    """
    known = _known(visit, entries)
    links = links_in(row for row in known if row)
    new: list[Fields] = []
    changed: list[Fields] = []
    for entry, row, extra in zip(entries, known, extras, strict=True):
        if row is None:
            new.append({**_merged(entry, _NEW), **extra})
        elif completed := _completed(entry, row, extra):
            changed.append({**row, **completed})
    if not dry_run:
        _put(visit, new, changed, links)
    return TakenIn(len(new), len(changed), len(entries) - len(new) - len(changed))


def _completed(entry: LibraryEntry, row: Fields, extra: Fields) -> dict[str, Any]:
    """What the entry says of what the row does not."""
    said = {name: getattr(entry, name) for name in _SAID} | of_ids(entry.ids) | dict(extra)
    more = {name: value for name, value in said.items() if value is not None and row[name] is None}
    if entry.last_synced and row["last_synced"] and entry.last_synced > row["last_synced"]:
        later = ("status", "overseerr_id", "last_synced")
        more |= {name: said[name] for name in later if said[name] not in (None, row[name])}
    return more | of_poster(more["poster_url"]) if "poster_url" in more else more


_REMOVE = StatementOfSome(lambda some: delete(media_items).where(_columns.id.in_(some)))


def remove(visit: DatabaseVisit, ids: Collection[int]) -> None:
    """These rows; what else there is of their titles stays."""
    links = links_of(visit, ids)
    going = list(ids)
    for start in range(0, len(going), AT_ONCE):
        visit.run(*_REMOVE.of(going[start : start + AT_ONCE]))
    regroup(visit, links)


def placed(visit: DatabaseVisit, entry: LibraryEntry, *, now: datetime) -> int:
    """Store the entry, and return its row's id."""
    store(visit, [entry], now=now)
    [row] = _known(visit, [entry])
    assert row is not None
    return int(row["id"])


def of_ids(ids: ItemIds) -> dict[str, str | int | None]:
    return {"imdb_id": ids.imdb, "tmdb_id": ids.tmdb, "tvdb_id": ids.tvdb}


def of_poster(url: str | None) -> dict[str, str | None]:
    """With the id that its picture is found by when it was evicted."""
    return {"poster_url": url, "poster_picture": picture_id(url) if url else None}


def _merged(entry: LibraryEntry, row: Fields) -> dict[str, Any]:
    """What the entry says, and what was known where it says nothing."""
    said = {name: getattr(entry, name) for name in _SAID if getattr(entry, name) is not None}
    said |= of_ids(entry.ids) if entry.ids else {}
    merged = {**row, **said, "media_type": entry.media_type.value, "plain_title": plain(entry.title)}
    return merged | of_poster(merged["poster_url"])


def _put(
    visit: DatabaseVisit, new: Sequence[Fields], changed: Sequence[Fields], links: Collection[Link]
) -> None:
    """`links`: of what the changed rows were. Each row is written once where no other's title changes by it."""
    written = [{**row, "row_id": row["id"]} for row in changed]
    for row in written:
        del row["id"]
    visit.run(_UPDATE, *written)
    visit.run(_INSERT, *regroup(visit, {*links, *links_in([*new, *changed])}, new))


_AT_PATHS = StatementOfSome(lambda some: select(media_items).where(_columns.full_path.in_(some)))


def _known(visit: DatabaseVisit, entries: Sequence[LibraryEntry]) -> list[Fields | None]:
    """The row that each entry has already."""
    paths = [entry.full_path for entry in entries if entry.full_path is not None]
    found: dict[str, Fields] = {}
    for start in range(0, len(paths), AT_ONCE):
        rows = visit.rows(*_AT_PATHS.of(paths[start : start + AT_ONCE]))
        found.update((row.full_path, row._asdict()) for row in rows)
    in_lists = iter(_of_lists(visit, [entry for entry in entries if entry.full_path is None]))
    return [next(in_lists) if entry.full_path is None else found.get(entry.full_path) for entry in entries]


MANY = 100
"""So many entries without a path are looked for among all such rows at once, fewer one by one."""


_WITHOUT_PATH = select(media_items).where(_columns.full_path.is_(None))
_IN_LISTS = Statement(_WITHOUT_PATH.order_by(_columns.id.desc()))


def _of_lists(visit: DatabaseVisit, entries: Sequence[LibraryEntry]) -> list[Fields | None]:
    if len(entries) < MANY:
        return [_in_list(visit, entry) for entry in entries]
    oldest: dict[tuple[object, ...], Fields] = {}
    for row in visit.rows(_IN_LISTS):
        fields = row._asdict()
        place = (fields["list_source"], fields["media_type"])
        for name in ("imdb_id", "tmdb_id", "tvdb_id"):
            if fields[name] is not None:
                oldest[*place, name, fields[name]] = fields
        oldest[*place, fields["plain_title"], fields["year"]] = fields
    return [oldest.get(_place_of(entry)) for entry in entries]


def _place_of(entry: LibraryEntry) -> tuple[object, ...]:
    """As `_in_list` has it."""
    strongest = next(((name, value) for name, value in of_ids(entry.ids).items() if value is not None), None)
    return (entry.list_source, entry.media_type.value, *(strongest or (plain(entry.title), entry.year)))


def _of_list(*same: ColumnElement[bool]) -> Statement:
    in_list = (
        _columns.list_source.is_not_distinct_from(bindparam("list_source")),
        _columns.media_type == bindparam("media_type"),
    )
    return Statement(_WITHOUT_PATH.where(*in_list, *same).order_by(_columns.id).limit(1))


_OF_LIST = {
    name: _of_list(_columns[name] == bindparam("value")) for name in ("imdb_id", "tmdb_id", "tvdb_id")
}
_CALLED_IN_LIST = _of_list(
    _columns.plain_title == bindparam("plain_title"), _columns.year.is_not_distinct_from(bindparam("year"))
)


def _in_list(visit: DatabaseVisit, entry: LibraryEntry) -> Fields | None:
    """The row without a path of the same list and, by the strongest id that is said or by its name, the same title."""
    place = {"list_source": entry.list_source, "media_type": entry.media_type.value}
    strongest = next(((name, value) for name, value in of_ids(entry.ids).items() if value is not None), None)
    if strongest:
        found = visit.rows(_OF_LIST[strongest[0]], {**place, "value": strongest[1]})
    else:
        found = visit.rows(_CALLED_IN_LIST, {**place, "plain_title": plain(entry.title), "year": entry.year})
    return found[0]._asdict() if found else None


EVERYTHING = Selection()
FIRST_WINDOW = Window()
_POSTER = update(media_items).where(media_items.c.id == bindparam("item"))


class Library:
    """Every method is one transaction, and raises DatabaseUnavailable where that cannot be."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now
        self.lists = Lists(database)

    async def page(self, selection: Selection = EVERYTHING, window: Window = FIRST_WINDOW) -> Page:
        """The newest first."""
        return await self._database.read_at_once(lambda visit: listing.page(visit, selection, window))

    async def item(self, item_id: int) -> Item | None:
        return await self._database.read_at_once(lambda visit: listing.item(visit, item_id))

    async def add(self, entry: LibraryEntry) -> Item:
        """The item that the entry is now part of."""

        async def writing(connection: AsyncConnection) -> Item:
            added = await connection.at_once(lambda visit: placed(visit, entry, now=self._now()))
            if entry.status is not None and entry.list_source is None:  # said of the title, not of a list
                same = await _of_title(connection, added)
                await connection.execute(update(media_items).where(same).values(status=entry.status))
            item = await connection.at_once(lambda visit: listing.item(visit, added))
            assert item is not None
            return item

        return await self._database.write(writing)

    async def add_all(self, entries: Sequence[LibraryEntry]) -> None:
        """Many in one write."""
        await self._database.write_at_once(lambda visit: store(visit, entries, now=self._now()))

    async def take_in(
        self,
        entries: Sequence[LibraryEntry],
        extras: Sequence[Mapping[str, Any]],
        named: Mapping[str, OnList],
        *,
        dry_run: bool = False,
    ) -> TakenIn:
        """What another program knows of titles and lists, all of it in one write; see `take_in`."""
        now = self._now()
        moments = [
            {"created_at": now, "updated_at": extra.get("created_at", now), **extra} for extra in extras
        ]

        async def working(connection: AsyncConnection) -> TakenIn:
            taken = await connection.at_once(lambda visit: take_in(visit, entries, moments, dry_run=dry_run))
            known = await connection.at_once(lambda visit: called(visit, named))
            if not dry_run:
                await name_lists(connection, [one for source, one in named.items() if source not in known])
            return taken

        do = self._database.read_on_one_visit if dry_run else self._database.write_on_one_visit
        return await do(working)

    async def remove(self, item_id: int) -> Item | None:
        """The item that was removed, with every place it was found at; None where there was none."""

        async def writing(connection: AsyncConnection) -> Item | None:
            item = await connection.at_once(lambda visit: listing.item(visit, item_id))
            if item is not None:
                same = await _of_title(connection, item_id)
                rows = await connection.execute(select(media_items.c.id).where(same))
                ids = list(rows.scalars())
                await connection.at_once(lambda visit: remove(visit, ids))
            return item

        return await self._database.write(writing)

    async def change(self, item_id: int, values: Mapping[str, Any]) -> Item | None:
        """Say these fields of a title anew, wherever it was found; None: forgets them. The item, None where there is none."""
        said = dict(values)
        if "poster_url" in said:
            said |= of_poster(said["poster_url"])
        if "title" in said:
            said["plain_title"] = plain(said["title"])

        async def writing(connection: AsyncConnection) -> Item | None:
            if await connection.at_once(lambda visit: listing.item(visit, item_id)) is None:
                return None
            same = await _of_title(connection, item_id)
            ids = list((await connection.execute(select(_columns.id).where(same))).scalars())
            links = await connection.at_once(lambda visit: links_of(visit, ids))
            changed = update(media_items).where(_columns.id.in_(ids))
            await connection.execute(changed.values(**said, updated_at=self._now()))
            await connection.at_once(lambda visit: regroup(visit, links | links_of(visit, ids)))
            return await connection.at_once(lambda visit: listing.item(visit, item_id))

        return await self._database.write(writing)

    async def remove_entries(self, ids: Collection[int]) -> None:
        """Single entries; their titles stay while they have others."""
        await self._database.write_at_once(lambda visit: remove(visit, ids))

    async def identify(self, ids: Mapping[int, ItemIds]) -> None:
        """What is known by now of these items, in one write. An id that stays unknown is left as it was."""

        async def writing(connection: AsyncConnection) -> None:
            links = await connection.at_once(lambda visit: links_of(visit, ids))
            for item_id, found in ids.items():
                values = {name: value for name, value in of_ids(found).items() if value is not None}
                await _change(connection, item_id, values | {"updated_at": self._now()})
            await connection.at_once(lambda visit: regroup(visit, links | links_of(visit, ids)))

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

    async def known(self, media_type: MediaType, tmdb_ids: Collection[int]) -> frozenset[int]:
        """Those of these TMDB ids that a title here has."""
        query = select(_columns.tmdb_id).where(
            _columns.media_type == media_type.value, _columns.tmdb_id.is_not(None)
        )

        async def reading(connection: AsyncConnection) -> frozenset[int]:
            return frozenset((await connection.execute(query)).scalars()) & frozenset(tmdb_ids)

        return await self._database.read(reading)

    async def place(self, entry: LibraryEntry) -> int:
        """The id of the entry itself, added or said more of: it stays, whichever title it turns out to be of."""
        return await self._database.write_at_once(lambda visit: placed(visit, entry, now=self._now()))


class NewTitle(Protocol):
    """A title as another wing knows it. `kind` is `movie` or `tv`."""

    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def year(self) -> int | None: ...
    @property
    def imdb_id(self) -> str | None: ...
    @property
    def tmdb_id(self) -> int: ...
    @property
    def tvdb_id(self) -> int | None: ...


ACCOUNT_LIST = "trakt"
"""The list that the titles of somebody's account are on."""


class ItemKeeping:
    """The library for another wing: a title is one item here, also where it came from somebody's account."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def keep(self, item: NewTitle) -> int:
        ids = ItemIds(item.imdb_id, item.tmdb_id, item.tvdb_id)
        entry = LibraryEntry(item.title, MediaType(item.kind), item.year, ids, list_source=ACCOUNT_LIST)
        return await self._library.place(entry)

    async def known(self, kind: str, tmdb_ids: Collection[int]) -> frozenset[int]:
        return await self._library.known(MediaType(kind), tmdb_ids)


async def _of_title(connection: AsyncConnection, entry_id: int) -> ColumnElement[bool]:
    """The entries of the title that has this one."""
    key = select(_columns.title_key).where(_columns.id == entry_id)
    return _columns.title_key.in_([(await connection.execute(key)).scalar_one()])


async def _change(connection: AsyncConnection, item_id: int, values: Mapping[str, object]) -> None:
    await connection.execute(update(media_items).where(media_items.c.id == item_id).values(**values))
