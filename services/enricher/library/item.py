"""A title in the library, the places it was found at, and how items are chosen and named."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from shared.pictures import Kind, Name, Role


class MediaType(StrEnum):
    MOVIE = "movie"
    TV = "tv"

    @property
    def kind(self) -> Kind:
        """What names of its pictures say."""
        return Kind.MOVIE if self is MediaType.MOVIE else Kind.SERIES


@dataclass(frozen=True, slots=True)
class ItemIds:
    """What providers call a title. IMDb's begin with `tt`; TMDB counts movies and series apart."""

    imdb: str | None = None
    tmdb: int | None = None
    tvdb: int | None = None

    def __bool__(self) -> bool:
        return (self.imdb, self.tmdb, self.tvdb) != (None, None, None)


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One place that a title is at: a file, a series' folder, or without a path a place in a list.

    Added again (the same path; without a path the same list and title), what it says replaces what was known, and
    what it leaves out stays. Ids are replaced together.
    """

    title: str
    media_type: MediaType
    year: int | None = None
    ids: ItemIds = field(default_factory=ItemIds)
    full_path: str | None = None
    """As text: bytes that are no UTF-8 are written `\\xNN`."""
    list_source: str | None = None
    status: str | None = None
    overseerr_id: int | None = None
    last_synced: datetime | None = None
    poster_url: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One title, whatever it was found as. Its id is that of its oldest entry."""

    id: int
    title: str
    media_type: MediaType
    year: int | None
    imdb_id: str | None
    tmdb_id: int | None
    tvdb_id: int | None
    full_path: str | None
    paths: tuple[str, ...]
    poster_url: str | None
    """Bare, neither signed nor prefixed."""
    poster_cached_at: datetime | None
    list_source: str | None
    status: str | None
    overseerr_id: int | None
    last_synced: datetime | None
    created_at: datetime
    updated_at: datetime


class Sorting(StrEnum):
    """In which items come. NEWEST: those that were found last."""

    NEWEST = "newest"
    TITLE = "title"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items, and in which order: all, or those of a type, on a list, or with these words in their title."""

    media_type: MediaType | None = None
    list_source: str | None = None
    text: str = ""
    order: Sorting = Sorting.NEWEST


@dataclass(frozen=True, slots=True)
class Window:
    """Which of the selected: `limit` after `offset`."""

    limit: int = 50
    offset: int = 0

    @classmethod
    def of_page(cls, page: int, limit: int) -> "Window":
        """`page` counts from 1."""
        return cls(limit, (page - 1) * limit)


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[Item]
    total: int
    window: Window

    @property
    def number(self) -> int:
        return self.window.offset // self.window.limit + 1

    @property
    def pages(self) -> int:
        return -(-self.total // self.window.limit)


class Identified(Protocol):
    """Whatever has a title's type and ids."""

    @property
    def media_type(self) -> MediaType: ...
    @property
    def imdb_id(self) -> str | None: ...
    @property
    def tmdb_id(self) -> int | None: ...
    @property
    def tvdb_id(self) -> int | None: ...


def name_of(item: Identified, role: Role) -> Name | None:
    """None where no provider's id of it is known."""
    ids = {"tmdb": item.tmdb_id, "imdb": item.imdb_id, "tvdb": item.tvdb_id}
    known = next((f"{provider}:{id_}" for provider, id_ in ids.items() if id_), None)
    return Name(item.media_type.kind, known, role) if known else None
