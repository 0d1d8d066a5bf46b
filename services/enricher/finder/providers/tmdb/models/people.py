"""People, credits and pictures as TMDB tells them."""

from datetime import date
from typing import Annotated, Literal, Protocol

from pydantic import PlainSerializer, SerializationInfo, StringConstraints, WithJsonSchema

from services.enricher.finder.providers.models import Lenient
from shared.pictures import Role


class PictureUrlContext(Protocol):
    """The context to serialise a model with: makes of a picture's path what is handed out for it."""

    def __call__(self, path: str, role: Role) -> object: ...


def _handed_out(role: Role) -> PlainSerializer:
    def hand_out(path: str, info: SerializationInfo) -> object:
        return info.context(path, role) if info.context else path

    return PlainSerializer(hand_out)


_PATH = StringConstraints(pattern=r"^/[A-Za-z0-9_-]{1,100}\.(?:jpg|jpeg|png|svg|webp)$")

_HANDED_OUT = WithJsonSchema({"type": "string"})
"""Ours by then, and not TMDB's path."""

PosterPath = Annotated[str, _PATH, _handed_out(Role.POSTER), _HANDED_OUT]
BackdropPath = Annotated[str, _PATH, _handed_out(Role.FANART), _HANDED_OUT]
LogoPath = Annotated[str, _PATH, _handed_out(Role.LOGO), _HANDED_OUT]
ProfilePath = Annotated[str, _PATH, _handed_out(Role.PROFILE), _HANDED_OUT]
StillPath = Annotated[str, _PATH, _handed_out(Role.STILL), _HANDED_OUT]


class Picture(Lenient):
    """`iso_639_1` null or `xx`: no language, which is to say no text. The vote is of 10, weighted by TMDB."""

    file_path: Annotated[str, _PATH]
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
    profile_path: ProfilePath | None = None


class CrewMember(Lenient):
    id: int
    name: str
    job: str | None = None
    department: str | None = None
    credit_id: str | None = None
    gender: int | None = None
    popularity: float | None = None
    profile_path: ProfilePath | None = None


class Credits(Lenient):
    """`id` is of the title; absent where the credits are a part of it."""

    id: int | None = None
    cast: tuple[CastMember, ...] = ()
    crew: tuple[CrewMember, ...] = ()


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
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None


class CombinedCredits(Lenient):
    """`id` is of the person."""

    id: int | None = None
    cast: tuple[Part, ...] = ()
    crew: tuple[Part, ...] = ()


class Person(Lenient):
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
    profile_path: ProfilePath | None = None
