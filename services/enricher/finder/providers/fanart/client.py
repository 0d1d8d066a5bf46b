"""What fanart.tv sends: a list of pictures for each kind that there is of a title."""

from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, Field, SecretStr

from services.enricher.finder.providers.asking import Address, Provider
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.models import Lenient, picture_url
from services.enricher.finder.providers.registry import BaseUrl
from shared.settings import Settings

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


PROVIDER = "fanart.tv"


class FanartSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="FANART_API_KEY")
    base_url: BaseUrl = Field("https://webservice.fanart.tv/v3", validation_alias="FANART_BASE_URL")


def fanart_address(settings: FanartSettings) -> Address:
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    return Address(settings.base_url, params={"api_key": key})


class Fanart:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def movie(self, id_: str, turn: Turn) -> FanartMovie:
        """By TMDB or IMDb id."""
        return await self._provider.get(
            f"movies/{quote(id_, safe='')}",
            {},
            turn,
            lambda reply: FanartMovie.read(reply.body, PROVIDER),
        )

    async def series(self, tvdb_id: int, turn: Turn) -> FanartSeries:
        return await self._provider.get(
            f"tv/{tvdb_id}", {}, turn, lambda reply: FanartSeries.read(reply.body, PROVIDER)
        )
