"""The enricher, composed: four wings over one database. The library and the account stand on what finds; what keeps stands alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web

from services.enricher.account import open_account
from services.enricher.api.access import Access, Gate
from services.enricher.api.docs import docs_routes
from services.enricher.api.events import EventStreams
from services.enricher.api.tasks import task_endpoints
from services.enricher.api.users import open_users
from services.enricher.database.engines import open_database
from services.enricher.finder import open_finder
from services.enricher.finder.tables import PICTURES_OF_NAMES
from services.enricher.keeper import open_keeper
from services.enricher.library import open_library
from services.enricher.library.tables import PICTURES_OF_ITEMS, SOURCES_OF_ITEMS
from services.enricher.pages import demo
from services.enricher.pages.gallery import ShownPosters, Wall
from services.enricher.pages.history import History
from services.enricher.pages.operations import Operations
from services.enricher.pages.site import OwnApi, Site
from services.enricher.pictures.shown import PictureUrls
from services.enricher.settings import EnricherSettings
from services.enricher.tasks.task import TaskState
from services.enricher.tasks.tasks import Tasks, Work
from services.enricher.uploads import open_uploads, upload_endpoints
from shared.http import Skeleton
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.queue import Queue, alike, announcing, telling_work
from shared.settings import ONESHEET_VERSION
from shared.telemetry import start_at_zero
from shared.volume import KeeperVolume

GATE = web.AppKey("gate", Gate)
SHOWN_BY = (PICTURES_OF_ITEMS, PICTURES_OF_NAMES)
"""What shows pictures; where several show one, the last has the word."""


@asynccontextmanager
async def add_enricher(
    skeleton: Skeleton,
    settings: EnricherSettings,
    *,
    queue: Queue,
    volume: KeeperVolume,
    state_dir: Path,
    paths: PublicPaths = PUBLIC_PATHS,
) -> AsyncIterator[None]:
    """Answer for metadata and library while the context lasts."""
    urls, rules = PictureUrls(settings.urls, paths), settings.hosts.rules
    metrics, background = skeleton.metrics, skeleton.background

    def setup() -> dict[str, str]:
        return alike(
            volume=volume.identity(),
            allowed_hosts=settings.hosts.allowed_hosts,
            signing_keys=settings.urls.signing_keys,
            upload_signing_keys=settings.urls.upload_signing_keys,
        )

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(open_database(settings.database, state_dir=state_dir, metrics=metrics))
        keeper = await enter(
            open_keeper(
                settings.catalog,
                database=database,
                queue=queue,
                volume=volume,
                shown_by=SHOWN_BY,
                rules=rules,
                metrics=metrics,
                background=background,
            )
        )
        finder = await enter(
            open_finder(
                settings.finder,
                database=database,
                queue=queue,
                volume=volume,
                evicted=keeper.source_of,
                also_from=(SOURCES_OF_ITEMS,),
                paths=paths,
                metrics=metrics,
                background=background,
            )
        )
        library = await enter(
            open_library(
                settings.library,
                finder,
                database=database,
                queue=queue,
                volume=volume,
                urls=urls,
                rules=rules,
                note_use=keeper.note_use,
                background=background,
            )
        )
        account = await enter(
            open_account(
                settings.account,
                finder,
                library.items,
                database=database,
                state_dir=state_dir,
                background=background,
            )
        )
        users = await enter(open_users(settings.users))
        uploads = await enter(
            open_uploads(
                settings.uploads,
                finder,
                database=database,
                queue=queue,
                volume=volume,
                background=background,
            )
        )
        demo_library = demo.DemoLibrary(finder)
        works: dict[str, Work] = {
            **keeper.works,
            **library.works,
            **account.works,
            demo.KIND: demo_library,
        }
        start_at_zero(metrics.tasks, works, [state for state in TaskState if state.ended])
        tasks = await enter(
            Tasks.running(
                database,
                works,
                background=background,
                tell=announcing(queue),
                on_end=lambda kind, state: metrics.tasks.labels(kind, state).inc(),
                alone=True,
            )
        )
        await enter(account.syncing(tasks))
        streams, history = EventStreams(), History()
        await enter(streams.listening(queue))
        await enter(history.listening(queue))
        await enter(telling_work(queue, metrics, "enricher", background=background, setup=setup))
        endpoints = [
            *library.endpoints(tasks, urls, rules, paths, volume.pictures),
            *finder.endpoints(urls, rules, paths, size_of=keeper.size_of),
            *account.endpoints(tasks, urls),
            *upload_endpoints(uploads, urls),
            *keeper.endpoints(tasks),
            *task_endpoints(tasks),
            *streams.endpoints,
            *demo.demo_endpoints(tasks, demo_library),
        ]
        gate = Gate.of(
            settings.access,
            state_dir,
            signs=bool(settings.urls.signing_keys),
            public_url=settings.urls.public_url,
            users=users,
        )
        skeleton.app[GATE] = gate
        api = demo_library.api = OwnApi(endpoints)
        site = Site(
            skeleton.app,
            gate,
            public_url=settings.urls.public_url,
            picture_url=settings.urls.cdn_base_url,
            providers={spec.name: spec.title for spec in finder.providers.settings},
        )
        posters = ShownPosters(volume.names, library.shown, urls, finder)
        skeleton.add_routes(Wall(api, posters, urls, finder, settings.library.folders).routes(site))
        skeleton.add_routes(Operations(api, history, urls, finder, keeper.peers).routes(site))
        live = gate.guarded(web.get("/ops/events", streams.stream_measures), Access.ADMIN)
        skeleton.add_routes([*site.routes, live])
        skeleton.app.on_shutdown.append(streams.end)
        skeleton.checks.update(queue=queue.ping, database=database.ping)
        skeleton.notes["providers"] = lambda: {
            name: f"{status.condition}: {status.detail}" for name, status in finder.statuses.items()
        }
        skeleton.notes["account"] = account.troubles
        skeleton.notes["services"] = keeper.peers.troubles
        skeleton.notes["disk"] = lambda: {"room": keeper.obstacle or "is made as it is needed"}
        skeleton.add_routes(endpoint.route(gate) for endpoint in endpoints)
        skeleton.add_routes(docs_routes(endpoints, gate, version=ONESHEET_VERSION))
        yield
