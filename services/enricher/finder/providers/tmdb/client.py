"""Asking TMDB."""

from datetime import timedelta

from services.enricher.finder.providers.asking import Address, Provider
from services.enricher.finder.providers.budget import Limit, Turn
from services.enricher.finder.providers.settings import TmdbSettings
from services.enricher.finder.providers.tmdb.resource import Model, Resource

TMDB_LIMIT = Limit(40, timedelta(seconds=1))
"""Its documentation ("Rate Limiting") speaks of about 40 requests per second."""


def tmdb_address(settings: TmdbSettings) -> Address:
    headers, params = settings.credential
    return Address(settings.base_url, headers, params)


class Tmdb:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def get(self, resource: Resource[Model], turn: Turn) -> Model:
        return await self._provider.get(
            resource.path, resource.asked, turn, lambda reply: resource.read(reply.body)
        )
