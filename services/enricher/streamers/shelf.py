"""Streamers, categories and streams: adding and finding them, and what their pictures' names show."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Select, Table, bindparam, delete, insert, or_, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import Words
from services.enricher.database.statements import DatabaseVisit, Statement
from services.enricher.streamers import naming
from services.enricher.streamers.rows import (
    ALL_AT_MOST,
    Category,
    LiveStream,
    NewCategory,
    Rows,
    Streamer,
    Thumbnail,
    columns_of,
)
from services.enricher.streamers.tables import categories, stream_thumbnails, streamers, streams
from shared.pictures import Kind, Name, Role, SourceUrl
from shared.pictures.name import file_id
from shared.telemetry import utc_now

_Entry = TypeVar("_Entry")


class StreamShelf:
    """All three. Every method is one transaction, and raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now
        self.streamers = Rows(database, streamers, Streamer, columns_of(Streamer))
        self.categories = Rows(database, categories, Category, columns_of(Category))
        self.streams = Rows(database, streams, LiveStream, columns_of(LiveStream))

    async def add_streamers(
        self,
        *,
        logins: Collection[str] = (),
        twitch_ids: Collection[str] = (),
        check_in: timedelta = timedelta(0),
    ) -> Sequence[Streamer]:
        """Those that are here already, and new ones of which nothing else is known yet: Twitch is asked about them next, or in a
        while. In this order.
        """
        now = self._now()
        new = {"is_favorite": False, "added_at": now, "seen_at": now, "check_at": now + check_in}
        wanted = [("login", one) for one in logins] + [("twitch_id", one) for one in twitch_ids]

        def writing(visit: DatabaseVisit) -> list[Streamer]:
            added = []
            for column, value in dict.fromkeys(wanted):
                rows = visit.rows(_STREAMER_BY[column], {"said": value})
                known = self.streamers.read(rows[0]) if rows else None
                added.append(known or self.streamers.add(visit, **{column: value}, **new))
            return added

        return await self._database.write_at_once(writing)

    async def name_streamers(self, said: Mapping[int, Mapping[str, object]]) -> None:
        """What Twitch says of each, by our numbers. Whoever else had a login of theirs has none until Twitch says which."""
        columns, logins = streamers.c, [one["login"] for one in said.values()]

        async def writing(connection: AsyncConnection) -> None:
            had = columns.login.in_(logins) & columns.twitch_id.is_not(None)
            await connection.execute(update(streamers).where(had).values(login=None))
            await connection.at_once(lambda visit: self.streamers.change_at_once(visit, said))

        await self._database.write_on_one_visit(writing)

    async def merge_streamers(self, kept: Streamer, double: Streamer) -> None:
        """Two that are the same: the streams and the mark of the second are the first one's by now."""
        await self._merge(streamers, streams.c.streamer_id, kept, double)

    async def merge_categories(self, kept: Category, double: Category) -> None:
        await self._merge(categories, streams.c.category_id, kept, double)

    async def _merge(
        self, table: Table, of_streams: Column[int], kept: Streamer | Category, double: Streamer | Category
    ) -> None:
        moved = update(streams).where(of_streams == double.id).values({of_streams: kept.id})
        marked = update(table).where(table.c.id == kept.id).values(is_favorite=True)

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(moved)
            await connection.execute(delete(table).where(table.c.id == double.id))
            if double.is_favorite:
                await connection.execute(marked)

        await self._database.write(writing)

    async def add_categories(
        self, wanted: Sequence[NewCategory], *, check_in: timedelta = timedelta(0)
    ) -> Sequence[Category]:
        """The same of categories, each with a file name and a slug that nobody else has. Raise ValueError for a name that is none."""
        now = self._now()
        for one in wanted:
            _file_name(one)

        def writing(visit: DatabaseVisit) -> list[Category]:
            added = []
            for one in wanted:
                known = self._known(visit, one)
                if known:
                    said: dict[str, object] = {"last_seen": now}
                    if one.twitch_id and not known.twitch_id:
                        said |= {"twitch_id": one.twitch_id}
                    if one.name and known.name == known.file_name:
                        said |= {"name": one.name, "check_at": now}
                    self.categories.change_at_once(visit, {known.id: said})
                added.append(known or self._new_category(visit, one, now, check_in))
            return added

        return await self._database.write_at_once(writing)

    def _known(self, visit: DatabaseVisit, one: NewCategory) -> Category | None:
        """By Twitch's id; by the name only where one of both has no id: two may be called the same."""
        file_name = _file_name(one) if one.name is not None else None  # of some only the file was known
        said = {"twitch_id": one.twitch_id, "name": one.name, "file_name": file_name}
        rows = visit.rows(_KNOWN_CATEGORY, said)
        return self.categories.read(rows[0]) if rows else None

    def _new_category(
        self, visit: DatabaseVisit, one: NewCategory, now: datetime, check_in: timedelta
    ) -> Category:
        file_name, slug = _free_names(visit, one)
        return self.categories.add(
            visit,
            twitch_id=one.twitch_id,
            name=one.name or naming.twitchs(one.twitch_id or ""),
            file_name=file_name,
            slug=slug,
            cover_id=file_id(file_name),
            box_art=one.box_art,
            is_favorite=False,
            first_seen=now,
            last_seen=now,
            check_at=now + check_in,
        )

    async def category_called(self, text: str) -> Category | None:
        """By its name, its file name, its slug, or Twitch's id."""
        columns = categories.c
        said = [columns.name == text, columns.file_name == text.lower(), columns.slug == text.lower()]
        if twitch_id := naming.twitch_id_in(text):
            said.append(columns.twitch_id == twitch_id)
        with suppress(ValueError):
            said.append(columns.file_name == naming.file_name_of(text))
        query = select(categories).where(or_(*said)).order_by(columns.name != text, columns.id)
        found = await self._database.rows(query, self.categories.read, of=categories, limit=1)
        return found[0] if found else None

    async def called_alike(self, some: Collection[Category]) -> Mapping[int, Sequence[str]]:
        """By the number of each of these, the names of others that would have the same file name or slug, had they come first."""
        alike = {one.id: _alike(one.name) for one in some}

        def reading(visit: DatabaseVisit) -> Mapping[int, Sequence[str]]:
            return {
                number: [
                    row.name
                    for _, row in sorted(
                        {row.id: row for text in texts for row in _called_like(visit, text)}.items()
                    )
                    if row.id != number and _alike(row.name) & texts
                ]
                for number, texts in alike.items()
            }

        return await self._database.read_at_once(reading)

    async def name_category(self, number: int, said: NewCategory, **values: object) -> None:
        """One that was only known by Twitch's id until now: nobody knows its file name yet."""

        async def writing(connection: AsyncConnection) -> None:
            own = update(categories).where(categories.c.id == number)
            free = str(number)  # for a moment, so that its own names are not taken
            await connection.execute(own.values(file_name=f"/{free}", slug=f"/{free}"))
            file_name, slug = await connection.at_once(lambda visit: _free_names(visit, said))
            await connection.execute(
                own.values(
                    name=said.name, file_name=file_name, slug=slug, cover_id=file_id(file_name), **values
                )
            )

        await self._database.write(writing)

    async def mark_seen(self, table: Table, number: int, checked_before: datetime) -> bool:
        """Somebody asked for it. Whether it is due by that: because Twitch was asked before then, or never."""
        columns, own = table.c, update(table).where(table.c.id == number)
        seen = {"last_seen" if table is categories else "seen_at": self._now()}

        async def writing(connection: AsyncConnection) -> bool:
            await connection.execute(own.values(**seen))
            due = own.where(columns.checked_at < checked_before).values(check_at=self._now())
            return (await connection.execute(due)).rowcount > 0

        return await self._database.write(writing)

    async def put_stream(
        self, streamer: int, twitch_id: str | None, *, started_at: datetime, **said: object
    ) -> LiveStream:
        """A stream of this streamer; the one with Twitch's id, where it is here, changed to what is said of it."""
        known = {name: value for name, value in said.items() if value is not None}

        async def writing(connection: AsyncConnection) -> LiveStream:
            row = None
            if twitch_id is not None:
                same = select(streams).where(streams.c.twitch_id == twitch_id)
                row = (await connection.execute(same)).first()
            if row is None:
                new = {"twitch_id": twitch_id, "streamer_id": streamer, "started_at": started_at}
                return await connection.at_once(
                    lambda visit: self.streams.add(visit, **new, **known, added_at=self._now())
                )
            own = streams.c.id == row.id
            if known:
                await connection.execute(update(streams).where(own).values(**known))
            return self.streams.read((await connection.execute(select(streams).where(own))).one())

        return await self._database.write(writing)

    async def due(self, rows: Rows[_Entry], *, limit: int) -> Sequence[_Entry]:
        """What Twitch is to be asked about; first what it was never asked about."""
        columns = rows.table.c
        query: Select[Any] = (
            select(rows.table)
            .where(columns.check_at <= self._now())
            .order_by(columns.checked_at.is_not(None), columns.check_at)
        )
        return await self._database.rows(query, rows.read, of=rows.table, limit=limit)

    async def source_of(self, name: Name) -> SourceUrl | None:
        """Where the picture of a streamer, a category or a stream comes from; None: nobody here knows it, or it has none."""
        source = await self._url_of(name)
        return SourceUrl.parse(source) if source else None

    async def source_or_why(self, name: Name) -> SourceUrl | str:
        """The same, or a sentence where there is none."""
        return await self.source_of(name) or f"Nobody here knows such a {name.kind}, or a picture of it."

    async def _url_of(self, name: Name) -> str | None:
        match name:
            case Name(kind=Kind.STREAMER, role=Role.PROFILE | Role.AVATAR | Role.IMAGE | Role.POSTER):
                streamer = await self.streamer_called(name.id)
                return streamer.profile_source if streamer else None
            case Name(kind=Kind.STREAMER, role=Role.BANNER | Role.FANART):
                streamer = await self.streamer_called(name.id)
                return streamer.offline_source if streamer else None
            case Name(kind=Kind.CATEGORY, role=Role.COVER | Role.POSTER | Role.IMAGE):
                category = await self._category_of_cover(name.id)
                return category.source if category else None
            case Name(kind=Kind.STREAM, role=Role.ARTWORK | Role.THUMBNAIL | Role.IMAGE):
                return await self._source_of_stream(name.id)
        return None

    async def streamer_called(self, id_: str) -> Streamer | None:
        """By our number, else by Twitch's id, which the number may be as well; with `tw:` only by that."""
        twitch_id = naming.twitch_id_in(id_)
        if twitch_id is None and id_.isascii() and id_.isdecimal() and len(id_) < 19:  # noqa: PLR2004 - what fits into 64 bits
            if ours := await self.streamers.get(int(id_)):
                return ours
            twitch_id = id_
        return await self.streamers.one(streamers.c.twitch_id == twitch_id) if twitch_id else None

    async def _category_of_cover(self, id_: str) -> Category | None:
        columns = categories.c
        if twitch_id := naming.twitch_id_in(id_):
            return await self.categories.one(columns.twitch_id == twitch_id)
        known = await self.categories.one(or_(columns.cover_id == id_, columns.slug == id_))
        return known or await self.categories.one(
            or_(columns.cover_id == id_.lower(), columns.slug == id_.lower())
        )

    async def _source_of_stream(self, id_: str) -> str | None:
        columns = streams.c
        if twitch_id := naming.twitch_id_in(id_):
            stream = await self.streams.one(columns.twitch_id == twitch_id)
            return stream.artwork_source if stream else None
        number, _, moment = id_.partition(":")
        if not all(one.isascii() and one.isdecimal() and len(one) < 19 for one in (number, moment or "0")):  # noqa: PLR2004 - 64 bits
            return None
        if moment:
            return await self._thumbnail(int(number), int(moment))
        stream = await self.streams.get(int(number)) or await self.streams.one(columns.twitch_id == number)
        return stream.artwork_source if stream else None

    async def _thumbnail(self, stream: int, moment: int) -> str | None:
        return next((one.source for one in await self.thumbnails(stream) if one.moment == moment), None)

    async def thumbnails(self, stream: int) -> Sequence[Thumbnail]:
        """What the stream looked like, the newest first."""
        columns = stream_thumbnails.c
        query = select(stream_thumbnails).where(columns.stream_id == stream).order_by(columns.taken_at.desc())
        return await self._database.rows(
            query,
            lambda row: Thumbnail(row.stream_id, row.taken_at, row.source),
            of=stream_thumbnails,
            limit=ALL_AT_MOST,
        )

    async def forget_artwork(self, stream: int) -> None:
        """What it showed, and its history."""
        history = delete(stream_thumbnails).where(stream_thumbnails.c.stream_id == stream)
        await self._database.write(lambda connection: connection.execute(history))
        await self.streams.change(stream, artwork_source=None)

    async def keep_thumbnail(self, thumbnail: Thumbnail, *, at_most: int) -> Sequence[Thumbnail]:
        """As the stream's artwork by now, and in its history, which holds so many: the oldest ones leave, and are returned."""
        columns = stream_thumbnails.c
        new = {"stream_id": thumbnail.stream, "taken_at": thumbnail.taken_at, "source": thumbnail.source}

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(insert(stream_thumbnails).values(**new))
            await connection.execute(
                update(streams)
                .where(streams.c.id == thumbnail.stream)
                .values(artwork_source=thumbnail.source)
            )

        await self._database.write(writing)
        leaving = (await self.thumbnails(thumbnail.stream))[at_most:]
        gone = [one.taken_at for one in leaving]
        await self._database.write(
            lambda connection: connection.execute(
                delete(stream_thumbnails).where(
                    columns.stream_id == thumbnail.stream, columns.taken_at.in_(gone)
                )
            )
        )
        return leaving


