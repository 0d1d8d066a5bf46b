"""Movies, series, seasons and episodes as TMDB tells them, and lists of them."""

from datetime import date
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator

from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb.models import people


def _day(value: object) -> object:
    return value[:10] if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]
"""Sometimes there is a time behind it."""


class _Title(Lenient):
    """What is told of every title, alone or in a list."""

    id: int
    original_language: str | None = None
    overview: str | None = None
    vote_average: float | None = None
    vote_count: int | None = None
    popularity: float | None = None
    adult: bool = False
    poster_path: people.PicturePath | None = None
    backdrop_path: people.PicturePath | None = None


class _ListedTitle(_Title):
    genre_ids: tuple[int, ...] = ()


class MovieEntry(_ListedTitle):
    title: str
    video: bool = False
    original_title: str | None = None
    release_date: Day | None = None


class TvEntry(_ListedTitle):
    name: str
    original_name: str | None = None
    origin_country: tuple[str, ...] = ()
    first_air_date: Day | None = None


class MultiEntry(_ListedTitle):
    """A movie has `title` and `release_date`, a series `name` and `first_air_date`, a person `name`."""

    media_type: Literal["movie", "tv", "person", "collection"]
    title: str | None = None
    name: str | None = None
    original_title: str | None = None
    original_name: str | None = None
    release_date: Day | None = None
    first_air_date: Day | None = None
    known_for_department: str | None = None
    profile_path: people.PicturePath | None = None


class _ListPage(Lenient):
    page: int = 1
    total_pages: int = 1
    total_results: int = 0


class MoviePage(_ListPage):
    results: tuple[MovieEntry, ...] = ()


class TvPage(_ListPage):
    results: tuple[TvEntry, ...] = ()


class MultiPage(_ListPage):
    results: tuple[MultiEntry, ...] = ()


Page = TypeVar("Page", MoviePage, TvPage, MultiPage)


class PersonEntry(Lenient):
    id: int
    name: str
    profile_path: people.PicturePath | None = None


class EpisodeOf(Lenient):
    """Where an episode, or a season, is in its series."""

    show_id: int
    season_number: int
    episode_number: int | None = None


class FoundByOtherId(Lenient):
    movie_results: tuple[MovieEntry, ...] = ()
    tv_results: tuple[TvEntry, ...] = ()
    person_results: tuple[PersonEntry, ...] = ()
    tv_season_results: tuple[EpisodeOf, ...] = ()
    tv_episode_results: tuple[EpisodeOf, ...] = ()


class Genre(Lenient):
    id: int
    name: str


class Company(Lenient):
    """A production company, or a network."""

    id: int
    name: str
    origin_country: str | None = None
    logo_path: people.PicturePath | None = None


class OtherTitle(Lenient):
    title: str


class OtherTitles(Lenient):
    """Of a movie they are its `titles`, of a series `results`."""

    titles: tuple[OtherTitle, ...] = ()
    results: tuple[OtherTitle, ...] = ()


class CollectionEntry(Lenient):
    id: int
    name: str
    poster_path: people.PicturePath | None = None
    backdrop_path: people.PicturePath | None = None


class SpokenLanguage(Lenient):
    iso_639_1: str
    name: str = ""
    english_name: str = ""


class Country(Lenient):
    iso_3166_1: str
    name: str = ""


class _WholeTitle(_Title):
    """The last three are there where they were appended."""

    tagline: str | None = None
    status: str | None = None
    genres: tuple[Genre, ...] = ()
    homepage: str | None = None
    production_countries: tuple[Country, ...] = ()
    spoken_languages: tuple[SpokenLanguage, ...] = ()
    production_companies: tuple[Company, ...] = ()
    credits: people.Credits | None = None
    external_ids: people.OtherIds | None = None
    images: people.TmdbPictures | None = None


class Movie(_WholeTitle):
    """`runtime` is in minutes."""

    title: str
    original_title: str | None = None
    imdb_id: str | None = None
    release_date: Day | None = None
    runtime: int | None = None
    budget: int | None = None
    revenue: int | None = None
    video: bool = False
    belongs_to_collection: CollectionEntry | None = None


class EpisodeEntry(Lenient):
    id: int | None = None
    name: str | None = None
    season_number: int | None = None
    episode_number: int
    overview: str | None = None
    air_date: Day | None = None
    runtime: int | None = None
    vote_average: float | None = None
    vote_count: int | None = None
    still_path: people.PicturePath | None = None


class SeasonEntry(Lenient):
    id: int | None = None
    season_number: int
    name: str | None = None
    overview: str | None = None
    air_date: Day | None = None
    episode_count: int | None = None
    poster_path: people.PicturePath | None = None


class Creator(Lenient):
    id: int
    name: str


class Tv(_WholeTitle):
    """`episode_run_time` is in minutes."""

    name: str
    original_name: str | None = None
    origin_country: tuple[str, ...] = ()
    first_air_date: Day | None = None
    last_air_date: Day | None = None
    in_production: bool | None = None
    type: str | None = None
    episode_run_time: tuple[int, ...] = ()
    number_of_seasons: int | None = None
    number_of_episodes: int | None = None
    seasons: tuple[SeasonEntry, ...] = ()
    last_episode_to_air: EpisodeEntry | None = None
    next_episode_to_air: EpisodeEntry | None = None
    created_by: tuple[Creator, ...] = ()
    networks: tuple[Company, ...] = ()


class Episode(EpisodeEntry):
    crew: tuple[people.CrewMember, ...] = ()
    guest_stars: tuple[people.CastMember, ...] = ()


class Season(Lenient):
    id: int | None = None
    season_number: int
    name: str | None = None
    overview: str | None = None
    air_date: Day | None = None
    poster_path: people.PicturePath | None = None
    episodes: tuple[Episode, ...] = ()


class Collection(Lenient):
    id: int
    name: str
    overview: str | None = None
    poster_path: people.PicturePath | None = None
    backdrop_path: people.PicturePath | None = None
    parts: tuple[MovieEntry, ...] = ()
