"""Walking a tree of folders: which movies and series are where, folder by folder, nothing of them read yet."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.enricher.library.item import MediaType
from services.enricher.library.same_title import plain
from services.enricher.library.scan.names import (
    DISCS,
    is_extra,
    is_extras_folder,
    is_hidden,
    is_season,
    is_video,
    may_be_season,
    series_of_episode,
)

READING = 1
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


@dataclass(frozen=True, slots=True)
class Visit:
    """One folder, and what is in it; or why it could not be read."""

    folder: str
    sightings: Sequence[Sighting] = ()
    problem: str | None = None


def walk(root: str, *, allowed: Sequence[Path]) -> Iterator[Visit]:
    """Links are followed to folders below the `allowed` ones outside of `root`, each once."""
    waiting = [root]
    followed: set[str] = set()
    while waiting:
        folder = waiting.pop()
        try:
            listing = _Listing.of(folder)
        except OSError as error:
            yield Visit(folder, problem=_told(error))
            continue
        yield Visit(folder, tuple(_sightings(listing, is_root=folder == root)))
        for name, problem in listing.unreadable:
            yield Visit(os.path.join(folder, name), problem=problem)
        below = [
            os.path.join(folder, name)
            for name in listing.folders_to_enter()
            if name not in listing.links or _follow(os.path.join(folder, name), root, allowed, followed)
        ]
        waiting += reversed(below)


def _follow(link: str, root: str, allowed: Sequence[Path], followed: set[str]) -> bool:
    target, real_root = Path(link).resolve(), Path(root).resolve()
    if target.is_relative_to(real_root) or real_root.is_relative_to(target) or str(target) in followed:
        return False
    followed.add(str(target))
    return any(target.is_relative_to(place) for place in allowed)


@dataclass(slots=True)
class _Listing:
    folder: str
    folders: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    videos: list[str] = field(default_factory=list)
    nfos: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Links in a circle, or to a disk that does not answer, and why."""

    @classmethod
    def of(cls, folder: str) -> "_Listing":
        listing = cls(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    listing._add(entry)
                except OSError as error:
                    listing.unreadable.append((entry.name, _told(error)))
        listing.folders.sort()
        listing.videos.sort()
        return listing

    def _add(self, entry: os.DirEntry[str]) -> None:
        if entry.is_dir():
            self.folders.append(entry.name)
            if entry.is_symlink():
                self.links.add(entry.name)
        elif is_video(entry.name):
            if not is_extra(entry.name):
                self.videos.append(entry.name)
        elif entry.name.lower().endswith(".nfo"):
            self.nfos.append(entry.name)

    @property
    def name(self) -> str:
        return os.path.basename(self.folder)

    @property
    def is_disc(self) -> bool:
        return any(name.lower() in DISCS for name in self.folders)

    @property
    def has_seasons(self) -> bool:
        return any(map(is_season, self.folders))

    def folders_to_enter(self) -> Sequence[str]:
        if self.is_disc:
            return ()
        beside_videos = self.videos or self.has_seasons
        return [
            name
            for name in self.folders
            if not is_hidden(name) and not (beside_videos and is_extras_folder(name))
        ]

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def nfo_named(self, *stems: str) -> str | None:
        by_stem = {name[:-4].lower(): name for name in self.nfos}
        found = next((by_stem[stem] for stem in map(str.lower, stems) if stem in by_stem), None)
        return None if found is None else self.path(found)


def _told(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _sightings(listing: _Listing, *, is_root: bool) -> Iterable[Sighting]:
    if listing.is_disc:
        return _seen(listing.folder, MediaType.MOVIE, 1, listing.nfo_named("movie", listing.name))
    if not listing.videos:
        return ()
    if not is_root and _is_season(listing):
        return _series(os.path.dirname(listing.folder), len(listing.videos))
    return _of_files(listing)


def _is_season(listing: _Listing) -> bool:
    if may_be_season(listing.name):
        return any(map(is_season, os.listdir(os.path.dirname(listing.folder))))
    return is_season(listing.name)


def _of_files(listing: _Listing) -> Iterable[Sighting]:
    series: defaultdict[str, list[str]] = defaultdict(list)
    movies = []
    for video in listing.videos:
        name = series_of_episode(video)
        if name is None:
            movies.append(video)
        else:
            series[name].append(video)
    if listing.nfo_named("tvshow") or listing.has_seasons or _is_of_series(listing, series, movies):
        yield from _series(listing.folder, len(listing.videos))
        return
    for files in series.values():
        yield from _seen(listing.path(files[0]), MediaType.TV, len(files), None)
    for movie in movies:
        yield from _seen(listing.path(movie), MediaType.MOVIE, 1, _nfo_of(movie, movies, listing))


def _is_of_series(listing: _Listing, series: dict[str, list[str]], movies: list[str]) -> bool:
    """All its videos are episodes of one series, which the folder is called after."""
    if movies or len(series) != 1:
        return False
    [name] = series
    return plain(listing.name).startswith(name) or name.startswith(plain(listing.name))


def _nfo_of(movie: str, movies: list[str], listing: _Listing) -> str | None:
    alone = len(movies) == 1
    own = listing.nfo_named(os.path.splitext(movie)[0], *(["movie"] if alone else []))
    if own is None and alone and len(listing.nfos) == 1:
        return listing.path(listing.nfos[0])
    return own


def _series(folder: str, files: int) -> Iterable[Sighting]:
    nfo = os.path.join(folder, "tvshow.nfo")
    return _seen(folder, MediaType.TV, files, nfo if os.path.exists(nfo) else None)


def _seen(path: str, media_type: MediaType, files: int, nfo: str | None) -> Iterable[Sighting]:
    """Nothing where it went away meanwhile, or is a link to nothing."""
    try:
        found = os.stat(path)
        state = f"{READING}" if media_type is MediaType.TV else f"{READING} {found.st_mtime_ns}"
        if nfo is not None:
            of_nfo = os.stat(nfo)
            state += f" {of_nfo.st_mtime_ns} {of_nfo.st_size}"
    except OSError:
        return
    yield Sighting(path, media_type, files, state, found.st_dev, stat.S_ISDIR(found.st_mode), nfo)
