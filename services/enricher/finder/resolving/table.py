"""Which picture each name shows: the table `artwork`, and what the volume holds of it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Self

import structlog
from sqlalchemy import BindParameter, ColumnElement, Row, Select, bindparam, insert, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.database.statements import DatabaseVisit, Statement, StatementOfSome
from services.enricher.finder.artwork.choice import Candidate
from services.enricher.finder.tables import artwork
from shared.pictures import Kind, Name, PictureId, Role, Source, parse_source, picture_host, picture_path
from shared.pictures.public_paths import PublicPaths
from shared.pictures.source import SourceUrl
from shared.volume import Pictures, Revision


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that a name shows. `provider` None: an upload, or of a host that nobody knows."""

    source: Source
    provider: str | None = None
    language: str | None = None
    score: float | None = None
    width: int | None = None
    height: int | None = None

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """Raise ValueError where the provider's URL is none."""
        return cls(
            SourceUrl.parse(candidate.source_url),
            candidate.provider,
            candidate.language,
            candidate.score,
            candidate.width or None,
            candidate.height or None,
        )

    @classmethod
    def pinned(cls, source: Source) -> Self:
        """What somebody says, and no provider was asked about."""
        host = picture_host(source.host) if isinstance(source, SourceUrl) else None
        return cls(source, host.provider if host else None)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a picture here: the original's width and height in pixels, and its bytes."""

    local_image_url: str
    local_thumbnail_url: str
    storage_path: str
    processed_at: datetime
    file_size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class KnownArtwork:
    """`id` is the artwork's. A pin is never due."""

    id: int
    name: Name
    shown: Shown
    pinned: bool
    checked_at: datetime
    refresh_at: datetime
    stored: Stored | None

    @property
    def picture(self) -> PictureId:
        return self.shown.source.picture

    def is_due(self, now: datetime) -> bool:
        return not self.pinned and self.refresh_at <= now


_columns = artwork.c
_OURS = ("local_image_url", "local_thumbnail_url", "storage_path", "processed_at", "file_size")
_OF_STORED = (*_OURS, "width", "height")
_NOT_STORED: dict[str, Any] = dict.fromkeys(_OURS)

NAMES_AT_MOST = 1000
"""That are told of at once."""

PICTURES_AT_ONCE = 64


SourcesElsewhere = Select[tuple[str, str]]
"""A query of another wing's: a `picture`, and the `url` it comes from."""


