"""Metadata, composed: its settings, its caches and the titles made of them."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pydantic import Field, field_validator

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.finder.metadata.cache import Cache
from services.enricher.finder.metadata.shared_tier import SharedTier, open_shared_tier
from services.enricher.finder.metadata.title_sources import TmdbTitles, TraktTitles
from services.enricher.finder.metadata.titles import Titles, TitleSource
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata, TmdbShelf
from services.enricher.finder.providers import ProviderStatus
from services.enricher.finder.providers.opening import Providers
from services.enricher.finder.providers.tmdb import Tmdb, TmdbSettings
from services.enricher.finder.providers.trakt.client import Trakt
from shared.background import Background
from shared.redis import RedisSettings
from shared.settings import CommaList, Settings
from shared.telemetry import utc_now

_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,4})?", re.ASCII)


class MetadataSettings(Settings):
    ttl_s: float = Field(3600, validation_alias="METADATA_TTL", ge=1)
    """Of what Trakt says. TMDB's is kept by what it is."""
    page_deadline_s: float = Field(2, validation_alias="PAGE_DEADLINE", gt=0)
    title_wait_s: float = Field(30, validation_alias="TITLE_WAIT", gt=0)
    """Of a program that asks for a single title, or through us for what TMDB has: through one short pause of a provider."""
    languages: CommaList = Field(("en",), validation_alias="LANGUAGES", min_length=1)
    memory_mb: float = Field(64, validation_alias="METADATA_CACHE_MB", gt=0)
    """For each provider."""
    max_entries: int = Field(50_000, validation_alias="METADATA_CACHE_ENTRIES", gt=0)
    tmdb_cache_mb: float = Field(512, validation_alias="TMDB_CACHE_MB", gt=0)
    """On disk."""
    shared: RedisSettings = Field(default_factory=RedisSettings)

    @field_validator("languages")
    @classmethod
    def _written_as_providers_do(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for one in languages:
            if one != "original" and not _LANGUAGE.fullmatch(one):
                raise ValueError(f"a language is written as de or pt-BR, and not {one!r}")
        return tuple(one.replace("_", "-") for one in languages)

    @property
    def text_languages(self) -> tuple[str, ...]:
        """Without `original`, which is a choice of pictures."""
        return tuple(one for one in self.languages if one != "original") or ("en",)

    @property
    def ttl(self) -> timedelta:
        return timedelta(seconds=self.ttl_s)

    @property
    def page_deadline(self) -> timedelta:
        return timedelta(seconds=self.page_deadline_s)

    @property
    def title_wait(self) -> timedelta:
        return timedelta(seconds=self.title_wait_s)

    @property
    def memory_bytes(self) -> int:
        return int(self.memory_mb * 1024 * 1024)

    @property
    def tmdb_cache_bytes(self) -> int:
        return int(self.tmdb_cache_mb * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Metadata:
    """`trakt_titles` None: Trakt has no key."""

    titles: Titles
    tmdb: TmdbMetadata
    trakt_titles: TraktTitles | None
    title_wait: timedelta
    _providers: Providers
    _trakt_cache: Cache
    _forget_elsewhere: Callable[[str], Awaitable[None]]
    tier: SharedTier | None
    """What processes share; None: no Redis is set."""

    @property
    def providers(self) -> Mapping[str, ProviderStatus]:
        """How each provider of metadata is, by its name: `trakt`, `tmdb`."""
        statuses = self._providers.statuses
        return {name: statuses[name] for name in ("trakt", "tmdb")}

    async def clear(self) -> int:
        """Forget all that providers said, in all processes. The number of entries and rows that were here."""
        cleared = self._trakt_cache.clear() + await self.tmdb.clear()
        await self._forget_elsewhere("trakt")
        return cleared

    def status(self) -> Mapping[str, str]:
        """Of the tier that processes share; nothing where there is none."""
        return self.tier.status() if self.tier else {}


async def _nothing(_connection: AsyncConnection) -> None:
    """Others hear of it all the same."""


@asynccontextmanager
async def open_metadata(
    settings: MetadataSettings,
    providers: Providers,
    *,
    database: Database,
    background: Background,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Metadata]:
    """A provider without a key is off, and everything else works."""
    async with AsyncExitStack() as stack:
        shelf = await stack.enter_async_context(
            TmdbShelf(database, max_bytes=settings.tmdb_cache_bytes, now=now).open(background)
        )
        # Caches are left first: what is in flight has to end before what it flies with.
        tier = await stack.enter_async_context(open_shared_tier(settings.shared, background, now=now))
        cache = partial(Cache, max_entries=settings.max_entries, max_bytes=settings.memory_bytes, now=now)
        trakt_cache = await stack.enter_async_context(
            cache(name="trakt", tier=lambda: None if tier is None or tier.persists else tier).open()
        )
        tmdb_cache = await stack.enter_async_context(
            cache(name="tmdb", shelf=shelf, tier=lambda: tier).open()
        )

        told = {
            name: database.watched(one.clear, topic=f"{name} cleared")
            for name, one in (("trakt", trakt_cache), ("tmdb", tmdb_cache))
        }

        async def forget_elsewhere(name: str) -> None:
            if tier:
                await tier.clear(name)
            await told[name].write(_nothing)

        tmdb = TmdbMetadata(
            Tmdb(asked) if (asked := providers.get("tmdb")) else None,
            tmdb_cache,
            shelf,
            within=settings.title_wait,
            now=now,
            forget_elsewhere=partial(forget_elsewhere, "tmdb"),
        )
        trakt_titles = (
            TraktTitles(Trakt(trakt), trakt_cache, kept=settings.ttl)
            if (trakt := providers.get("trakt"))
            else None
        )
        sources: list[TitleSource] = [trakt_titles] if trakt_titles else []
        if asked:
            image_url = providers.settings.of(TmdbSettings).image_url
            sources.append(TmdbTitles(tmdb, image_url=image_url, languages=settings.text_languages))
        language = settings.text_languages[0][:2].lower()
        titles = Titles(sources, within=settings.page_deadline, language=language, now=now)
        yield Metadata(
            titles,
            tmdb,
            trakt_titles,
            settings.title_wait,
            providers,
            trakt_cache,
            forget_elsewhere,
            tier,
        )
