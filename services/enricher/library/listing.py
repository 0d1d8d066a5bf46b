"""Pages of items: one entry of each title is marked, so that a page is a walk along an index."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Select, bindparam, func, select

from services.enricher.database.statements import DatabaseVisit, Statement
from services.enricher.library.item import Item, ItemOrder, MediaType, Page, Selection, Window
from services.enricher.library.lists import OnList, called, lists_of, standing_for
from services.enricher.library.same_title import plain
from services.enricher.library.tables import media_items

_columns = media_items.c
_OF_ITEM = [column for column in _columns if column.name in {*Item.__slots__, "title_key", "title_synced"}]


@dataclass(frozen=True, slots=True)
class _Form:
    """What selections have in common that are asked by the same statement."""

    order: ItemOrder
    is_list: bool
    is_of_type: bool
    words: int

    @classmethod
    def of(cls, selection: Selection) -> "_Form":
        return cls(
            selection.order,
            selection.list_source is not None,
            selection.media_type is not None,
            min(len(plain(selection.text).split()), WORDS_AT_MOST),
        )


WORDS_AT_MOST = 20
"""Of those that titles are searched by; further ones are left out."""


def page(visit: DatabaseVisit, selection: Selection, window: Window) -> Page:
    count, choice = _statements(_Form.of(selection))
    [(total,)] = visit.rows(count, _values(selection))
    rows = visit.rows(choice, _values(selection) | _bounds(window))
    return Page(_items(rows, selection.order, _lists_in(visit, rows)), total, window)


_TITLE = select(_columns.title_key).where(_columns.id == bindparam("item_id")).scalar_subquery()
_ENTRIES = Statement(select(*_OF_ITEM).where(_columns.title_key == _TITLE))


def item(visit: DatabaseVisit, item_id: int) -> Item | None:
    """The title that has the entry `item_id`."""
    rows = visit.rows(_ENTRIES, {"item_id": item_id})
    return _item(rows, _lists_in(visit, rows)) if rows else None


def _lists_in(visit: DatabaseVisit, rows: Sequence[Row[Any]]) -> Mapping[str, OnList]:
    sources = {row.list_source for row in rows if row.list_source is not None}
    return called(visit, sources) if sources else {}


@cache
def _statements(form: _Form) -> tuple[Statement, Statement]:
    return Statement(_counted(form)), Statement(_windowed(form))


def counted(selection: Selection) -> Select[Any]:
    """As it is asked of the database."""
    return _counted(_Form.of(selection)).params(_values(selection))


def windowed(selection: Selection, window: Window) -> Select[Any]:
    """As it is asked of the database."""
    return _windowed(_Form.of(selection)).params(_values(selection) | _bounds(window))


def _values(selection: Selection) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if selection.list_source is not None:
        values["of_list"] = selection.list_source
    if selection.media_type is not None:
        values["of_type"] = selection.media_type.value
    for place, word in enumerate(plain(selection.text).split()[:WORDS_AT_MOST]):
        escaped = word.replace("/", "//").replace("%", "/%").replace("_", "/_")
        values[f"word_{place}"] = f"%{escaped}%"
    return values


def _bounds(window: Window) -> dict[str, int]:
    return {"at_most": window.limit, "after": window.offset}


def _counted(form: _Form) -> Select[Any]:
    return select(func.count()).select_from(media_items).where(*_conditions(form))


def _windowed(form: _Form) -> Select[Any]:
    """All entries of the titles in the window, each with its title's `rank`: the highest comes first."""
    # First the ids alone, for which the index is enough: what the offset skips is never looked up.
    marked = (
        select(_columns.id, _rank(form.order).label("rank"))
        .where(*_conditions(form))
        .order_by(*_ORDERS[form.order])
        .limit(bindparam("at_most", type_=Integer))
        .offset(bindparam("after", type_=Integer))
        .subquery()
    )
    of_title = media_items.alias("of_title")
    chosen = select(marked.c.rank, of_title.c.title_key).join(marked, of_title.c.id == marked.c.id)
    titles = chosen.subquery()
    return select(titles.c.rank, *_OF_ITEM).join(titles, _columns.title_key == titles.c.title_key)


_ORDERS: Mapping[ItemOrder, Sequence[ColumnElement[Any]]] = {
    ItemOrder.NEWEST: (_columns.id.desc(),),
    ItemOrder.LAST_SYNCED: (_columns.title_synced.desc(), _columns.id.desc()),
    ItemOrder.TITLE: (_columns.plain_title, _columns.id.desc()),
    ItemOrder.YEAR: (func.coalesce(_columns.year, 0).desc(), _columns.id.desc()),
}


def _rank(order: ItemOrder) -> ColumnElement[int]:
    if order in {ItemOrder.NEWEST, ItemOrder.LAST_SYNCED}:
        return _columns.id
    return -func.row_number().over(order_by=_ORDERS[order])


def _conditions(form: _Form) -> Iterable[ColumnElement[bool]]:
    if not form.is_list:
        yield _columns.first_of_title.is_(True)
    else:
        yield _columns.first_in_list.is_(True)
        yield _columns.list_source == bindparam("of_list")
    if form.is_of_type:
        yield _columns.media_type == bindparam("of_type")
    for place in range(form.words):
        yield _columns.plain_title.like(bindparam(f"word_{place}"), escape="/")


def _items(rows: Sequence[Row[Any]], order: ItemOrder, known: Mapping[str, OnList]) -> Sequence[Item]:
    titles: dict[int, list[Row[Any]]] = {}
    for row in rows:
        titles.setdefault(row.rank, []).append(row)
    ranks = sorted(titles, reverse=True)
    if order is ItemOrder.LAST_SYNCED:
        ranks.sort(key=lambda rank: titles[rank][0].title_synced, reverse=True)
    return tuple(_item(titles[rank], known) for rank in ranks)


def _item(rows: Sequence[Row[Any]], known: Mapping[str, OnList]) -> Item:
    """What the oldest entry says, and where that says nothing, the next one; the status by its rank."""
    oldest_first = sorted((row._asdict() for row in rows), key=lambda row: row["id"])
    said: dict[str, Any] = {}
    for row in oldest_first:
        said |= {name: value for name, value in row.items() if said.get(name) is None}
    paths = tuple(row["full_path"] for row in oldest_first if row["full_path"] is not None)
    values = {name: said[name] for name in Item.__slots__ if name in said}
    if standing := standing_for(oldest_first):
        values |= {"status": standing["status"]}
        values |= {"overseerr_id": standing["overseerr_id"] or said["overseerr_id"]}
    synced = max((row["last_synced"] for row in oldest_first if row["last_synced"]), default=None)
    return Item(
        **values
        | {
            "media_type": MediaType(said["media_type"]),
            "paths": paths,
            "last_synced": synced,
            "list_sources": lists_of(oldest_first, known),
        }
    )
