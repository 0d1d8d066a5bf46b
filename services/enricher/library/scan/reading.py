"""What a sighting's names and NFO file say: often everything, so that nothing has to be guessed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.enricher.library.guessing import Guess
from services.enricher.library.item import ItemIds, LibraryEntry, MediaType
from services.enricher.library.same_title import plain
from services.enricher.library.scan.names import as_text, legible
from services.enricher.library.scan.nfo import Nfo, read_nfo
from services.enricher.library.scan.tagged import ids_in
from services.enricher.library.scan.titles import Titled, plainly, roughly
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
    to_guess = "/".join(reversed(names[:2])) if not sighting.is_folder else names[0]
    return PathReading(sighting, ids, _titled(names, nfo, bearer if ids else None), to_guess, problem)


def _names(sighting: Sighting, root: str) -> Sequence[str]:
    """Of the thing itself, and of a movie's folders, the nearest first."""
    path, name = os.path.split(sighting.path)
    own = legible(name if sighting.is_folder else os.path.splitext(name)[0])
    if sighting.media_type is MediaType.TV:
        return (own,)
    folders = path[len(os.path.dirname(root)) :].split("/")
    return (own, *(legible(folder) for folder in reversed(folders) if folder))


def _titled(names: Sequence[str], nfo: Nfo, bearer: str | None) -> Titled | None:
    from_name = plainly(names[0]) or next(
        (titled for name in names[1:2] if (titled := plainly(name)) and _begins(names[0], titled.title)), None
    )
    if nfo.title:
        return Titled(nfo.title, nfo.year or (from_name.year if from_name else None))
    return from_name or (roughly(bearer) if bearer else None)


def _begins(name: str, title: str) -> bool:
    return f"{plain(name)} ".startswith(f"{plain(title)} ")


def _nfo(sighting: Sighting) -> tuple[Nfo, str | None]:
    if sighting.nfo is None:
        return Nfo(), None
    try:
        return read_nfo(sighting.nfo, sighting.media_type), None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return Nfo(), f"{as_text(sighting.nfo)} is left out: {why}."


def _completed(named: ItemIds, said: ItemIds) -> ItemIds:
    """What the name says, completed by the NFO file where the two do not contradict each other."""
    pairs = list(zip((named.imdb, named.tmdb, named.tvdb), (said.imdb, said.tmdb, said.tvdb), strict=True))
    if any(one and other and one != other for one, other in pairs):
        return named
    return ItemIds(named.imdb or said.imdb, named.tmdb or said.tmdb, named.tvdb or said.tvdb)
