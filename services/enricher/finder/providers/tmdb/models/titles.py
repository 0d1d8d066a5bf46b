"""Titles in detail: movies, series with their seasons, collections."""

from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb.models.credits import CastMember, Credits, CrewMember
from services.enricher.finder.providers.tmdb.models.lists import Day, MovieEntry
from services.enricher.finder.providers.tmdb.models.pictures import (
    BackdropPath,
    LogoPath,
    PosterPath,
    StillPath,
)


class Genre(Lenient):
    id: int
    name: str


class Company(Lenient):
    """A production company, or a network."""

    id: int
    name: str
    origin_country: str | None = None
    logo_path: LogoPath | None = None


class ExternalIds(Lenient):
    imdb_id: str | None = None
    tvdb_id: int | None = None
    wikidata_id: str | None = None


class OtherTitle(Lenient):
    title: str


class OtherTitles(Lenient):
    """Of a movie they are its `titles`, of a series `results`."""

    titles: tuple[OtherTitle, ...] = ()
    results: tuple[OtherTitle, ...] = ()


class CollectionEntry(Lenient):
    id: int
    name: str
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None


class Movie(Lenient):
    """`runtime` is in minutes; `credits` and `external_ids` are there where they were appended."""

    id: int
    title: str
    original_title: str | None = None
    original_language: str | None = None
    imdb_id: str | None = None
    tagline: str | None = None
    overview: str | None = None
    release_date: Day | None = None
    runtime: int | None = None
    status: str | None = None
    genres: tuple[Genre, ...] = ()
    vote_average: float | None = None
    vote_count: int | None = None
    popularity: float | None = None
    budget: int | None = None
    revenue: int | None = None
    homepage: str | None = None
    adult: bool = False
    belongs_to_collection: CollectionEntry | None = None
    production_companies: tuple[Company, ...] = ()
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None
    credits: Credits | None = None
    external_ids: ExternalIds | None = None


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
    still_path: StillPath | None = None


class SeasonEntry(Lenient):
    id: int | None = None
    season_number: int
    name: str | None = None
    overview: str | None = None
    air_date: Day | None = None
    episode_count: int | None = None
    poster_path: PosterPath | None = None


class Creator(Lenient):
    id: int
    name: str


class Tv(Lenient):
    """`episode_run_time` is in minutes."""

    id: int
    name: str
    original_name: str | None = None
    original_language: str | None = None
    origin_country: tuple[str, ...] = ()
    tagline: str | None = None
    overview: str | None = None
    first_air_date: Day | None = None
    last_air_date: Day | None = None
    in_production: bool | None = None
    status: str | None = None
    type: str | None = None
    episode_run_time: tuple[int, ...] = ()
    number_of_seasons: int | None = None
    number_of_episodes: int | None = None
    seasons: tuple[SeasonEntry, ...] = ()
    last_episode_to_air: EpisodeEntry | None = None
    next_episode_to_air: EpisodeEntry | None = None
    created_by: tuple[Creator, ...] = ()
    networks: tuple[Company, ...] = ()
    production_companies: tuple[Company, ...] = ()
    genres: tuple[Genre, ...] = ()
    vote_average: float | None = None
    vote_count: int | None = None
    popularity: float | None = None
    homepage: str | None = None
    adult: bool = False
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None
    credits: Credits | None = None
    external_ids: ExternalIds | None = None


class Episode(EpisodeEntry):
    crew: tuple[CrewMember, ...] = ()
    guest_stars: tuple[CastMember, ...] = ()


class Season(Lenient):
    id: int | None = None
    season_number: int
    name: str | None = None
    overview: str | None = None
    air_date: Day | None = None
    poster_path: PosterPath | None = None
    episodes: tuple[Episode, ...] = ()


class Collection(Lenient):
    id: int
    name: str
    overview: str | None = None
    poster_path: PosterPath | None = None
    backdrop_path: BackdropPath | None = None
    parts: tuple[MovieEntry, ...] = ()
