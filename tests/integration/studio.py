"""A studio over a real database, before stand-ins for the services; what it makes is kept in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from services.enricher.database.database import Database
from services.enricher.ground import Ground
from services.enricher.keeper.videos import VideoRefused, VideoUnreachable
from services.enricher.pictures.shown import PictureUrls, PictureUrlSettings
from services.enricher.studio import (
    StudioClock,
    StudioSettings,
    StudioWing,
    open_studio,
)
from services.enricher.studio.imagen import GoogleSettings
from services.enricher.studio.jobs import StudioJob, StudioKind, StudioState
from services.enricher.studio.lumaai import LumaSettings
from services.enricher.studio.openai_vision import OpenAiSettings
from services.enricher.studio.replicate import ReplicateSettings
from services.enricher.studio.serpapi import SerpApiSettings
from services.enricher.uploads import UploadSettings
from services.enricher.uploads.tables import UploadTable
from services.enricher.uploads.uploads import Purpose, Uploads
from shared.background import Background
from shared.contracts import Envelope, Message, StudioProgressed
from shared.locks import KeyedLock
from shared.pictures import Failure, HostRules, Name, Upload
from shared.telemetry import Metrics, utc_now
from shared.volume import LocalFile, StoredVideo
from tests.integration.account import Steps
from tests.integration.onesheet import until
from tests.providers.studio import TOKEN, StudioHost
from tests.servers.databases import opened_database

PUBLIC = "https://pictures.example"
PATIENCE_S = 30.0


class FakeQueue:
    """Events are heard at once, and noted."""

    def __init__(self) -> None:
        self.told: list[StudioProgressed] = []
        self._listeners: list[Callable[[Envelope], Awaitable[None]]] = []

    async def announce(self, envelope: Envelope) -> None:
        assert isinstance(envelope.payload, StudioProgressed)
        self.told.append(envelope.payload)
        for hear in self._listeners:
            await hear(envelope)

    @asynccontextmanager
    async def listen(
        self, hear: Callable[[Envelope], Awaitable[None]], *_kinds: type[Message]
    ) -> AsyncIterator[None]:
        self._listeners.append(hear)
        yield


@dataclass
class FakeFinder:
    """Keeps what is uploaded. `refuses`: instead, for this reason."""

    kept: dict[str, bytes] = field(default_factory=dict)
    refuses: Failure | None = None
    fails: list[Exception] = field(default_factory=list)

    async def keep(self, name: Name, body: bytes, _upload: Upload, *, also: Name | None = None) -> Any:
        assert also is None
        if self.fails:
            raise self.fails.pop()
        if self.refuses:
            return self.refuses
        self.kept[name.id] = body
        return True


@dataclass
class FakeVideos:
    kept: dict[str, str] = field(default_factory=dict)
    fails: list[VideoRefused | VideoUnreachable] = field(default_factory=list)

    async def fetch(self, url: str, *, name: str) -> StoredVideo:
        if self.fails:
            raise self.fails.pop()
        self.kept[name] = url
        nowhere = LocalFile(f"/{name}", name, (1, 1, 1000))
        return StoredVideo(name, 1000, 1, is_private=False, content=nowhere)


@dataclass
class FakeCharacters:
    registered: list[tuple[str, str, str | None]] = field(default_factory=list)
    search: Any = None

    async def register(self, character: Any) -> Any:
        self.registered.append((character.name, character.title, character.profile_path))
        return character


@dataclass
class Clock:
    """Moves as a test says."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return utc_now() + self.ahead


@dataclass
class RunningStudio:
    wing: StudioWing
    host: StudioHost
    finder: FakeFinder
    videos: FakeVideos
    characters: FakeCharacters
    queue: FakeQueue
    uploads: Uploads
    database: Database

    async def ask(self, name: str, **given: Any) -> StudioJob:
        return await self.wing.studio.ask_for_character(name, "The Matrix", **given)

    async def upload(self, body: bytes, **given: Any) -> str:
        """The id of one."""
        file: Any = await self.uploads.store(body, Purpose.CHARACTER, user=given.get("user"))
        return str(file.id)

    async def job(self, job: StudioJob | str) -> StudioJob:
        found = await self.wing.studio.table.get(job if isinstance(job, str) else job.id)
        assert found
        return found

    async def ended(self, job: StudioJob, state: StudioState | None = None) -> StudioJob:
        """The job, when it has ended, or is in this state."""
        found = job

        async def has() -> bool:
            nonlocal found
            found = await self.job(job)
            return found.state is state if state else found.state.ended

        await until(has, within_s=PATIENCE_S, every_s=0.01)
        return found


async def _soon(_seconds: float) -> None:
    await asyncio.sleep(0.001)


def studio_settings(host: StudioHost, **given: Any) -> StudioSettings:
    key = SecretStr(TOKEN)
    return StudioSettings(
        **{
            "wait_s": PATIENCE_S,
            "timeout_s": 10,
            "poll_s": 0.01,
            "budget": 1000,
            "user_budget": 1000,
            "replicate": ReplicateSettings(token=key, base_url=host.root, prompt="{name} of {title}"),
            "lumaai": LumaSettings(key=key, base_url=f"{host.root}/dream-machine/v1"),
            "google": GoogleSettings(key=key, base_url=host.root),
            "openai": OpenAiSettings(key=key, base_url=host.root),
            "serpapi": SerpApiSettings(key=key, base_url=host.root),
            **given,
        }
    )


@asynccontextmanager
async def running_studio(
    directory: Path,
    host: StudioHost,
    *,
    steps: Steps | None = None,
    finder: FakeFinder | None = None,
    videos: FakeVideos | None = None,
    clock: Clock | None = None,
    signs: bool = True,
    public_url: str = PUBLIC,
    working: bool = True,
    tmdb: Any = None,
    **settings: Any,
) -> AsyncIterator[RunningStudio]:
    """`settings` are the studio's. `working` false: nothing is done."""
    metrics, queue, characters = Metrics(), FakeQueue(), FakeCharacters()
    finder, videos, clock = finder or FakeFinder(), videos or FakeVideos(), clock or Clock()
    keys = ("a key",) if signs else ()
    urls = PictureUrls(PictureUrlSettings(public_url=public_url, upload_signing_keys=keys))
    nothing: Any = SimpleNamespace(pictures=SimpleNamespace(current=_no_revision, find=_no_revision))
    of_studio: Any = SimpleNamespace(
        metadata=SimpleNamespace(tmdb=tmdb),
        providers=SimpleNamespace(
            settings=SimpleNamespace(of=lambda _: SimpleNamespace(image_url="https://t/p"))
        ),
    )
    typed: Any = finder
    a_queue: Any = queue
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(opened_database(directory / "state"))
        uploads = Uploads(UploadTable(database), typed, nothing, UploadSettings(), KeyedLock())
        wing = await enter(
            open_studio(
                studio_settings(host, **settings),
                Ground(
                    database,
                    a_queue,
                    nothing,
                    directory / "state",
                    urls,
                    HostRules.of(()),
                    metrics,
                    Background(metrics),
                ),
                of_studio,
                uploads,
                videos=videos,
                clock=StudioClock(now=clock.now, sleep=_soon, on_step=steps or Steps()),
            )
        )
        if working:
            known: Any = characters
            await enter(wing.working(known))
        yield RunningStudio(wing, host, finder, videos, characters, queue, uploads, database)


async def _no_revision(*_given: object) -> None:
    return None


__all__ = ["Clock", "FakeFinder", "FakeVideos", "RunningStudio", "StudioKind", "running_studio"]
