"""What Trakt sends. Its text is kept in memory only: that is its policy."""

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

from services.enricher.finder.providers.models import Lenient
from shared.pictures import SourceUrl


def _with_scheme(address: str) -> str:
    """Trakt leaves `https://` out. Raise ValueError for what is no URL then."""
    return str(SourceUrl.parse(address if "://" in address else f"https://{address}"))


Image = Annotated[str, AfterValidator(_with_scheme)]
"""The URL of a picture."""


class TraktIds(Lenient):
    trakt: int | None = None
    slug: str | None = None
    imdb: str | None = None
    tmdb: int | None = None
    tvdb: int | None = None


class TraktImages(Lenient):
    """Of each kind the best first. A second one may lie at another host."""

    poster: tuple[Image, ...] = ()
    fanart: tuple[Image, ...] = ()
    logo: tuple[Image, ...] = ()
    clearart: tuple[Image, ...] = ()
    banner: tuple[Image, ...] = ()
    thumb: tuple[Image, ...] = ()
    screenshot: tuple[Image, ...] = ()
    """Of an episode."""
    headshot: tuple[Image, ...] = ()
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
