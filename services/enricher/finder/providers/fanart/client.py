"""Asking fanart.tv."""

from datetime import timedelta
from urllib.parse import quote

from pydantic import Field, SecretStr

from services.enricher.finder.providers.asking import Address, Provider
from services.enricher.finder.providers.budget import Limit, Turn
from services.enricher.finder.providers.fanart.models import FanartMovie, FanartSeries
from services.enricher.finder.providers.settings import BaseUrl
from shared.settings import Settings

PROVIDER = "fanart.tv"
FANART_LIMIT = Limit(10, timedelta(seconds=1))
"""None is documented: a quarter of what TMDB allows."""


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
