"""What TVDB sends as `data`. Each field is in its API's description, 4.7.10; languages are ISO 639-3."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import urljoin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.enricher.finder.providers.models import Lenient, picture_url

PICTURES = "https://artworks.thetvdb.com"


def _absolute(image: str) -> str:
    """Some are paths at TVDB's picture host. Raise ValueError for what is no URL then, and for none."""
    if not image.strip(" /"):
        raise ValueError("no picture")
    return picture_url(urljoin(PICTURES, image))


Image = Annotated[str, AfterValidator(_absolute)]
"""The URL of a picture."""


class TvdbEntity(StrEnum):
    """What can be merged into another of its kind."""

    SERIES = "series"
    MOVIES = "movies"


class TvdbArtwork(Lenient):
    """`type` is one of `/artwork/types`; the language is null where there is none."""

    id: int
    image: Image
    type: int
    language: str | None = None
    score: float = 0
    width: int | None = None
    height: int | None = None
    includes_text: bool | None = Field(None, alias="includesText")
    season_id: int | None = Field(None, alias="seasonId")


class TvdbRemoteId(Lenient):
    """`sourceName`: `IMDB`, `TheMovieDB.com`."""

    id: str
    source: str = Field("", alias="sourceName")


class TvdbSeasonType(Lenient):
    type: str | None = None


class TvdbSeasonEntry(Lenient):
    id: int
    number: int
    type: TvdbSeasonType = TvdbSeasonType()


class TvdbTitle(Lenient):
    """A series or a movie."""

    id: int
    name: str | None = None
    artworks: tuple[TvdbArtwork, ...] = ()
    remote_ids: tuple[TvdbRemoteId, ...] = Field((), alias="remoteIds")
    seasons: tuple[TvdbSeasonEntry, ...] = ()


class TvdbSeason(Lenient):
    id: int
    number: int
    series_id: int | None = Field(None, alias="seriesId")
    image: Image | None = None
    artwork: tuple[TvdbArtwork, ...] = ()


class TvdbEpisode(Lenient):
    id: int
    number: int | None = None
    series_id: int | None = Field(None, alias="seriesId")
    season_number: int | None = Field(None, alias="seasonNumber")
    image: Image | None = None


class TvdbEpisodes(Lenient):
    episodes: tuple[TvdbEpisode, ...] = ()


class TvdbPerson(Lenient):
    id: int
    name: str | None = None
    image: Image | None = None
    remote_ids: tuple[TvdbRemoteId, ...] = Field((), alias="remoteIds")


class TvdbRecord(Lenient):
    id: int


class TvdbFoundOne(Lenient):
    """What has a certain id elsewhere: one of these."""

    series: TvdbRecord | None = None
    movie: TvdbRecord | None = None
    people: TvdbRecord | None = None
    episode: TvdbRecord | None = None


class TvdbFound(Lenient):
    """TVDB sends a list: numbers mean different things to different sources, whose ids are all searched."""

    results: tuple[TvdbFoundOne, ...] = ()


class TvdbUpdate(Lenient):
    """A deletion. Of a duplicate, `mergeToId` is what it was a duplicate of."""

    record_id: int = Field(alias="recordId")
    merged_into: int = Field(0, alias="mergeToId")
    merged_into_entity: str = Field("", alias="mergeToEntityType")


class TvdbMerges(BaseModel):
    """Of one kind of record, lately: ids that are gone, and those to use instead."""

    model_config = ConfigDict(frozen=True)

    into: dict[int, int] = {}

    def follow(self, id_: int) -> int | None:
        """The last of a chain; None: it was not merged."""
        seen = {id_}
        while (after := self.into.get(id_)) is not None and after not in seen:
            seen.add(after)
            id_ = after
        return id_ if len(seen) > 1 else None


class TvdbHit(Lenient):
    """One result of a search by title."""

    name: str
    tvdb_id: str
    year: str | None = None
    overview: str | None = None
    aliases: tuple[str, ...] = ()
    translations: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


class TvdbHits(Lenient):
    hits: tuple[TvdbHit, ...] = ()
