"""An enricher in this process, before stand-ins for the providers, on a real volume, queue and database."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from services.enricher.api.access import AccessSettings
from services.enricher.api.users import UserSettings
from services.enricher.app import add_enricher
from services.enricher.characters import CharacterSettings
from services.enricher.database.engines import DatabaseSettings
from services.enricher.finder import FinderSettings
from services.enricher.finder.metadata import MetadataSettings, ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.finder.providers.trakt.client import TraktSettings
from services.enricher.finder.providers.tvdb.client import TvdbSettings
from services.enricher.finder.providers.twitch.client import TwitchSettings
from services.enricher.finder.resolving.opening import ResolvingSettings
from services.enricher.keeper.catalog import indexer
from services.enricher.keeper.catalog.budget import CatalogSettings
from services.enricher.library import LibrarySettings
from services.enricher.pictures.shown import PictureUrlSettings
from services.enricher.settings import EnricherSettings
from services.enricher.streamers import StreamerSettings
from services.enricher.studio import StudioSettings, VideoShelf
from services.enricher.uploads import UploadSettings
from services.fetcher.app import add_fetcher
from services.fetcher.settings import FetcherSettings
from services.proxy.app import add_proxy
from services.proxy.settings import ProxySettings
from shared.contracts import Envelope, FetchPicture, Message
from shared.http import Skeleton, create_skeleton
from shared.pictures import SourceUrl
from shared.queue import Lane
from shared.queue.embedded.engine import open_embedded
from shared.settings import HostSettings, Settings
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, WriteVolume, volume_to_keep, volume_to_read, volume_to_write
from shared.volume.local.layout import Layout
from tests.integration.onesheet import PATIENCE_S, QUICK_DELAYS, WatchedQueue, until
from tests.providers import tvdb as tvdb_stand_in
from tests.providers import twitch as twitch_stand_in
from tests.providers.tmdb import API_KEY, TmdbHost
from tests.providers.trakt import CLIENT_ID, TraktHost
from tests.providers.tvdb import TvdbHost
from tests.providers.twitch import TwitchHost
from tests.servers.databases import database_in

indexer.GATHERED_S = 0.1  # who looks at the catalog waits for it

ADMIN = {"Authorization": "Bearer the-admin-token"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


@dataclass(frozen=True)
class RunningEnricher:
    address: str
    volume: WriteVolume
    layout: Layout
    queue: WatchedQueue
    client: aiohttp.ClientSession
    app: web.Application
    another: Callable[[], AbstractAsyncContextManager["RunningEnricher"]]
    """One more that shares queue, volume and database, where that is PostgreSQL."""

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.ask("GET", path, headers=headers)

    async def manage(self, method: str, path: str, json: object = None) -> Reply:
        """With the admin token."""
        return await self.ask(method, path, headers=ADMIN, json=json)

    async def ask(self, method: str, path: str, **given: Any) -> Reply:
        async with self.client.request(method, self.address + path, **given) as answer:
            body = await answer.read()
            json = await answer.json(content_type=None) if body else None
            return Reply(answer.status, answer.headers, body, json)

    async def ended(self, path: str, json: object = None, *, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """The task that a POST to this path starts, when it has ended, with all of its items."""
        reply = await self.manage("POST", path, json)
        assert reply.status == 202, reply.json
        task: dict[str, Any] = reply.json

        async def has_ended() -> bool:
            task.update((await self.manage("GET", f"/api/v1/admin/tasks/{task['id']}")).json)
            return task["state"] not in ("queued", "running")

        await until(has_ended, within_s=within_s, every_s=0.05)
        return task | {"items": await self.items(task["id"])}

    async def items(self, task_id: int) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        path = f"/api/v1/admin/tasks/{task_id}/items?limit=1000"
        while more := (await self.manage("GET", f"{path}&offset={len(items)}")).json["items"]:
            items += more
        return items

    async def picture(self, path: str) -> tuple[int, bytes]:
        async with self.client.get(self.address + path) as answer:
            return answer.status, await answer.read()

    async def text(self, path: str) -> str:
        async with self.client.get(self.address + path) as answer:
            assert answer.status == 200
            return await answer.text()

    async def add(self, count: int, *, first: int = 1, **values: Any) -> None:
        """Movies first … of the stand-ins, by their IMDb ids."""
        for number in range(first, first + count):
            item = {
                "title": f"Movie {number}",
                "media_type": "movie",
                "imdb_id": f"tt{number:07}",
                "full_path": f"/films/{number}.mkv",
                **values,
            }
            assert (await self.manage("POST", "/api/library/items", item)).status == 201

    async def announce(self, message: Message) -> None:
        await self.queue.announce(Envelope.of(message, trace_id="test"))

    async def publish(self, message: Message, lane: Lane) -> None:
        await self.queue.publish(Envelope.of(message, trace_id="test"), lane)

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[list[Message]]:
        """What everybody is told while the block lasts."""
        events: list[Message] = []

        async def hear(envelope: Envelope) -> None:
            events.append(envelope.payload)

        async with self.queue.listen(hear):
            yield events

    def fetched_ahead(self) -> list[SourceUrl]:
        return [job.source_url for job in self.queue.jobs(FetchPicture)]


_Kind = TypeVar("_Kind", bound=Settings)
_read: dict[tuple[type[Settings], frozenset[tuple[str, str]], Path], Settings] = {}


def _usual(kind: type[_Kind]) -> _Kind:
    """As the environment says, read once for each that there is: nobody changes settings."""
    environment = frozenset(item for item in os.environ.items() if item[0] != "PYTEST_CURRENT_TEST")
    key = kind, environment, Path.cwd()
    if key not in _read:
        _read[key] = kind()
    settings = _read[key]
    assert isinstance(settings, kind)
    return settings


@asynccontextmanager
async def running_enricher(
    directory: Path,
    *,
    trakt: TraktHost | None = None,
    tmdb: TmdbHost | None = None,
    tvdb: TvdbHost | None = None,
    twitch: TwitchHost | None = None,
    streamers: StreamerSettings | None = None,
    studio: StudioSettings | None = None,
    videos: VideoShelf | None = None,
    tvdb_key: str = tvdb_stand_in.API_KEY,
    fetcher: FetcherSettings | None = None,
    proxy: ProxySettings | None = None,
    hosts: HostSettings | None = None,
    resolving: ResolvingSettings | None = None,
    metadata: MetadataSettings | None = None,
    providers: ProviderSettings | None = None,
    urls: PictureUrlSettings | None = None,
    roots: tuple[str, ...] = (),
    api_tokens: tuple[str, ...] = (),
    catalog: CatalogSettings | None = None,
    characters: CharacterSettings | None = None,
    users: UserSettings | None = None,
    uploads: UploadSettings | None = None,
    database: DatabaseSettings | None = None,
    lane_limit: int = 100_000,
) -> AsyncIterator[RunningEnricher]:
    """On a free port until the block ends. A provider that is not given has no key; without a fetcher's or a proxy's
    settings nobody does their part. Pages wait for their providers, unless `metadata` says how long.
    """
    state_dir = directory / "state"
    settings = EnricherSettings(
        access=AccessSettings(admin_token="the-admin-token", api_tokens=api_tokens),
        finder=FinderSettings(
            metadata=metadata or MetadataSettings(page_deadline_s=PATIENCE_S),
            providers=providers
            or ProviderSettings.read(
                TraktSettings(
                    client_id=SecretStr(CLIENT_ID) if trakt else None,
                    base_url=trakt.root if trakt else "http://x",
                ),
                TmdbSettings(
                    api_key=SecretStr(API_KEY) if tmdb else None,
                    base_url=tmdb.base_url if tmdb else "http://x",
                ),
                TvdbSettings(
                    api_key=SecretStr(tvdb_key) if tvdb else None,
                    base_url=tvdb.base_url if tvdb else "http://x",
                ),
                TwitchSettings(
                    client_id=SecretStr(twitch_stand_in.CLIENT_ID) if twitch else None,
                    client_secret=SecretStr(twitch_stand_in.CLIENT_SECRET) if twitch else None,
                    base_url=twitch.base_url if twitch else "http://x",
                    auth_url=twitch.auth_url if twitch else "http://x",
                ),
            ),
            resolving=resolving or _usual(ResolvingSettings),
        ),
        catalog=catalog or _usual(CatalogSettings),
        characters=characters or _usual(CharacterSettings),
        library=LibrarySettings(roots=roots),
        hosts=hosts or _usual(HostSettings),
        uploads=uploads or _usual(UploadSettings),
        streamers=streamers or _usual(StreamerSettings),
        studio=studio or _usual(StudioSettings),
        urls=urls or _usual(PictureUrlSettings),
        users=users or _usual(UserSettings),
        database=database or database_in(state_dir),
    )
    place = VolumeSettings(volume_url=f"file:{directory}/volume", state_directory=state_dir)
    async with AsyncExitStack() as stack:
        volume = stack.enter_context(volume_to_write(place))
        engine = open_embedded(
            state_dir / "queue.sqlite", lane_limit=lane_limit, consumer_grace_s=10, delays=QUICK_DELAYS
        )
        queue = WatchedQueue(await stack.enter_async_context(engine))
        skeleton = create_skeleton("enricher", Metrics())
        if proxy:
            add_proxy(skeleton, proxy, queue=queue, volume=volume_to_read(place))
        if fetcher:
            fetching = add_fetcher(create_skeleton("fetcher", Metrics()), fetcher, queue=queue, volume=volume)
            await stack.enter_async_context(fetching)

        @asynccontextmanager
        async def started(skeleton: Skeleton) -> AsyncIterator[RunningEnricher]:
            keeper = volume_to_keep(place)
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(
                    add_enricher(
                        skeleton, settings, queue=queue, volume=keeper, state_dir=state_dir, videos=videos
                    )
                )
                runner = web.AppRunner(skeleton.app, access_log=None, shutdown_timeout=1)
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                address = f"http://127.0.0.1:{runner.addresses[0][1]}"
                client = await stack.enter_async_context(
                    aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
                )
                layout, app = Layout(place.root), skeleton.app
                yield RunningEnricher(address, volume, layout, queue, client, app, another)

        def another() -> AbstractAsyncContextManager[RunningEnricher]:
            return started(create_skeleton("enricher", Metrics()))

        yield await stack.enter_async_context(started(skeleton))
