"""A title as pages show it, whoever described it."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict

from services.enricher.providers.kinds import TitleKind
from shared.pictures import Role

_IMDB = re.compile(r"tt\d{5,12}", re.ASCII)
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)
_TMDB = re.compile(r"tmdb:([1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TitleKey:
    """Which title: by any of its ids, the IMDb id first. `trakt_id` is Trakt's number or slug."""

    kind: TitleKind
    imdb_id: str | None = None
    tmdb_id: int | None = None
    trakt_id: str | None = None
    tvdb_id: int | None = None

    @classmethod
    def parse(cls, kind: TitleKind, text: str) -> Self:
        """`tt0133093`, `tmdb:603`, or what Trakt calls it. Raise ValueError for anything else."""
        if _IMDB.fullmatch(text):
            return cls(kind, imdb_id=text)
        if found := _TMDB.fullmatch(text):
            return cls(kind, tmdb_id=int(found[1]))
        plain = text.removeprefix("trakt:")
        if _SLUG.fullmatch(plain):
            return cls(kind, trakt_id=plain)
        raise ValueError("A title is named tt0133093, tmdb:603, or as Trakt calls it: the-matrix-1999.")

    @property
    def names_something(self) -> bool:
        return bool(self.imdb_id or self.tmdb_id or self.trakt_id or self.tvdb_id)


class Title(BaseModel):
    """`rating` is of 10, `runtime` in minutes, `pictures` are source URLs, `provider` is who says all this."""

    model_config = ConfigDict(frozen=True)

    kind: TitleKind
    provider: str
    title: str
    year: int | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None
    tvdb_id: int | None = None
    trakt_id: int | None = None
    trakt_slug: str | None = None
    overview: str | None = None
    tagline: str | None = None
    rating: float | None = None
    votes: int | None = None
    genres: tuple[str, ...] = ()
    runtime: int | None = None
    released: date | None = None
    status: str | None = None
    certification: str | None = None
    language: str | None = None
    pictures: dict[Role, str] = {}
