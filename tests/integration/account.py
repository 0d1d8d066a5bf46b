"""An account's wing over a real database, before stand-ins for Trakt and TMDB; its tasks are done when a test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from services.enricher.account import AccountSettings, open_account, tables
from services.enricher.account.account import AccountWing
from services.enricher.account.importing import IMPORT, SYNCING
from services.enricher.account.titles import TitleItem
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.finder import Finder, FinderSettings
from services.enricher.finder.metadata import MetadataSettings, open_metadata
from services.enricher.finder.providers import Limit, ProviderSettings
from services.enricher.finder.providers.opening import open_providers
from services.enricher.finder.providers.registry import ProviderSpec
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.finder.providers.trakt.client import TraktSettings
from services.enricher.ground import Ground
from services.enricher.tasks.task import Progress
from shared.background import Background
from shared.pictures import SourceUrl
from shared.telemetry import Metrics, utc_now
from tests.providers.tmdb import API_KEY, TmdbHost
from tests.providers.trakt import CLIENT_ID
from tests.providers.trakt_account import CLIENT_SECRET, TraktAccountHost
from tests.servers.databases import opened_database


@dataclass
class FakeItems:
    """A library that has some titles of files, and takes others."""

    of_files: set[tuple[str, int]] = field(default_factory=set)
    kept: dict[tuple[str, int], int] = field(default_factory=dict)

    async def keep(self, item: TitleItem) -> int:
        return self.kept.setdefault((item.kind, item.tmdb_id), len(self.kept) + 1)

    async def known(self, kind: str, tmdb_ids: Collection[int]) -> frozenset[int]:
        here = self.of_files | set(self.kept)
        return frozenset(id_ for id_ in tmdb_ids if (kind, id_) in here)


class Killed(BaseException):
    """A process that dies, as far as one can play that within it."""


@dataclass
class Steps:
    """Named steps, at one of which the process dies."""

    dies_at: str | None = None
    seen: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        if name == self.dies_at:
            self.dies_at = None
            raise Killed(name)


@dataclass
class RunningAccount:
    wing: AccountWing
    database: Database
    trakt: TraktAccountHost
    items: FakeItems
    steps: Steps
    pictures: list[SourceUrl]

    async def signed_in(self) -> None:
        url, _ = await self.wing.sign_in.begin()
        await self.wing.sign_in.finish(*self.trakt.approve(url))

    async def imported(self, run: str = "1", **options: bool) -> Progress:
        return await self.done(IMPORT, {"run": run, "options": options})

    async def synced(self, **arguments: object) -> Progress:
        return await self.done(SYNCING, arguments)

    async def done(self, kind: str, arguments: Mapping[str, object]) -> Progress:
        progress = Progress()
        await self.wing.works[kind](arguments, progress)
        return progress

    async def rows(self, table: Any, *order: Any) -> list[Any]:
        async def reading(connection: AsyncConnection) -> list[Any]:
            return list(await connection.execute(select(table).order_by(*(order or (table.c.id,)))))

        return await self.database.read(reading)

    async def sessions(self) -> list[tuple[int, str, str]]:
        """Of movies: TMDB id, day, origin."""
        entries = {row.id: row.tmdb_id for row in await self.rows(tables.library_entries)}
        rows = await self.rows(tables.movie_watch_sessions)
        return sorted((entries[row.entry_id], str(row.watched_on), row.origin) for row in rows)

    async def episodes(self) -> list[tuple[int, int, str]]:
        """Season, episode, day."""
        of = {row.id: (row.season_number, row.episode_number) for row in await self.rows(tables.episodes)}
        rows = await self.rows(tables.episode_progress)
        return sorted((*of[row.episode_id], str(row.watched_on)) for row in rows)


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def _hurried(spec: ProviderSpec[Any]) -> ProviderSpec[Any]:
    """With room for as many writes as a test makes."""
    return replace(spec, writes=Limit(1000, timedelta(seconds=1))) if spec.writes else spec


@asynccontextmanager
async def running_account(
    directory: Path,
    trakt: TraktAccountHost,
    tmdb: TmdbHost,
    *,
    settings: AccountSettings | None = None,
    steps: Steps | None = None,
    items: FakeItems | None = None,
    now: Callable[[], datetime] = utc_now,
    secret: str | None = CLIENT_SECRET,
    redirect_uri: str | None = "http://localhost/trakt/callback",
    sending: bool = True,
) -> AsyncIterator[RunningAccount]:
    given = ProviderSettings.read(
        TraktSettings(
            client_id=SecretStr(CLIENT_ID),
            client_secret=SecretStr(secret) if secret else None,
            redirect_uri=redirect_uri,
            auth_url=trakt.root,
            base_url=trakt.root,
        ),
        TmdbSettings(api_key=SecretStr(API_KEY), base_url=tmdb.base_url),
    )
    given = replace(given, registered=tuple((_hurried(spec), its) for spec, its in given.registered))
    finder_settings = FinderSettings(providers=given)
    metrics = Metrics()
    background = Background(metrics)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(opened_database(directory / "state"))
        providers = await enter(
            open_providers(given, database=database, metrics=metrics, background=background, now=now)
        )
        metadata = await enter(
            open_metadata(MetadataSettings(), providers, database=database, background=background, now=now)
        )
        pictures: list[SourceUrl] = []
        finder = _FinderOf(metadata, providers, finder_settings, pictures)
        nothing: Any = None
        items, steps = items or FakeItems(), steps or Steps()
        wing = await enter(
            open_account(
                settings or AccountSettings(time_zone="UTC"),
                Ground(
                    database,
                    nothing,
                    nothing,
                    directory / "state",
                    nothing,
                    nothing,
                    metrics,
                    background if sending else _Idle(metrics),
                ),
                finder,
                items,
                now=now,
                sleep=_at_once,
                at=steps,
            )
        )
        yield RunningAccount(wing, database, trakt, items, steps, pictures)


class _Idle(Background):
    """Nothing is done but by a test."""

    @asynccontextmanager
    async def repeating(self, *_args: Any, **_given: Any) -> AsyncIterator[None]:
        yield


class _FinderOf(Finder):
    """One without what resolves names; it notes what is to be fetched."""

    def __init__(self, metadata: Any, providers: Any, settings: Any, pictures: list[SourceUrl]) -> None:
        nobody: Any = None
        super().__init__(metadata, providers, nobody, nobody, settings, nobody)
        object.__setattr__(self, "_resolving", pictures)

    async def fetch(self, source: SourceUrl) -> None:
        pictures: Any = self._resolving
        pictures.append(source)
