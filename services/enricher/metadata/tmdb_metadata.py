"""TMDB through the cache: every resource of `providers.tmdb.resources`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from services.enricher.metadata.cache import Cache, Statistics, Wanted
from services.enricher.metadata.outcomes import Outcome, Unavailable
from services.enricher.metadata.tmdb_shelf import ShelfStatistics, TmdbShelf
from services.enricher.providers import Turn, Urgency
from services.enricher.providers.lenient import Lenient
from services.enricher.providers.tmdb import Resource, Tmdb
from shared.pictures import FailureClass
from shared.telemetry import utc_now

Model = TypeVar("Model", bound=Lenient)

OFF = Unavailable(FailureClass.REFUSED, "TMDB is off: TMDB_API_KEY is not set.")


class TmdbStatistics(BaseModel):
    model_config = ConfigDict(frozen=True)

    memory: Statistics
    stored: ShelfStatistics


class TmdbMetadata:
    """`tmdb` None: it has no key, and nothing is given."""

    def __init__(
        self,
        tmdb: Tmdb | None,
        cache: Cache,
        shelf: TmdbShelf,
        *,
        within: timedelta,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._tmdb = tmdb
        self._cache = cache
        self._shelf = shelf
        self._within = within
        self._now = now

    async def get(
        self, resource: Resource[Model], *, within: timedelta | None = None, urgency: Urgency = Urgency.NOW
    ) -> Outcome[Model]:
        """Within so much time, or what is known by then."""
        return await self.look(resource, self._now() + (within or self._within), urgency)

    def at_hand(self, resource: Resource[Model], until: datetime) -> Outcome[Model] | None:
        return self._cache.at_hand(self._wanted(self._tmdb, resource), until) if self._tmdb else OFF

    async def look(self, resource: Resource[Model], until: datetime, urgency: Urgency) -> Outcome[Model]:
        if not self._tmdb:
            return OFF
        return await self._cache.look(self._wanted(self._tmdb, resource), until=until, urgency=urgency)

    async def clear(self) -> int:
        """All of it. The number of rows that were stored."""
        self._cache.clear()
        return await self._shelf.clear()

    async def clear_expired(self) -> int:
        """Also what would be given, stale, while TMDB is down. The number of rows."""
        return await self._shelf.clear_expired()

    async def statistics(self) -> TmdbStatistics:
        return TmdbStatistics(memory=self._cache.statistics, stored=await self._shelf.statistics())

    def _wanted(self, tmdb: Tmdb, resource: Resource[Model]) -> Wanted[Model]:
        async def ask(turn: Turn) -> Model:
            return await tmdb.get(resource, turn)

        return Wanted(resource.cache_key, resource.model, resource.kept, ask)
