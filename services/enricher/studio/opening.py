"""The studio, composed: what costs money and takes minutes, on rows, so that nobody waits in vain and nobody pays twice."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp.abc import AbstractResolver
from pydantic import Field, field_validator

from services.enricher.api.endpoint import Endpoint
from services.enricher.characters.images import CharacterImages
from services.enricher.characters.store import Character
from services.enricher.finder import Finder
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.ground import Ground
from services.enricher.studio import asking, jobs
from services.enricher.studio.api import StudioApi
from services.enricher.studio.bulk import BULK, BulkGeneration
from services.enricher.studio.engine import OUTCOMES, STALE_AFTER, Engine, EngineTimes, OnStep, Sleep
from services.enricher.studio.imagen import GoogleSettings, Imagen
from services.enricher.studio.jobs import StudioJob, StudioKind
from services.enricher.studio.lumaai import Luma, LumaSettings
from services.enricher.studio.openai_vision import OpenAiSettings, OpenAiVision
from services.enricher.studio.replicate import Replicate, ReplicateSettings
from services.enricher.studio.results import ResultFetcher, StudioResults, VideoShelf
from services.enricher.studio.serpapi import SerpApi, SerpApiSettings
from services.enricher.studio.studio import Studio, Waiters
from services.enricher.studio.tables import StudioTable
from services.enricher.studio.titles import TitleMatcher
from services.enricher.tasks.tasks import Tasks, Work
from services.enricher.uploads import Uploads
from shared.background import Background
from shared.contracts import StudioProgressed
from shared.http.outbound import Outbound, OutboundSettings
from shared.http.untrusted import Follower
from shared.queue import announcing
from shared.settings import ONESHEET_VERSION, CommaList, Settings, UserAgent
from shared.telemetry import start_at_zero, utc_now


class StudioSettings(Settings):
    """Money is in US dollars, a day is UTC's."""

    at_once: int = Field(3, validation_alias="STUDIO_AT_ONCE", ge=1, le=100)
    budget: float = Field(5, validation_alias="STUDIO_BUDGET", ge=0, le=1_000_000)
    user_budget: float = Field(1, validation_alias="STUDIO_USER_BUDGET", ge=0, le=1_000_000)
    prices: str = Field("", validation_alias="STUDIO_PRICES", examples=["generate:0.003 video:0.71"])
    wait_s: float = Field(25, validation_alias="STUDIO_WAIT", ge=0, le=300)
    timeout_s: float = Field(90, validation_alias="STUDIO_TIMEOUT", gt=0, le=600)
    patience_s: float = Field(1800, validation_alias="STUDIO_PATIENCE", gt=0, le=86_400)
    poll_s: float = Field(2, validation_alias="STUDIO_POLL_EVERY", gt=0, le=60)
    link_lasts_s: float = Field(3600, validation_alias="STUDIO_LINK_LASTS", ge=60, le=86_400)
    allow_private: CommaList = Field((), validation_alias="ALLOW_PRIVATE")
    outbound: OutboundSettings = Field(default_factory=OutboundSettings)
    user_agent: UserAgent = Field(f"Onesheet/{ONESHEET_VERSION}", validation_alias="USER_AGENT")
    replicate: ReplicateSettings = Field(default_factory=ReplicateSettings)
    lumaai: LumaSettings = Field(default_factory=LumaSettings)
    google: GoogleSettings = Field(default_factory=GoogleSettings)
    openai: OpenAiSettings = Field(default_factory=OpenAiSettings)
    serpapi: SerpApiSettings = Field(default_factory=SerpApiSettings)

    @field_validator("prices")
    @classmethod
    def _are_prices(cls, text: str) -> str:
        jobs.prices_in(text)
        return text

    @property
    def caps(self) -> jobs.Caps:
        return jobs.Caps(round(self.budget * jobs.MILLION), round(self.user_budget * jobs.MILLION))


@dataclass(frozen=True, slots=True)
class StudioClock:
    """What a test may set: the time, how it passes, and who is told of each step."""

    now: Callable[[], datetime] = utc_now
    sleep: Sleep = asyncio.sleep
    on_step: OnStep = lambda _: None
    resolver: AbstractResolver | None = None


