"""The subject of pictures: what they show, as a name's kind and id say it, with what it is called elsewhere."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict

from shared.pictures import Kind


class Whose(StrEnum):
    """Whose an id is."""

    TVDB = "tvdb"
    TMDB = "tmdb"
    IMDB = "imdb"
    TRAKT = "trakt"


class Ids(BaseModel):
    """`trakt`: Trakt's number or slug."""

    model_config = ConfigDict(frozen=True)

    tvdb: int | None = None
    tmdb: int | None = None
    imdb: str | None = None
    trakt: str | None = None

    def has(self, *whose: Whose) -> bool:
        """Whether one of these is there."""
        return any(getattr(self, one) is not None for one in whose)

    def __or__(self, other: Self) -> Self:
        """What is there stays."""
        return other.model_copy(update=self.model_dump(exclude_none=True))


class Subject(BaseModel):
    """A season or an episode that is placed (`season` is there) has its series' ids, else its own."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    ids: Ids
    season: int | None = None
    episode: int | None = None

    @classmethod
    def parse(cls, kind: Kind, id_: str) -> Self:
        """`tmdb:603`, `imdb:tt0133093`, `tvdb:81189`, `trakt:the-matrix-1999`; a season `tmdb:1399-s1`, an
        episode `tmdb:1399-s1e2`, or what TVDB and IMDb call them themselves, `tvdb:364731`.

        Raise ValueError, with a sentence for the user, for anything else.
        """
        if kind not in _FORMS:
            raise ValueError(f"No provider has pictures of the kind {kind}.")
        for pattern in _FORMS[kind]:
            if found := pattern.fullmatch(id_):
                return cls.model_validate({"kind": kind, "ids": found.groupdict(), **found.groupdict()})
        raise ValueError(f"An id of the kind {kind} is written {_WRITTEN[kind]}.")

    @property
    def is_placed(self) -> bool:
        """Whether it is known in which series, if it is part of one."""
        return self.kind not in _PARTS or self.season is not None

    @property
    def title(self) -> Self:
        """The series that it is part of, or itself."""
        if self.kind not in _PARTS or not self.is_placed:
            return self
        return self.model_copy(update={"kind": Kind.SERIES, "season": None, "episode": None})

    def called(self, ids: Ids) -> Self:
        """With these ids as well."""
        return self.model_copy(update={"ids": self.ids | ids})


_PARTS = {Kind.SEASON, Kind.EPISODE}
_NUMBER = "[1-9][0-9]{0,9}"
_TVDB, _TMDB, _IMDB = {"tvdb": _NUMBER}, {"tmdb": _NUMBER}, {"imdb": "tt[0-9]{5,12}"}
_TRAKT = {"trakt": "[A-Za-z0-9][A-Za-z0-9_-]{0,99}?"}
_ANY = _TVDB | _TMDB | _IMDB | _TRAKT
_COUNT = "0|[1-9][0-9]{0,4}"
_SEASON = f"-s(?P<season>{_COUNT})"
_EPISODE = f"{_SEASON}e(?P<episode>{_COUNT})"


def _form(ids: Mapping[str, str], place: str = "") -> re.Pattern[str]:
    id_ = "|".join(f"{whose}:(?P<{whose}>{what})" for whose, what in ids.items())
    return re.compile(f"(?:{id_}){place}", re.ASCII)


_FORMS = {
    Kind.MOVIE: (_form(_ANY),),
    Kind.SERIES: (_form(_ANY),),
    Kind.SEASON: (_form(_ANY, _SEASON), _form(_TVDB)),
    Kind.EPISODE: (_form(_ANY, _EPISODE), _form(_TVDB | _IMDB)),
    Kind.PERSON: (_form(_ANY | {"imdb": "nm[0-9]{5,12}"}),),
    Kind.COLLECTION: (_form(_TMDB),),
}
_TITLE = "tmdb:603, imdb:tt0133093, tvdb:81189 or trakt:the-matrix-1999"
_WRITTEN = {
    Kind.MOVIE: _TITLE,
    Kind.SERIES: _TITLE,
    Kind.SEASON: "tmdb:1399-s1 (so for tvdb, imdb and trakt), or tvdb:364731",
    Kind.EPISODE: "tmdb:1399-s1e2 (so for tvdb, imdb and trakt), tvdb:3254641 or imdb:tt1480055",
    Kind.PERSON: "tmdb:17419, imdb:nm0186505, tvdb:297737 or trakt:bryan-cranston",
    Kind.COLLECTION: "tmdb:10",
}
