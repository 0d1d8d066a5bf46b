"""A folder as a scan meets it: what lies in it, and which folders it lies in."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from services.enricher.library.item import MediaType
from services.enricher.library.same_title import plain
from services.enricher.library.scan.names import (
    DISCS,
    is_extra,
    is_extras_folder,
    is_hidden,
    is_video,
    legible,
)
from services.enricher.library.scan.seasons import is_season, is_specials
from services.enricher.library.scan.titles import roughly, surely


@dataclass(slots=True)
class Listing:
    """The names in one folder."""

    path: str
    folders: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    videos: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    nfos: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Links in a circle, or to a disk that does not answer, and why."""

    @classmethod
    def of(cls, path: str) -> "Listing":
        listing = cls(path)
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    listing._add(entry)
                except OSError as error:
                    listing.unreadable.append((entry.name, told(error)))
        listing.folders.sort()
        listing._leave_out_extras()
        return listing

    def _add(self, entry: os.DirEntry[str]) -> None:
        if entry.is_dir():
            self.folders.append(entry.name)
            if entry.is_symlink():
                self.links.add(entry.name)
        elif is_video(entry.name):
            self.videos.append(entry.name)
        elif entry.name.lower().endswith(".nfo"):
            self.nfos.append(entry.name)

    def _leave_out_extras(self) -> None:
        videos = sorted(self.videos)
        self.extras = [video for video in videos if is_extra(video, videos, folder=self.name)]
        self.videos = [video for video in videos if video not in self.extras] if self.extras else videos

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def is_disc(self) -> bool:
        return any(name.lower() in DISCS for name in self.folders)

    def in_it(self, name: str) -> str:
        return os.path.join(self.path, name)

    def nfo_named(self, *stems: str) -> str | None:
        if not self.nfos:
            return None
        by_stem = {name[:-4].lower(): name for name in self.nfos}
        found = next((by_stem[stem] for stem in map(str.lower, stems) if stem in by_stem), None)
        return None if found is None else self.in_it(found)


@dataclass(eq=False)
class Folder:
    """A listing, and the folders around it as far as they are scanned."""

    listing: Listing
    parent: "Folder | None"
    is_library: bool
    """Then it is no title itself: its name says nothing of what lies in it."""
    media_type: MediaType | None
    """Of all in the library, where the operator says so."""

    @classmethod
    def of(
        cls,
        listing: Listing,
        parent: "Folder | None",
        libraries: Mapping[str, MediaType | None],
        media_type: MediaType | None,
    ) -> "Folder":
        """`media_type` is that of a folder whose parent is not scanned."""
        if listing.path in libraries:
            return cls(listing, parent, True, libraries[listing.path])
        return cls(listing, parent, False, media_type if parent is None else parent.media_type)

    @property
    def path(self) -> str:
        return self.listing.path

    @cached_property
    def name(self) -> str:
        return legible(self.listing.name)

    @cached_property
    def around(self) -> "Folder | None":
        """The folder that it lies in, where that may be a title."""
        return None if self.parent is None or self.is_library or self.parent.is_library else self.parent

    @cached_property
    def title(self) -> str:
        """As it is compared."""
        return plain((surely(self.name, MediaType.TV, is_folder=True) or roughly(self.name)).title)

    @cached_property
    def has_seasons(self) -> bool:
        return any(is_season(legible(name)) for name in self.listing.folders)

    @property
    def is_nothing_but_seasons(self) -> bool:
        names = [legible(name) for name in self.listing.folders if not is_hidden(name)]
        return self.has_seasons and all(is_season(name) or is_specials(name) for name in names)

    def folders_to_enter(self) -> Sequence[str]:
        if self.listing.is_disc:
            return ()
        beside_a_title = not self.is_library and (self.listing.videos or self.has_seasons)
        return [
            name
            for name in self.listing.folders
            if not is_hidden(name)
            and not (beside_a_title and is_extras_folder(name) and not self._holds_its_namesake(name))
        ]

    def _holds_its_namesake(self, folder: str) -> bool:
        """A film that is called as extras are."""
        try:
            files = os.listdir(self.listing.in_it(folder))
        except OSError:
            return False
        title = plain(folder)
        return any(
            is_video(file) and plain(roughly(os.path.splitext(file)[0]).title) == title for file in files
        )


def told(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
