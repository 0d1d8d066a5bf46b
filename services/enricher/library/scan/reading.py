"""What a sighting's names and NFO file say: often everything, so that nothing has to be guessed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.enricher.library.guessing import Guess
from services.enricher.library.item import ItemIds, LibraryEntry, MediaType
from services.enricher.library.same_title import plain
from services.enricher.library.scan.names import as_text, legible
from services.enricher.library.scan.nfo import Nfo, read_nfo
from services.enricher.library.scan.releases import SURE
from services.enricher.library.scan.tagged import ids_in
from services.enricher.library.scan.titles import Titled, plainly, roughly, surely
from services.enricher.library.scan.tree import Sighting


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


def _of_series(sighting: Sighting, name: str) -> Titled | None:
    return plainly(name) or surely(name, MediaType.TV, is_folder=sighting.is_folder)


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
