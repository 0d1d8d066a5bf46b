"""What fanart.tv sends: a list of pictures for each kind that there is of a title."""

from typing import Annotated

from pydantic import AfterValidator

from services.enricher.finder.providers.models import Lenient, picture_url

NO_LANGUAGE = "00"


class FanartPicture(Lenient):
    """`lang`: ISO 639-1, `00` or nothing where there is no text. `season`: a number, or `all`."""

    id: str
    url: Annotated[str, AfterValidator(picture_url)]
    lang: str = NO_LANGUAGE
    likes: int = 0
    season: str | None = None


class FanartMovie(Lenient):
    movieposter: tuple[FanartPicture, ...] = ()
    moviebackground: tuple[FanartPicture, ...] = ()
    moviebanner: tuple[FanartPicture, ...] = ()
    moviethumb: tuple[FanartPicture, ...] = ()
    hdmovielogo: tuple[FanartPicture, ...] = ()
    movielogo: tuple[FanartPicture, ...] = ()


class FanartSeries(Lenient):
    tvposter: tuple[FanartPicture, ...] = ()
    showbackground: tuple[FanartPicture, ...] = ()
    tvbanner: tuple[FanartPicture, ...] = ()
    tvthumb: tuple[FanartPicture, ...] = ()
    hdtvlogo: tuple[FanartPicture, ...] = ()
    clearlogo: tuple[FanartPicture, ...] = ()
    seasonposter: tuple[FanartPicture, ...] = ()
    seasonbanner: tuple[FanartPicture, ...] = ()
    seasonthumb: tuple[FanartPicture, ...] = ()