@dataclass(slots=True)
class StudioWing:
    studio: Studio
    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    _background: Background
    _alone: bool
    _bulk: BulkGeneration

    @property
    def generator(self) -> Studio | None:
        """Of characters' pictures; None: there is no key for it."""
        return self.studio if StudioKind.GENERATE in self.studio.services else None

    @asynccontextmanager
    async def working(self, characters: CharacterImages) -> AsyncIterator[None]:
        """Jobs are done while the context lasts, and the characters hear of their pictures."""

        async def made(job: StudioJob, file: str) -> None:
            name, title = job.said("name"), job.said("movie_title")
            called = Character.called(name, title)
            await characters.register(Character(called.id, name, title, profile_path=file))

        self.studio.engine.on_made = made
        characters.search = self.studio.searched_picture
        self._bulk.characters = characters
        if not self.studio.services:  # nothing can be sent, and what was is gone on with once there is a key
            yield
            return
        async with self.studio.engine.working(self._background, alone=self._alone):
            yield

    def endpoints(self, tasks: Tasks) -> list[Endpoint]:
        return StudioApi(self.studio, tasks, self._bulk).endpoints

    def troubles(self) -> Mapping[str, str]:
        """Which parts are off, and what waits for a person."""
        told = {kind.value: f"off: {why}" for kind, why in self.studio.off.items()}
        counts = self.studio.engine.counts
        for state, what in (
            (jobs.StudioState.PERHAPS_PAID, "perhaps paid, and wait for somebody's word"),
            (jobs.StudioState.UNFETCHED, "paid and not fetched"),
        ):
            if counts.get(state):
                told[state.value] = (
                    f"{counts[state]} {what}: GET /api/v1/admin/studio/jobs?state={state.value}"
                )
        return told


@asynccontextmanager
async def open_studio(
    settings: StudioSettings,
    ground: Ground,
    finder: Finder,
    uploads: Uploads,
    *,
    videos: VideoShelf,
    clock: StudioClock | None = None,
) -> AsyncIterator[StudioWing]:
    """`videos` None: what is made of them is not kept, and so they are off."""
    clock = clock or StudioClock()
    table = StudioTable(
        ground.database,
        owner=f"{socket.gethostname()}/{uuid.uuid4().hex}",
        caps=settings.caps,
        stale_after=STALE_AFTER,
        now=clock.now,
    )
    waiters = Waiters()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        outbound, follower = await enter(_sessions(settings, clock.resolver))
        fetcher, services = ResultFetcher(follower), _services(settings, outbound)
        by_name = {service.name: service for service in services.values()}
        for name in by_name:
            start_at_zero(ground.metrics.studio.requests, [name], OUTCOMES)
        results = StudioResults(
            uploads, fetcher, videos, ground.urls, link_lasts_s=settings.link_lasts_s, now=clock.now
        )
        engine = Engine(
            table,
            by_name,
            results,
            seats=settings.at_once,
            times=EngineTimes(timedelta(seconds=settings.patience_s), poll_s=settings.poll_s),
            tell=announcing(ground.queue),
            metrics=ground.metrics,
            now=clock.now,
            sleep=clock.sleep,
            on_step=clock.on_step,
        )
        tmdb_url = finder.providers.settings.of(TmdbSettings).image_url
        studio = Studio(
            table,
            engine,
            services,
            results,
            TitleMatcher(finder.metadata.tmdb, tmdb_url),
            jobs.prices_in(settings.prices),
            settings.wait_s,
            settings.replicate.prompt_for,
            waiters,
            uploads,
            ground.volume,
            fetcher,
            ground.urls,
            ground.rules,
            clock.now,
        )
        await enter(ground.queue.listen(waiters.hear, StudioProgressed))
        bulk = BulkGeneration(studio)
        yield StudioWing(
            studio, {BULK: bulk}, ground.background, ground.database.sharing.identity is None, bulk
        )


def _sessions(
    settings: StudioSettings, resolver: AbstractResolver | None
) -> AbstractAsyncContextManager[tuple[Outbound, Follower]]:
    return asking.open_sessions(
        settings.outbound,
        allow_private=settings.allow_private,
        user_agent=settings.user_agent,
        timeout_s=settings.timeout_s,
        resolver=resolver,
    )


def _services(settings: StudioSettings, outbound: Outbound) -> dict[StudioKind, asking.StudioService]:
    """Those that have a key, by what they make."""
    timeout_s = settings.timeout_s
    services: dict[StudioKind, asking.StudioService] = {}
    if settings.replicate.token:
        services[StudioKind.GENERATE] = Replicate(settings.replicate, outbound, timeout_s=timeout_s)
    if settings.lumaai.key:
        services[StudioKind.VIDEO] = Luma(settings.lumaai, outbound, timeout_s=timeout_s)
    if settings.google.key:
        services[StudioKind.EDIT] = Imagen(settings.google, outbound, timeout_s=timeout_s)
    if settings.openai.key:
        services[StudioKind.TITLE] = OpenAiVision(settings.openai, outbound, timeout_s=timeout_s)
    if settings.serpapi.key:
        both = SerpApi(settings.serpapi, outbound, timeout_s=timeout_s)
        services |= {StudioKind.LENS: both, StudioKind.IMAGES: both}
    return services
