"""What Trakt sends. Its text is kept in memory only: that is its policy."""

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from services.enricher.finder.providers.models import Lenient
from shared.pictures import SourceUrl


def _with_scheme(address: str) -> str:
    """Trakt leaves `https://` out. Raise ValueError for what is no URL then."""
    return str(SourceUrl.parse(address if "://" in address else f"https://{address.removeprefix('//')}"))


def _listed(value: object) -> object:
    """Older replies have one where there is a list now."""
    return (value,) if isinstance(value, str) and value else value


Image = Annotated[str, AfterValidator(_with_scheme)]
"""The URL of a picture."""

Images = Annotated[tuple[Image, ...], BeforeValidator(_listed)]


class TraktIds(Lenient):
    trakt: int | None = None
    slug: str | None = None
    imdb: str | None = None
    tmdb: int | None = None
    tvdb: int | None = None


class TraktImages(Lenient):
    """Of each kind the best first. A second one may lie at another host."""

    poster: Images = ()
    fanart: Images = ()
    logo: Images = ()
    clearart: Images = ()
    banner: Images = ()
    thumb: Images = ()
    screenshot: Images = ()
    """Of an episode."""
    headshot: Images = ()
    """Of a person."""


class TraktTitle(Lenient):
    """A movie or a show, `extended=full,images`. `runtime` is in minutes, `rating` of 10."""

    title: str
    year: int | None = None
    ids: TraktIds
    tagline: str | None = None
    overview: str | None = None
    released: date | None = None
    first_aired: AwareDatetime | None = None
    runtime: int | None = None
    country: str | None = None
    status: str | None = None
    rating: float | None = None
    votes: int | None = None
    language: str | None = None
    genres: tuple[str, ...] = ()
    certification: str | None = None
    network: str | None = None
    aired_episodes: int | None = None
    trailer: str | None = None
    homepage: str | None = None
    images: TraktImages = TraktImages()


class TraktFound(Lenient):
    """One result of a search by id."""

    type: str | None = None
    movie: TraktTitle | None = None
    show: TraktTitle | None = None
    person: "TraktPerson | None" = None


class TraktSeason(Lenient):
    number: int
    images: TraktImages = TraktImages()


class TraktSeasons(Lenient):
    """Trakt sends them as a list."""

    seasons: tuple[TraktSeason, ...] = ()


class TraktEpisode(Lenient):
    season: int
    number: int
    images: TraktImages = TraktImages()


class TraktPerson(Lenient):
    name: str
    ids: TraktIds
    images: TraktImages = TraktImages()
