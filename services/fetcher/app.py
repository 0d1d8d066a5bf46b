"""The fetcher, composed: everything it is made of, from the outside in."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from services.fetcher.announcements import Announcements
from services.fetcher.download.downloader import Downloader
from services.fetcher.rendering.lockdown import Reach
from services.fetcher.rendering.sandbox import DEATHS, Sandbox
from services.fetcher.settings import FetcherSettings
from services.fetcher.work import Deps
from services.fetcher.worker import HANDLERS, Worker
from shared.background import Background
from shared.contracts import JobsUnwaited
from shared.http import Skeleton
from shared.pictures import FailureClass, RefusalReason
from shared.queue import Lane, Queue, alike, telling_work
from shared.telemetry import start_at_zero
from shared.volume import OnStep, WriteVolume, following, pauses_told_by, unwatched

SWEEP_EVERY_S = 10.0
_log = structlog.get_logger()


@asynccontextmanager
async def add_fetcher(
    skeleton: Skeleton,
    settings: FetcherSettings,
    *,
    queue: Queue,
    volume: WriteVolume,
    on_step: OnStep = unwatched,
) -> AsyncIterator[None]:
    """Do picture jobs while the context lasts. Leaving it finishes the running ones, bounded, and stops."""
    metrics = skeleton.metrics
    start_at_zero(metrics.downloads, ("stored", "unchanged", *FailureClass))
    start_at_zero(metrics.failures, FailureClass)
    start_at_zero(metrics.renderers_killed, DEATHS)
    for what in ("slot", "seat"):
        metrics.job_waits.labels(what)
        metrics.job_wait_seconds.labels(what)
    start_at_zero(metrics.refusals, RefusalReason)
    start_at_zero(metrics.jobs, (kind.__name__ for kind in HANDLERS), ("broken", "retry", "reject", "failed"))

    def setup() -> dict[str, str]:
        return alike(volume=volume.identity(), allowed_hosts=settings.download.hosts.allowed_hosts)

    skeleton.checks.update(queue=queue.ping, volume=volume.pictures.space)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(following(volume.live, queue.listen, metrics))
        announcements = Announcements(queue, metrics)
        downloader = await stack.enter_async_context(
            Downloader.running(
                settings.download,
                pauses=await stack.enter_async_context(pauses_told_by(settings.redis, volume.hosts)),
                announce=announcements.host_paused,
                metrics=metrics,
                on_step=on_step,
            )
        )
        sandbox = await stack.enter_async_context(
            Sandbox.running(
                processes=settings.render.processes,
                timeout_s=settings.render.timeout_s,
                memory_bytes=settings.render.memory_bytes,
                when_idle=settings.render.when_idle,
                faces=settings.render.faces,
                on_death=lambda why: metrics.renderers_killed.labels(why).inc(),
                reach=Reach(
                    reads=(*volume.files, *map(Path, settings.render.font_directories)),
                    writes=(volume.drafts,),
                ),
            )
        )
        deps = Deps(
            pictures=volume.pictures,
            names=volume.names,
            pins=volume.pins,
            inbox=volume.inbox,
            mending=volume.mending,
            downloader=downloader,
            sandbox=sandbox,
            announcements=announcements,
            settings=settings,
            metrics=metrics,
            on_step=on_step,
        )
        worker = Worker(queue, deps)
        await stack.enter_async_context(sweeping(volume, skeleton.background))
        await stack.enter_async_context(
            telling_work(queue, metrics, "fetcher", background=skeleton.background, setup=setup)
        )
        await stack.enter_async_context(queue.listen(worker.hear, JobsUnwaited))
        await stack.enter_async_context(worker.consuming(Lane.PICTURES_LATER))
        await stack.enter_async_context(worker.consuming(Lane.PICTURES_NOW))
        if settings.download.allow_private:
            _log.warning("private addresses allowed", pairs=settings.download.allow_private)
        if "*" in settings.download.hosts.allowed_hosts:
            _log.warning("pictures are fetched from any host")
        yield


def sweeping(volume: WriteVolume, background: Background) -> AbstractAsyncContextManager[None]:
    """Delete what is over, every few seconds, while the context lasts."""
    return background.repeating(
        "sweeping the volume", volume.sweep, every_s=SWEEP_EVERY_S, expected=(OSError,)
    )
