"""What earlier scans have found: to leave out what is as it was, and to take out what is no more."""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.statements import DatabaseVisit, Statement, StatementOfSome
from services.enricher.guessing.guesser import Guess
from services.enricher.library.item import ItemIds, LibraryEntry, MediaType
from services.enricher.library.library import remove, store
from services.enricher.library.same_title import plain
from services.enricher.library.scan.names import as_text, ids_in, legible
from services.enricher.library.scan.nfo import Nfo, read_nfo
from services.enricher.library.scan.releases import SURE
from services.enricher.library.scan.titles import Titled, plainly, roughly, surely
from services.enricher.library.scan.tree import Sighting
from services.enricher.library.tables import media_items

AT_ONCE = 500
Scanned = Row[Any]

_columns = media_items.c
_MOVED = Statement(
    update(media_items).where(_columns.full_path == bindparam("path")).values(scan_device=None)
)


class RememberedFiles:
    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def changed(self, sightings: Sequence[Sighting]) -> Sequence[Sighting]:
        """Those that are new or differ from what was found there before."""
        known = await self._database.read_at_once(lambda visit: _known(visit, sightings))
        moved = [
            {"path": as_text(s.path), "scan_device": s.device}
            for s in sightings
            if known.get(as_text(s.path), (s.state, s.device))[1] != s.device
        ]
        if moved:
            await self._database.write_at_once(lambda visit: visit.run(_MOVED, *moved))
        return [s for s in sightings if known.get(as_text(s.path), (None, 0))[0] != s.state]

    async def keep(self, entries: Sequence[LibraryEntry], sightings: Sequence[Sighting]) -> None:
        extras = [{"scan_state": s.state, "scan_device": s.device} for s in sightings]
        await self._database.write_at_once(
            lambda visit: store(visit, entries, now=self._now(), extras=extras)
        )

    async def below(self, root: str, *, after: str = "") -> Sequence[Scanned]:
        """What earlier scans found there, in the order of its paths: some of it, after the path `after`."""
        start = as_text(root).rstrip("/")
        query = (
            select(_columns.id, _columns.full_path, _columns.scan_device)
            .where(_columns.full_path >= start, _columns.full_path < start + "0", _columns.full_path > after)
            .where((_columns.full_path == start) | (_columns.full_path >= start + "/"))
            .where(_columns.scan_state.is_not(None))
            .order_by(_columns.full_path)
            .limit(AT_ONCE)
        )

        async def reading(connection: AsyncConnection) -> Sequence[Scanned]:
            return list(await connection.execute(query))

        return await self._database.read(reading)

    async def forget(self, ids: Collection[int]) -> None:
        await self._database.write_at_once(lambda visit: remove(visit, ids))


_FOUND = StatementOfSome(
    lambda some: select(_columns.full_path, _columns.scan_state, _columns.scan_device).where(
        _columns.full_path.in_(some)
    )
)


def _known(visit: DatabaseVisit, sightings: Sequence[Sighting]) -> Mapping[str, tuple[str | None, int]]:
    paths = [as_text(sighting.path) for sighting in sightings]
    rows = visit.rows(*_FOUND.of(paths)) if paths else ()
    return {row.full_path: (row.scan_state, row.scan_device) for row in rows}


@dataclass(frozen=True, slots=True)
class PathReading:
    """`titled` is None where the title can only be guessed, from `to_guess`."""

    sighting: Sighting
    ids: ItemIds
    titled: Titled | None
    to_guess: str
    problem: str | None = None

    @property
    def kind(self) -> str:
        """What guessit calls it."""
        return "movie" if self.sighting.media_type is MediaType.MOVIE else "episode"

    def guessed(self, guess: Guess | None) -> "PathReading":
        return self if guess is None else replace(self, titled=Titled(*guess))

    def entry(self) -> LibraryEntry:
        titled = self.titled or roughly(self.to_guess.rpartition("/")[2])
        media_type = self.sighting.media_type
        return LibraryEntry(
            titled.title, media_type, titled.year, self.ids, full_path=as_text(self.sighting.path)
        )