class ArtworkTable:
    """Raises DatabaseUnavailable where the database cannot be asked."""

    def __init__(self, database: Database, also_from: Sequence[SourcesElsewhere] = ()) -> None:
        self._database = database
        self._also_from = also_from

    async def of_name(self, name: Name) -> KnownArtwork | None:
        found = await self._database.read_at_once(lambda visit: visit.rows(_OF_NAME, _called(name)))
        return next(iter(self._database.readable(found, _known, of=artwork)), None)

    async def of_names(self, names: Iterable[Name]) -> Sequence[KnownArtwork]:
        """Of these, what is known."""
        called = [_called(name) for name in names]
        found = await self._database.read_at_once(
            lambda visit: [row for one in called for row in visit.rows(_OF_NAME, one)]
        )
        return self._database.readable(found, _known, of=artwork)

    async def of_id(self, artwork_id: int) -> KnownArtwork | None:
        found = await self._some(_columns.id == artwork_id, at_most=1)
        return found[0] if found else None

    async def names_of(self, kind: Kind, *, after: int) -> Sequence[tuple[int, Name]]:
        """Of this kind, those with the lowest ids after this one, which come with them."""
        query = select(artwork).where(_columns.kind == kind.value, _columns.id > after).order_by(_columns.id)
        return await self._database.rows(
            query, lambda row: (row.id, _known(row).name), of=artwork, limit=NAMES_AT_MOST
        )

    async def of_pictures(self, pictures: Collection[PictureId]) -> Sequence[KnownArtwork]:
        """The names that show one of them."""
        known: list[KnownArtwork] = []
        asked = list(pictures)
        for first in range(0, len(asked), PICTURES_AT_ONCE):
            statement = _OF_PICTURES.of(asked[first : first + PICTURES_AT_ONCE])
            found = await self._database.read_at_once(partial(_found, statement))
            known += self._database.readable(found, _known, of=artwork)
        return known

    async def due(self, now: datetime, *, at_most: int) -> Sequence[KnownArtwork]:
        """What is to be looked for again, the longest due first."""
        return await self._some(_columns.pinned.is_(False), _columns.refresh_at <= now, at_most=at_most)

    async def source_of(self, picture: PictureId) -> Source | None:
        """Where a picture comes from that a name shows, or that another wing knows."""
        queries = [select(_columns.source_url).where(_columns.picture_id == picture)]
        for query in self._also_from:
            known = query.subquery().c
            queries.append(select(known.url).where(known.picture == picture))

        async def reading(connection: AsyncConnection) -> str | None:
            for query in queries:
                if url := (await connection.execute(query.limit(1))).scalar():
                    return str(url)
            return None

        url = await self._database.read(reading)
        return parse_source(url) if url else None

    async def put(
        self, name: Name, shown: Shown, *, now: datetime, refresh_at: datetime, pinned: bool = False
    ) -> KnownArtwork:
        """In the place of what was found before, unless that was pinned. The name as it is known then.

        What is stored of another picture says nothing of this one.
        """
        [known] = await self.put_all({name: shown}, now=now, refresh_at=refresh_at, pinned=pinned)
        return known

    async def put_all(
        self, shown: Mapping[Name, Shown], *, now: datetime, refresh_at: datetime, pinned: bool = False
    ) -> Sequence[KnownArtwork]:
        """The same of several, in one transaction."""
        when = {"pinned": pinned, "checked_at": now, "refresh_at": refresh_at}
        return await self._database.write_at_once(
            lambda visit: [_put(visit, name, one, when) for name, one in shown.items()]
        )

    async def put_off(self, name: Name, until: datetime) -> None:
        """Look again then: what was found before stays."""
        statement = update(artwork).where(_is(name), _columns.pinned.is_(False)).values(refresh_at=until)
        await self._database.write(lambda connection: connection.execute(statement))

    async def unpin(self, name: Name, now: datetime) -> None:
        """Others may choose from this moment on."""
        statement = update(artwork).where(_is(name)).values(pinned=False, refresh_at=now)
        await self._database.write(lambda connection: connection.execute(statement))

    async def remove(self, name: Name) -> None:
        await self._database.write(lambda connection: connection.execute(artwork.delete().where(_is(name))))

    async def note_stored(self, stored: Mapping[int, Stored | None]) -> None:
        """What is here of the pictures, by the artworks' ids."""

        def writing(visit: DatabaseVisit) -> None:
            for artwork_id, one in stored.items():
                if one:
                    values = {name: getattr(one, name) for name in _OF_STORED}
                    visit.run(_NOTE_STORED, {"of_id": artwork_id} | _new(values))
                else:
                    visit.run(_NOTE_GONE, {"of_id": artwork_id})

        await self._database.write_at_once(writing)

    async def _some(
        self, *conditions: ColumnElement[bool], at_most: int = NAMES_AT_MOST
    ) -> Sequence[KnownArtwork]:
        query = select(artwork).where(*conditions).order_by(_columns.refresh_at)
        return await self._database.rows(query, _known, of=artwork, limit=at_most)


_NAMED: dict[str, BindParameter[str]] = {
    "kind": bindparam("name_kind"),
    "content_id": bindparam("name_id"),
    "role": bindparam("name_role"),
}
_IS_CALLED = tuple(_columns[name] == said for name, said in _NAMED.items())
_SAID = (
    *("source_url", "picture_id", "provider", "language", "score", "width", "height"),
    *("pinned", "checked_at", "refresh_at"),
)


def _news(names: Iterable[str]) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(f"new_{name}") for name in names}


def _new(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in values.items()}


_OF_NAME = Statement(select(artwork).where(*_IS_CALLED))
_OF_PICTURES = StatementOfSome(
    lambda some: (
        select(artwork)
        .where(_columns.picture_id.in_(some))
        .order_by(_columns.refresh_at)
        .limit(NAMES_AT_MOST)
    )
)
_ADD = Statement(insert(artwork).values(_NAMED | _news(_SAID)))
_CHANGE = Statement(update(artwork).where(*_IS_CALLED).values(_news((*_SAID, *_OURS))))
_OF_ID = _columns.id == bindparam("of_id")
_NOTE_STORED = Statement(update(artwork).where(_OF_ID).values(_news(_OF_STORED)))
_NOTE_GONE = Statement(update(artwork).where(_OF_ID).values(_NOT_STORED))


