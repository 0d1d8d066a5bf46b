"""Asking TMDB."""

import re
from datetime import timedelta

from pydantic import Field, SecretStr

from services.enricher.finder.providers.asking import Address, Provider
from services.enricher.finder.providers.budget import Limit, Turn
from services.enricher.finder.providers.settings import BaseUrl
from services.enricher.finder.providers.tmdb.resources import Model, Resource
from shared.settings import Settings

TMDB_LIMIT = Limit(40, timedelta(seconds=1))
"""Its documentation ("Rate Limiting") speaks of about 40 requests per second."""

_V4_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class TmdbSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="TMDB_API_KEY")
    base_url: BaseUrl = Field("https://api.themoviedb.org/3", validation_alias="TMDB_BASE_URL")
    image_url: BaseUrl = Field("https://image.tmdb.org/t/p", validation_alias="TMDB_IMAGE_URL")


def tmdb_address(settings: TmdbSettings) -> Address:
    """With a v4 token (three parts, as JSON Web Tokens have) in a header, or else with a v3 key in the query."""
    secret = settings.api_key.get_secret_value() if settings.api_key else ""
    if _V4_TOKEN.fullmatch(secret):
        return Address(settings.base_url, {"Authorization": f"Bearer {secret}"})
    return Address(settings.base_url, params={"api_key": secret})


class Tmdb:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def get(self, resource: Resource[Model], turn: Turn) -> Model:
        return await self._provider.get(
            resource.path, resource.asked, turn, lambda reply: resource.read(reply.body)
        )
