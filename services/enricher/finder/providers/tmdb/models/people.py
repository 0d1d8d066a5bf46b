"""People, credits and pictures as TMDB tells them."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import StringConstraints

from services.enricher.finder.providers.models import Lenient
from shared.pictures import Role

PATHS: Mapping[str, Role] = MappingProxyType(
    {
        "poster_path": Role.POSTER,
        "backdrop_path": Role.FANART,
        "logo_path": Role.LOGO,
        "profile_path": Role.PROFILE,
        "still_path": Role.STILL,
    }
)
"""What TMDB calls a picture's path at its picture host, and what such a picture is."""

PicturePath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_-]{1,100}\.(?:jpg|jpeg|png|svg|webp)$")]


class Picture(Lenient):
    """`iso_639_1` null or `xx`: no language, which is to say no text. The vote is of 10, weighted by TMDB."""

    file_path: PicturePath
    iso_639_1: str | None = None
    iso_3166_1: str | None = None
    width: float | None = None
    height: float | None = None
    vote_average: float = 0


class TmdbPictures(Lenient):
    """All that TMDB has of one thing, by what it is called there; each thing has some of them."""

    posters: tuple[Picture, ...] = ()
    backdrops: tuple[Picture, ...] = ()
    logos: tuple[Picture, ...] = ()
    profiles: tuple[Picture, ...] = ()
    stills: tuple[Picture, ...] = ()


class CastMember(Lenient):
    id: int
    name: str
    character: str | None = None
    order: int | None = None
    credit_id: str | None = None
    known_for_department: str | None = None
    gender: int | None = None
    popularity: float | None = None
    profile_path: PicturePath | None = None


class CrewMember(Lenient):
    id: int
    name: str
    job: str | None = None
    department: str | None = None
    credit_id: str | None = None
    gender: int | None = None
    popularity: float | None = None
    profile_path: PicturePath | None = None


class Credits(Lenient):
    """`id` is of the title; absent where the credits are a part of it."""

    id: int | None = None
    cast: tuple[CastMember, ...] = ()
    crew: tuple[CrewMember, ...] = ()


class PlayedRole(Lenient):
    character: str | None = None
    episode_count: int = 0


class SeriesCastMember(Lenient):
    """In all seasons; with each role that they play."""

    id: int
    name: str
    roles: tuple[PlayedRole, ...] = ()
    order: int | None = None
    profile_path: PicturePath | None = None


class SeriesCredits(Lenient):
    cast: tuple[SeriesCastMember, ...] = ()


class TitleCast(Lenient):
    """A movie (`title`, `credits`) or a series (`name`, `aggregate_credits`) with who plays whom in it."""

    id: int
    title: str | None = None
    name: str | None = None
    credits: Credits | None = None
    aggregate_credits: SeriesCredits | None = None
    external_ids: "OtherIds | None" = None


class Part(Lenient):
    """A title that a person took part in: a movie has `title` and `release_date`, a series `name` and `first_air_date`."""

    id: int
    media_type: Literal["movie", "tv"] | None = None
    title: str | None = None
    name: str | None = None
    release_date: date | None = None
    first_air_date: date | None = None
    character: str | None = None
    job: str | None = None
    department: str | None = None
    episode_count: int | None = None
    credit_id: str | None = None
    overview: str | None = None
    vote_average: float | None = None
    vote_count: int | None = None
    popularity: float | None = None
    poster_path: PicturePath | None = None
    backdrop_path: PicturePath | None = None


class CombinedCredits(Lenient):
    """`id` is of the person."""

    id: int | None = None
    cast: tuple[Part, ...] = ()
    crew: tuple[Part, ...] = ()


class Accepted(Lenient):
    """What TMDB says of a key that it accepts."""

    success: bool = True


class OtherIds(Lenient):
    """What a title or a person is called elsewhere."""

    imdb_id: str | None = None
    tvdb_id: int | None = None
    wikidata_id: str | None = None


class Person(Lenient):
    """The last three are there where they were appended."""

    id: int
    name: str
    also_known_as: tuple[str, ...] = ()
    biography: str | None = None
    birthday: date | None = None
    deathday: date | None = None
    place_of_birth: str | None = None
    known_for_department: str | None = None
    gender: int | None = None
    imdb_id: str | None = None
    homepage: str | None = None
    popularity: float | None = None
    adult: bool = False
    profile_path: PicturePath | None = None
    combined_credits: CombinedCredits | None = None
    external_ids: OtherIds | None = None
    images: TmdbPictures | None = None
