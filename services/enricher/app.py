"""The enricher, composed: its wings, the tasks that they do, and how they are asked."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from aiohttp import web

from services.enricher.api.access import Access, Gate
from services.enricher.api.docs import docs_routes
from services.enricher.api.endpoint import Endpoint
from services.enricher.api.events import EventStreams
from services.enricher.api.tasks import task_endpoints
from services.enricher.api.users import open_users
from services.enricher.pages import demo
from services.enricher.pages.account import AccountPages
from services.enricher.pages.gallery import ShownPosters, Wall
from services.enricher.pages.history import History
from services.enricher.pages.operations import Operations
from services.enricher.pages.shelves import Shelves
from services.enricher.pages.site import OwnApi, Site
from services.enricher.settings import EnricherSettings
from services.enricher.studio import VideoShelf
from services.enricher.tasks.task import TaskState
from services.enricher.tasks.tasks import Tasks, Work
from services.enricher.wings import Wings, open_wings
from shared.contracts import SessionEnded
from shared.http import Skeleton
from shared.http.app import PROBLEM_PAGE
from shared.http.early import EARLY
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.queue import Queue, alike, announcing, telling_work
from shared.queue.peers import SHARED, fingerprint
from shared.settings import ONESHEET_VERSION
from shared.telemetry import start_at_zero
from shared.volume import KeeperVolume, following, pauses_told_by

GATE = web.AppKey("gate", Gate)


@asynccontextmanager
async def add_enricher(
    skeleton: Skeleton,
    settings: EnricherSettings,
    *,
    queue: Queue,
    volume: KeeperVolume,
    state_dir: Path,
    paths: PublicPaths = PUBLIC_PATHS,
    videos: VideoShelf | None = None,
) -> AsyncIterator[None]:
    """Answer for metadata and library while the context lasts."""
    metrics, background = skeleton.metrics, skeleton.background
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(following(volume.live, queue.listen, metrics))
        pauses = await enter(pauses_told_by(settings.finder.metadata.shared, volume.hosts))
        volume = replace(volume, hosts=pauses)
        wings = await enter(
            open_wings(
                skeleton,
                settings,
                queue=queue,
                volume=volume,
                state_dir=state_dir,
                paths=paths,
                videos=videos,
            )
        )
        demo_library = demo.DemoLibrary(wings.finder)
        works: dict[str, Work] = {**wings.works, demo.KIND: demo_library}
        start_at_zero(metrics.tasks, works, [state for state in TaskState if state.ended])
        tasks = await enter(
            Tasks.running(
                wings.ground.database,
                works,
                background=background,
                tell=announcing(queue),
                on_end=lambda kind, state: metrics.tasks.labels(kind, state).inc(),
                alone=wings.ground.database.sharing.identity is None,
            )
        )
        await enter(wings.account.syncing(tasks))
        await enter(wings.characters.looking_after(tasks))
        gate = Gate.of(
            settings.access,
            state_dir,
            signs=bool(settings.urls.signing_keys),
            public_url=settings.urls.public_url,
            users=await enter(open_users(settings.users)),
            tell=announcing(queue) if wings.ground.database.sharing.identity else None,
        )
        await enter(queue.listen(gate.hear, SessionEnded))
        streams, history = EventStreams(), History()
        await enter(streams.listening(queue))
        await enter(history.listening(queue))
        setup = partial(_setup, settings, volume, wings, gate)
        await enter(telling_work(queue, metrics, "enricher", background=background, setup=setup))
        skeleton.app.on_shutdown.append(streams.end)
        skeleton.checks.update(queue=queue.ping, database=wings.ground.database.check)
        wings.tell_troubles(skeleton)
        endpoints = [
            *wings.endpoints(tasks),
            *task_endpoints(tasks),
            *streams.endpoints,
            *demo.demo_endpoints(tasks, demo_library),
        ]
        api = demo_library.api = OwnApi(endpoints)
        _show(skeleton, settings, gate, wings, volume, api=api, history=history)
        live = gate.guarded(web.get("/ops/events", streams.stream_measures), Access.ADMIN)
        skeleton.add_routes([live])
        _answer(skeleton, gate, wings, endpoints)
        yield


def _show(
    skeleton: Skeleton,
    settings: EnricherSettings,
    gate: Gate,
    wings: Wings,
    volume: KeeperVolume,
    *,
    api: OwnApi,
    history: History,
) -> None:
    """People, by pages."""
    posters = ShownPosters(volume.names, wings.library.shown, wings.ground.urls, wings.finder)
    pages = (
        Wall(api, posters, wings.ground.urls, wings.finder, settings.library.folders),
        Shelves(api, posters, wings.ground.urls),
        AccountPages(api),
        Operations(api, history, wings.ground.urls, wings.finder, wings.keeper.peers),
    )
    site = _site(settings, wings, gate)
    for page in pages:
        skeleton.add_routes(page.routes(site))
    skeleton.add_routes(site.routes)
    skeleton.app[PROBLEM_PAGE] = site.problem


def _answer(skeleton: Skeleton, gate: Gate, wings: Wings, endpoints: Sequence[Endpoint]) -> None:
    """Programs, by the API."""
    skeleton.app[GATE] = gate
    before = skeleton.app.get(EARLY)
    skeleton.app[EARLY] = wings.characters.answering_early(gate.may_read, skeleton.service, before)
    skeleton.add_routes(endpoint.route(gate) for endpoint in endpoints)
    skeleton.add_routes(docs_routes(endpoints, gate, version=ONESHEET_VERSION))


def _site(settings: EnricherSettings, wings: Wings, gate: Gate) -> Site:
    return Site(
        gate,
        public_url=settings.urls.public_url,
        picture_url=settings.urls.cdn_base_url,
        providers={spec.name: spec.title for spec in wings.finder.providers.settings},
        settings=settings.pages,
    )


def _setup(settings: EnricherSettings, volume: KeeperVolume, wings: Wings, gate: Gate) -> Mapping[str, str]:
    """What services that share a queue have to agree in."""
    told = alike(
        volume=volume.identity(),
        allowed_hosts=settings.hosts.allowed_hosts,
        signing_keys=settings.urls.signing_keys,
        upload_signing_keys=settings.urls.upload_signing_keys,
    )
    shared = wings.ground.database.sharing.identity
    if shared:  # and what several enrichers have to
        told |= {
            SHARED: shared,
            "ADMIN_TOKEN": fingerprint(gate.tokens_name),
            "SECRET_KEY": fingerprint(wings.account.key_name),
        }
    return told