def _file_name(one: NewCategory) -> str:
    """Raise ValueError for a category that no file can be called after, but where Twitch's id stands for it."""
    try:
        return naming.file_name_of(one.name or "")
    except ValueError:
        if one.twitch_id is None:
            raise
        return f"category_{one.twitch_id}"


def _alike(name: str) -> set[str]:
    said = {naming.slug_of(name)}
    with suppress(ValueError):
        said.add(naming.file_name_of(name))
    return said - {""}


_STREAMER_BY = {
    name: Statement(select(streamers).where(streamers.c[name] == bindparam("said")))
    for name in ("login", "twitch_id")
}


def _of_known() -> Select[*tuple[Any, ...]]:
    columns = categories.c
    twitch_id, name, file_name = (bindparam(one, type_=Words()) for one in ("twitch_id", "name", "file_name"))
    named = columns.name.in_((name, file_name)) & (columns.twitch_id.is_(None) | twitch_id.is_(None))
    first = (columns.twitch_id.is_(None), columns.name != name, columns.id)
    return select(categories).where((columns.twitch_id == twitch_id) | named).order_by(*first).limit(1)


_KNOWN_CATEGORY = Statement(_of_known())


def _of_called(*columns: ColumnElement[str]) -> Select[*tuple[Any, ...]]:
    """What is called as `text` says, and what has a suffix to that, which is from `suffixed` to `beyond`: an index finds it."""
    text, suffixed, beyond = (bindparam(name, type_=Words()) for name in ("text", "suffixed", "beyond"))
    called = ((one == text) | ((one >= suffixed) & (one < beyond)) for one in columns)
    return select(categories).where(or_(*called)).order_by(categories.c.id)


_NAMES = (categories.c.file_name, categories.c.slug)
_CALLED = Statement(
    _of_called(*_NAMES), on_postgresql=lambda: _of_called(*(one.collate("C") for one in _NAMES))
)


def _called_like(visit: DatabaseVisit, text: str) -> Sequence[Any]:
    """Categories whose file name or slug is this, or this with a suffix."""
    after_underscore = chr(ord("_") + 1)
    return visit.rows(_CALLED, {"text": text, "suffixed": f"{text}_", "beyond": f"{text}{after_underscore}"})


def _free_names(visit: DatabaseVisit, one: NewCategory) -> tuple[str, str]:
    """A file name and a slug that no other category has for either."""
    called = _file_name(one)
    file_name = naming.unlike(called, _taken(visit, called))
    slug = naming.slug_of(one.name or "") or f"category_{one.twitch_id or file_id(file_name)[-8:]}"
    if slug == called:
        return file_name, file_name
    return file_name, naming.unlike(slug, _taken(visit, slug) | {file_name})


def _taken(visit: DatabaseVisit, wanted: str) -> set[str]:
    """Of this and of what has a suffix to it what is somebody's."""
    return {one for row in _called_like(visit, wanted) for one in (row.file_name, row.slug)}
