"""Characters, composed: the best picture of each, whoever has it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from multidict import MultiMapping
from pydantic import Field, field_validator
from yarl import URL

from services.enricher.api.endpoint import Endpoint
from services.enricher.characters import audit, chain, early, images, steps, store
from services.enricher.characters.answers import CharacterAnswers
from services.enricher.characters.api import CharacterApi
from services.enricher.characters.chosen import ChosenPictures, PictureWork
from services.enricher.characters.fast_cache import MemoryCache, SharedCache
from services.enricher.characters.files import CharacterFiles
from services.enricher.characters.measuring import penalty
from services.enricher.characters.title_casts import TitleCasts
from services.enricher.characters.urls import OWN, CharacterUrls
from services.enricher.database.database import DatabaseUnavailable
from services.enricher.finder import Finder
from services.enricher.finder.providers.asking import open_sessions
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.ground import Ground
from services.enricher.tasks.tasks import Tasks, Work
from shared.background import Background
from shared.contracts import Envelope, PictureStored
from shared.http.early import Early
from shared.pictures import Kind, Name, PictureId, Role, Source, SourceUrl, picture_host
from shared.settings import Settings
from shared.telemetry import Metrics, start_at_zero, utc_now

MEASURE_SOON_S = 0.5
"""Pictures come many together."""


class CharacterSettings(Settings):
    chain: str = Field(steps.CHAIN, validation_alias="CHARACTER_CHAIN")
    folder: Path = Field(Path("static/images/characters"), validation_alias="CHARACTER_IMAGES_PATH")
    own_folder: Path = Field(Path("static/images"), validation_alias="STATIC_IMAGES_PATH")
    backend_url: str = Field("", validation_alias="BACKEND_URL", pattern=r"^$|^https?://[^\s?#]+[^\s?#/]$")
    own_path: str = Field(
        OWN, validation_alias="IMAGE_API_ENDPOINT", pattern=r"^/[A-Za-z0-9/_.-]*[A-Za-z0-9_-]$"
    )
    cache_mb: float = Field(64, validation_alias="CHARACTER_CACHE_MB", gt=0)
    by_name_ttl_s: float = Field(14 * 24 * 3600, validation_alias="CHARACTER_CACHE_TTL", ge=1)
    by_id_ttl_s: float = Field(24 * 3600, validation_alias="CHARACTER_ID_CACHE_TTL", ge=1)
    batch_size: int = Field(5, validation_alias="CHARACTER_BATCH_SIZE", ge=1, le=50)
    cast_limit: int = Field(20, validation_alias="CAST_LIMIT", ge=1, le=1000)

    @field_validator("chain")
    @classmethod
    def _is_chain(cls, text: str) -> str:
        steps.worths_of(text)
        return text


@dataclass(frozen=True, slots=True)
class CharacterWing:
    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    found: images.CharacterImages
    _near: MemoryCache
    _metrics: Metrics
    _background: Background
    _now: Callable[[], datetime]

    def endpoints(self, tasks: Tasks) -> list[Endpoint]:
        return CharacterApi(self.found, tasks).endpoints

    def answering_early(
        self, may_read: Callable[[MultiMapping[str]], bool], service: str, before: Early | None
    ) -> Early:
        """What is at hand; whatever is asked otherwise is left to `before`, and to aiohttp."""
        return early.answering_early(self._near.at_hand, may_read, service, self._metrics, before)

    def looking_after(self, tasks: Tasks) -> AbstractAsyncContextManager[None]:
        """Tasks that are due are started while the context lasts."""
        return audit.looking_after(tasks, self._background, self._now)


@asynccontextmanager
async def open_characters(
    settings: CharacterSettings,
    ground: Ground,
    finder: Finder,
    *,
    generator: steps.Generator | None = None,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[CharacterWing]:
    """`generator` None: pictures that nobody has are not made."""
    tmdb_url = finder.providers.settings.of(TmdbSettings).image_url
    own = CharacterUrls(settings.backend_url, settings.own_path, tmdb_url)
    changed = asyncio.Event()
    files = CharacterFiles((settings.own_folder, settings.folder), changed.set)
    casts = TitleCasts(finder.casts)
    start_at_zero(ground.metrics.character_images, images.OUTCOMES)

    async def measure(picture: PictureId) -> float | None:
        revision = await ground.volume.pictures.current(picture)
        return penalty(revision.manifest) if revision else None

    async def measure_candidate(candidate: chain.CharacterCandidate) -> float | None:
        return await measure(PictureId(candidate.picture_id)) if candidate.picture_id else None

    near = MemoryCache(int(settings.cache_mb * 2**20), time.monotonic)
    fast = SharedCache(near, finder.metadata.tier) if finder.metadata.tier else near
    create = steps.Create(
        generator,
        own,
        ground.metrics.character_generation_seconds.observe,
        ground.metrics.character_generation_failures.inc,
    )
    chosen = ChosenPictures(files, own, PictureWork(finder.fetch, finder.pin, finder.knows, measure))
    found = images.CharacterImages(
        chain.Chain(_steps(settings, files, own, casts, create), measure_candidate),
        casts,
        store.CharacterTable(ground.database, now),
        fast=fast,
        files=files,
        urls=own,
        chosen=chosen,
        answers=CharacterAnswers(own, ground.urls),
        lifetimes=images.Lifetimes(settings.by_name_ttl_s, settings.by_id_ttl_s),
        batch_size=settings.batch_size,
        cast_limit=settings.cast_limit,
        metrics=ground.metrics,
        now=now,
        sleep=sleep,
    )
    finder.ask_for(Kind.CHARACTER, _portraits(found))
    finder.ask_for(Kind.UPLOAD, _own_files(files, finder))

    async def hear(event: Envelope) -> None:
        assert isinstance(event.payload, PictureStored)
        chosen.hear(event.payload.picture)

    def may_be_asked(source: SourceUrl) -> bool:
        known = picture_host(source.host) is not None or source.host == URL(tmdb_url).raw_host
        return known and ground.rules.allow(source)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        outbound = await enter(open_sessions(finder.providers.settings.asking))
        works: dict[str, Work] = {
            audit.AUDIT: audit.Audit(found, audit.Sources(outbound, may_be_asked), own, now=now, sleep=sleep),
            audit.CLEAN_UP: audit.CleanUp(found),
        }
        await enter(files.watching(ground.background))
        await enter(forgetting(found, changed, ground.background))
        await enter(ground.queue.listen(hear, PictureStored))
        await enter(measuring(found, ground.background))
        yield CharacterWing(works, found, near, ground.metrics, ground.background, now)


def forgetting(
    found: images.CharacterImages, changed: asyncio.Event, background: Background
) -> AbstractAsyncContextManager[None]:
    """Whenever files changed, what was answered before."""
    return background.repeating(
        "forgetting characters whose files changed",
        found.files_changed,
        every_s=None,
        wake=changed,
        expected=(DatabaseUnavailable,),
    )


def measuring(found: images.CharacterImages, background: Background) -> AbstractAsyncContextManager[None]:
    """Pictures that were chosen, once they are stored."""
    return background.repeating(
        "measuring characters' pictures",
        found.measure_what_came,
        every_s=None,
        soon_s=MEASURE_SOON_S,
        wake=found.chosen.wake,
        expected=(DatabaseUnavailable,),
    )


def _portraits(found: images.CharacterImages) -> Callable[[Name], Awaitable[SourceUrl | str | None]]:
    async def portrait(name: Name) -> SourceUrl | str | None:
        return await found.portrait(name.id)

    return portrait


def _own_files(files: CharacterFiles, finder: Finder) -> Callable[[Name], Awaitable[Source | str | None]]:
    """An operator's file by its own name, which is stored when somebody asks for it: `/api/image-no-auth/neo.jpg`."""

    async def own_file(name: Name) -> Source | str | None:
        file = None if name.is_private or name.role is not Role.IMAGE else files.of_stem(name.id)
        if file is None:
            return None
        try:
            return await finder.pin_now(name, await asyncio.to_thread(file.path.read_bytes))
        except OSError:
            return "The file cannot be read."

    return own_file


def _steps(
    settings: CharacterSettings,
    files: CharacterFiles,
    own: CharacterUrls,
    casts: TitleCasts,
    create: steps.Create,
) -> list[tuple[chain.Step, chain.Worth]]:
    """In the order of the settings."""
    by_name: dict[str, chain.Step] = {
        "curated": steps.Curated(files, own),
        "generated": steps.Generated(own),
        "tvdb": steps.OfTvdb(casts, own),
        "tmdb": steps.OfTmdb(casts, own),
        "create": create,
    }
    return [(by_name[name], worth) for name, worth in steps.worths_of(settings.chain).items()]
