"""Who took part in a title, and in what a person took part."""

from datetime import date
from typing import Literal

from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb.models.pictures import BackdropPath, PosterPath, ProfilePath


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
