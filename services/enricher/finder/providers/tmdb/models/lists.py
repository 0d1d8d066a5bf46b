"""Pages of a search or of what is trending; and what has a certain id elsewhere."""

from datetime import date
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator

from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb.models.pictures import BackdropPath, PosterPath, ProfilePath


def _day(value: object) -> object:
    return value[:10] if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]
"""Sometimes there is a time behind it."""


class MovieEntry(Lenient):
    id: int
    title: str
    original_title: str | None = None
    original_language: str | None = None
    overview: str | None = None
    release_date: Day | None = None
    genre_ids: tuple[int, ...] = ()
    vote_average: float | None = None
    vote_count: int | None = None
    popularity: float | None = None
    adult: bool = False
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None


class TvEntry(Lenient):
    id: int
    name: str
    original_name: str | None = None
    original_language: str | None = None
    origin_country: tuple[str, ...] = ()
    overview: str | None = None
    first_air_date: Day | None = None
    genre_ids: tuple[int, ...] = ()
    vote_average: float | None = None
    vote_count: int | None = None
    popularity: float | None = None
    adult: bool = False
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None


class MultiEntry(Lenient):
    """A movie has `title` and `release_date`, a series `name` and `first_air_date`, a person `name`."""

    id: int
    media_type: Literal["movie", "tv", "person", "collection"]
    title: str | None = None
    name: str | None = None
    original_language: str | None = None
    overview: str | None = None
    release_date: Day | None = None
    first_air_date: Day | None = None
    genre_ids: tuple[int, ...] = ()
    vote_average: float | None = None
    vote_count: int | None = None
    popularity: float | None = None
    known_for_department: str | None = None
    adult: bool = False
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None
    profile_path: ProfilePath | None = None


class _Page(Lenient):
    page: int = 1
    total_pages: int = 1
    total_results: int = 0


class MoviePage(_Page):
    results: tuple[MovieEntry, ...] = ()


class TvPage(_Page):
    results: tuple[TvEntry, ...] = ()


class MultiPage(_Page):
    results: tuple[MultiEntry, ...] = ()


Page = TypeVar("Page", MoviePage, TvPage, MultiPage)


class PersonEntry(Lenient):
    id: int
    name: str
    profile_path: ProfilePath | None = None


class EpisodeOf(Lenient):
    """Where an episode, or a season, is in its series."""

    show_id: int
    season_number: int
    episode_number: int | None = None


class Found(Lenient):
    movie_results: tuple[MovieEntry, ...] = ()
    tv_results: tuple[TvEntry, ...] = ()
    person_results: tuple[PersonEntry, ...] = ()
    tv_season_results: tuple[EpisodeOf, ...] = ()
    tv_episode_results: tuple[EpisodeOf, ...] = ()
