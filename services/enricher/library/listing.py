"""Pages of items: one entry of each title is marked, so that a page is a walk along an index."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.enricher.library.item import Item, MediaType, Page, Selection, Sorting, Window
from services.enricher.library.same_title import plain
from services.enricher.library.tables import media_items

_columns = media_items.c
_OF_ITEM = [column for column in _columns if column.name in {*Item.__slots__, "title_key"}]


async def page(connection: AsyncConnection, selection: Selection, window: Window) -> Page:
    total = (await connection.execute(counted(selection))).scalar_one()
    rows = (await connection.execute(windowed(selection, window))).all()
    return Page(_items(rows), total, window)


async def item(connection: AsyncConnection, item_id: int) -> Item | None:
    """The title that has the entry `item_id`."""
    key = select(_columns.title_key).where(_columns.id == item_id).scalar_subquery()
    rows = (await connection.execute(select(*_OF_ITEM).where(_columns.title_key == key))).all()
    return _item(rows) if rows else None


def counted(selection: Selection) -> Select[Any]:
    return select(func.count()).select_from(media_items).where(*_conditions(selection))


def windowed(selection: Selection, window: Window) -> Select[Any]:
    """All entries of the titles in the window, each with its title's `rank`: the highest comes first."""
    # First the ids alone, for which the index is enough: what the offset skips is never looked up.
    marked = (
        select(_columns.id, _rank(selection.order).label("rank"))
        .where(*_conditions(selection))
        .order_by(*_ORDERS[selection.order])
        .limit(window.limit)
        .offset(window.offset)
        .subquery()
    )
    of_title = media_items.alias("of_title")
    chosen = select(marked.c.rank, of_title.c.title_key).join(marked, of_title.c.id == marked.c.id)
    titles = chosen.subquery()
    return select(titles.c.rank, *_OF_ITEM).join(titles, _columns.title_key == titles.c.title_key)


_ORDERS: Mapping[Sorting, Sequence[ColumnElement[Any]]] = {
    Sorting.NEWEST: (_columns.id.desc(),),
    Sorting.TITLE: (_columns.plain_title, _columns.id.desc()),
    Sorting.YEAR: (func.coalesce(_columns.year, 0).desc(), _columns.id.desc()),
}


def _rank(order: Sorting) -> ColumnElement[int]:
    if order is Sorting.NEWEST:
        return _columns.id
    return -func.row_number().over(order_by=_ORDERS[order])


def _conditions(selection: Selection) -> Iterable[ColumnElement[bool]]:
    if selection.list_source is None:
        yield _columns.first_of_title.is_(True)
    else:
        yield _columns.first_in_list.is_(True)
        yield _columns.list_source == selection.list_source
    if selection.media_type is not None:
        yield _columns.media_type == selection.media_type
    for word in plain(selection.text).split():
        yield _columns.plain_title.contains(word, autoescape=True)


def _items(rows: Sequence[Row[Any]]) -> Sequence[Item]:
    titles: dict[int, list[Row[Any]]] = {}
    for row in rows:
        titles.setdefault(row.rank, []).append(row)
    return tuple(_item(titles[rank]) for rank in sorted(titles, reverse=True))


def _item(rows: Sequence[Row[Any]]) -> Item:
    """What the oldest entry says, and where that says nothing, the next one."""
    oldest_first = sorted((row._asdict() for row in rows), key=lambda row: row["id"])
    said: dict[str, Any] = {}
    for row in oldest_first:
        said |= {name: value for name, value in row.items() if said.get(name) is None}
    paths = tuple(row["full_path"] for row in oldest_first if row["full_path"] is not None)
    values = {name: said[name] for name in Item.__slots__ if name != "paths"}
    return Item(**values | {"media_type": MediaType(said["media_type"]), "paths": paths})
