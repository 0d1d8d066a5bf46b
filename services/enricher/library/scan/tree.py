"""Walking a tree of folders: which movies and series are where, folder by folder, nothing of them read yet."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.enricher.library.item import MediaType
from services.enricher.library.scan.listing import Folder, Listing, told
from services.enricher.library.scan.sorting import FilmFiles, sorted_out

READING = 3
"""Counted up when names or NFO files are read otherwise than before: then everything is read again."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A movie's file, a folder with a disc in it, a series' folder; or the first file of a series without a folder."""

    path: str
    media_type: MediaType
    files: int
    state: str
    """Differs when what would be read differs."""
    device: int
    is_folder: bool = False
    nfo: str | None = None
    film: FilmFiles | None = None
    """What its folder says of a movie's file."""


@dataclass(frozen=True, slots=True)
class FolderVisit:
    """One folder, and what is in it; or why it could not be read."""

    folder: str
    sightings: Sequence[Sighting] = ()
    problem: str | None = None
    extras: int = 0
    """Videos that are left out."""


def walk(
    root: str,
    *,
    allowed: Sequence[Path],
    libraries: Mapping[str, MediaType | None] | None = None,
    media_type: MediaType | None = None,
) -> Iterator[FolderVisit]:
    """Links are followed to folders below the `allowed` ones outside of `root`, each once.

    `libraries` are folders that are no title themselves, with what all in them is, where that is known; without them
    it is `root`. `media_type` is that of a root which lies in a library.
    """
    libraries = {root: media_type} if libraries is None else libraries
    waiting: list[tuple[str, Folder | None]] = [(root, None)]
    followed: set[str] = set()
    while waiting:
        path, parent = waiting.pop()
        try:
            folder = Folder.of(Listing.of(path), parent, libraries, media_type)
            sightings = tuple(_sightings(folder))
        except Exception as error:  # noqa: BLE001 - one folder must not end the scan, and what it held stays
            yield FolderVisit(path, problem=told(error))
            continue
        yield FolderVisit(path, sightings, extras=len(folder.listing.extras))
        for name, problem in folder.listing.unreadable:
            yield FolderVisit(os.path.join(path, name), problem=problem)
        below = [
            os.path.join(path, name)
            for name in folder.folders_to_enter()
            if name not in folder.listing.links or _follow(os.path.join(path, name), root, allowed, followed)
        ]
        waiting += [(each, folder) for each in reversed(below)]


def _follow(link: str, root: str, allowed: Sequence[Path], followed: set[str]) -> bool:
    target, real_root = Path(link).resolve(), Path(root).resolve()
    if target.is_relative_to(real_root) or real_root.is_relative_to(target) or str(target) in followed:
        return False
    followed.add(str(target))
    return any(target.is_relative_to(place) for place in allowed)


def _sightings(folder: Folder) -> Iterable[Sighting]:
    found = sorted_out(folder)
    for series in found.series:
        yield from _seen(series.path, MediaType.TV, series.files, series.nfo)
    for film in found.films:
        yield from _seen(film.path, MediaType.MOVIE, 1, film.nfo, film)


def _seen(
    path: str, media_type: MediaType, files: int, nfo: str | None, film: FilmFiles | None = None
) -> Iterable[Sighting]:
    """Nothing where it went away meanwhile, or is a link to nothing."""
    try:
        found = os.stat(path)
        state = f"{READING}" if film is None else f"{READING} {found.st_mtime_ns} {film.state}"
        if nfo is not None:
            of_nfo = os.stat(nfo)
            state += f" {of_nfo.st_mtime_ns} {of_nfo.st_size}"
    except OSError:
        return
    yield Sighting(path, media_type, files, state, found.st_dev, stat.S_ISDIR(found.st_mode), nfo, film)