def _found(asked: tuple[Statement, Mapping[str, Any]], visit: DatabaseVisit) -> Sequence[Any]:
    return visit.rows(*asked)


def _called(name: Name) -> dict[str, Any]:
    return {"name_kind": name.kind.value, "name_id": name.id, "name_role": name.role.value}


def _is(name: Name) -> ColumnElement[bool]:
    kind, role = name.kind.value, name.role.value
    return (_columns.kind == kind) & (_columns.content_id == name.id) & (_columns.role == role)


def _put(visit: DatabaseVisit, name: Name, shown: Shown, when: Mapping[str, Any]) -> KnownArtwork:
    said, called = {**_said(shown), **when}, _called(name)
    before = next(iter(visit.rows(_OF_NAME, called)), None)
    if before is None:
        visit.run(_ADD, called | _new(said))
    elif not before.pinned or when["pinned"]:
        same = before.picture_id == shown.source.picture
        kept = {"width": before.width, "height": before.height} if before.storage_path else {}
        ours = {name: getattr(before, name) for name in _OURS} if same else _NOT_STORED
        visit.run(_CHANGE, called | _new(said | ours | (kept if same else {})))
    [row] = visit.rows(_OF_NAME, called)
    return _known(row)


def _said(shown: Shown) -> dict[str, Any]:
    return {
        "source_url": str(shown.source),
        "picture_id": shown.source.picture,
        "provider": shown.provider,
        "language": shown.language,
        "score": shown.score,
        "width": shown.width,
        "height": shown.height,
    }


def _known(row: Row[Any]) -> KnownArtwork:
    shown = Shown(parse_source(row.source_url), row.provider, row.language, row.score, row.width, row.height)
    return KnownArtwork(
        id=row.id,
        name=Name(Kind(row.kind), row.content_id, Role(row.role)),
        shown=shown,
        pinned=row.pinned,
        checked_at=row.checked_at,
        refresh_at=row.refresh_at,
        stored=Stored(**{name: getattr(row, name) for name in _OF_STORED}) if row.storage_path else None,
    )


GATHERED_S = 1.0
"""For what is shown is as the volume has it."""

WAITING_AT_MOST = 10_000
"""Pictures; beyond that the table is behind until the next event, and what is shown is as the volume has it."""

_log = structlog.get_logger()


class StoredArtwork:
    """Notes are gathered: a picture is told of once more for each of its renditions."""

    def __init__(self, table: ArtworkTable, pictures: Pictures, paths: PublicPaths) -> None:
        self._table = table
        self._pictures = pictures
        self._paths = paths
        self._heard: set[PictureId] = set()
        self._noting: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Leaving it waits for what is being noted."""
        try:
            yield
        finally:
            if self._noting:
                await self._noting

    def hear(self, picture: PictureId) -> None:
        """It was stored, or purged."""
        if len(self._heard) < WAITING_AT_MOST:
            self._heard.add(picture)
        if self._noting is None:
            self._noting = asyncio.create_task(self._note(), name="noting stored artwork")

    async def as_stored(self, known: KnownArtwork) -> Stored | None:
        """As the volume has it at this moment."""
        revision = await self._pictures.current(known.picture)
        return stored_as(known.name, revision, self._paths) if revision else None

    async def _note(self) -> None:
        try:
            while self._heard:
                await asyncio.sleep(GATHERED_S)
                heard, self._heard = self._heard, set()
                known = await self._table.of_pictures(heard)
                await self._pictures.ahead(one.picture for one in known)
                stored = {one.id: await self.as_stored(one) for one in known}
                changed = {one.id: stored[one.id] for one in known if stored[one.id] != one.stored}
                if changed:
                    await self._table.note_stored(changed)
        except DatabaseUnavailable as error:
            _log.warning("stored artwork not noted", error=str(error))
        finally:
            self._noting = None


def stored_as(name: Name, revision: Revision, paths: PublicPaths) -> Stored:
    original = revision.manifest.original
    return Stored(
        local_image_url=paths.of_name(name, "original"),
        local_thumbnail_url=paths.of_name(name, "thumbnail"),
        storage_path=f"{picture_path(revision.tree, revision.picture)}/{revision.id}",
        processed_at=revision.manifest.fetched_at,
        file_size=original.bytes,
        width=original.width,
        height=original.height,
    )