def read(sighting: Sighting, *, root: str) -> PathReading:
    """`root` is the folder that is scanned: names above it say nothing."""
    names = _names(sighting, root)
    bearer, named_ids = next(((name, ids) for name in names if (ids := ids_in(name))), (names[0], ItemIds()))
    nfo, problem = _nfo(sighting)
    ids = _completed(named_ids, nfo.ids)
    titled = _titled(sighting, names, nfo)
    if titled is None and ids:
        titled = roughly(bearer)
    to_guess = names[0] if sighting.is_folder else "/".join(reversed(names[:2]))
    return PathReading(sighting, ids, titled, to_guess, problem)


def unread(sighting: Sighting) -> PathReading:
    """By its name alone, roughly."""
    name = legible(os.path.basename(sighting.path))
    return PathReading(
        sighting, ItemIds(), roughly(name if sighting.is_folder else os.path.splitext(name)[0]), name
    )


def _names(sighting: Sighting, root: str) -> Sequence[str]:
    """Of the thing itself, and of a movie's folders, the nearest first."""
    path, name = os.path.split(sighting.path)
    if sighting.film is not None and sighting.film.named is not None:
        own = sighting.film.named
    else:
        own = legible(name if sighting.is_folder else os.path.splitext(name)[0])
    if sighting.media_type is MediaType.TV:
        return (own,)
    folders = path[len(os.path.dirname(root)) :].split("/")
    return (own, *(legible(folder) for folder in reversed(folders) if folder))


def _titled(sighting: Sighting, names: Sequence[str], nfo: Nfo) -> Titled | None:
    from_name = _of_film(sighting, names) if sighting.film is not None else _of_series(sighting, names[0])
    if nfo.title:
        return Titled(nfo.title, nfo.year or (from_name.year if from_name else None))
    if from_name and nfo.year:
        return replace(from_name, year=from_name.year or nfo.year)
    return from_name


_COMPLETE = re.compile(
    r"[ ._\-–:(\[]+(?:the[ ._])?complete[ ._](?:tv[ ._])?(?:series|collection)[)\]]?", re.IGNORECASE
)


def _of_series(sighting: Sighting, name: str) -> Titled | None:
    own = (_COMPLETE.sub(" ", name).strip() if sighting.is_folder else "") or name
    return plainly(own) or surely(own, MediaType.TV, is_folder=sighting.is_folder)


def _of_film(sighting: Sighting, names: Sequence[str]) -> Titled | None:
    """By its file's name, or its folder's where that says more of it."""
    assert sighting.film is not None
    own = plainly(names[0])
    if own and not sighting.film.is_version:
        return own
    own = own or surely(names[0], MediaType.MOVIE)
    if sighting.is_folder or len(names) == 1:
        return own
    around = plainly(names[1]) or surely(names[1], MediaType.MOVIE)
    if around is None:
        return own
    if sighting.film.is_version or (around.year and _begins(names[0], around.title) and _agree(own, around)):
        return around
    return around if sighting.film.alone and _says_more(names, own, around) else own


def _says_more(names: Sequence[str], own: Titled | None, around: Titled) -> bool:
    """Whether the folder's name says more of the only film in it than its file's."""
    if around.year and (own is None or own.year is None or plainly(names[1])):
        return True
    is_release = SURE.search(names[1]) and not SURE.search(names[0])
    return own is not None and own.year is None and bool(is_release)


def _agree(own: Titled | None, around: Titled) -> bool:
    """A year in the file's name that is not the folder's is another film's, unless the folder's title ends with it."""
    return own is None or own.year in (None, around.year) or around.title.endswith(str(own.year))


def _begins(name: str, title: str) -> bool:
    return f"{plain(name)} ".startswith(f"{plain(title)} ")


def _nfo(sighting: Sighting) -> tuple[Nfo, str | None]:
    if sighting.nfo is None:
        return Nfo(), None
    try:
        nfo = read_nfo(sighting.nfo, sighting.media_type)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return Nfo(), f"{as_text(sighting.nfo)} is left out: {why}."
    broken = f"{as_text(sighting.nfo)} is no sound XML ({nfo.broken}): what can be told from it is taken."
    return nfo, broken if nfo.broken else None


def _completed(named: ItemIds, said: ItemIds) -> ItemIds:
    """What the name says, completed by the NFO file where the two do not contradict each other."""
    pairs = list(zip((named.imdb, named.tmdb, named.tvdb), (said.imdb, said.tmdb, said.tvdb), strict=True))
    if any(one and other and one != other for one, other in pairs):
        return named
    return ItemIds(named.imdb or said.imdb, named.tmdb or said.tmdb, named.tvdb or said.tvdb)
