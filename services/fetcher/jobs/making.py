"""Making renditions: what is asked for, of what is stored."""

from dataclasses import replace
from pathlib import Path

from services.fetcher.errors import PictureError
from services.fetcher.jobs.failures import end_in_failure
from services.fetcher.rendering.order import Order
from services.fetcher.settings import RenderSettings
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import RenderPicture
from shared.pictures import STANDARD_SIZES, FailureClass, Format, Original, PictureId, Rendition
from shared.pictures.paths import spool_name
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line
from shared.volume import Draft, Revision, RevisionGone, StoredFile

STARTS_AT_MOST = 10
"""A backstop: of jobs that were delivered before, this many may come to rendering without one ending."""


async def render_picture(job: RenderPicture, delivery: JobDelivery, deps: Deps) -> None:
    """Make what is still missing of these renditions, all from one decode."""
    add_to_line(picture=job.source_url.picture)
    async with deps.renders.hold(job.source_url.picture):
        revision = await deps.pictures.current(job.source_url.picture)
        if revision is None:
            add_to_line(outcome="nothing to render")
            return
        missing = tuple(rendition for rendition in job.renditions if not revision.holds(rendition))
        if missing and not await original_of(revision, deps):
            add_to_line(outcome="original too large to keep")
            return
        if missing:
            add_to_line(renditions=len(missing))
            await _render_ahead(job, revision, missing, delivery, deps)
        else:
            add_to_line(outcome="was there")


async def _render_ahead(
    job: RenderPicture,
    revision: Revision,
    missing: tuple[Rendition, ...],
    delivery: JobDelivery,
    deps: Deps,
) -> None:
    try:
        await make(revision, missing, delivery, deps)
    except PictureError as error:
        await end_in_failure(error, job.source_url, missing[0], delivery, deps, key=str(missing[0]))
        return
    add_to_line(outcome="rendered")
    await deps.announcements.stored(revision.picture, revision.id, missing)
    await deps.announcements.record(revision.picture, job.source_url, "stored")


async def make(
    revision: Revision, renditions: tuple[Rendition, ...], delivery: JobDelivery, deps: Deps
) -> Revision:
    """Render and add; return the revision with them. Raise Retry when it goes away meanwhile: the job looks again."""
    try:
        original = await original_of(revision, deps)
        if original is None:
            raise Retry(Delay.ONE_SECOND, "the original went away", counted=False)
        async with deps.pictures.draft() as draft:
            order = order_for(await draft.with_file(original), draft, renditions, deps)
            order = replace(order, described=False)  # the manifest says it already
            await deps.sandbox.render(
                order,
                urgent=delivery.urgent,
                starting=lambda: count_start(revision.picture, delivery, deps),
                host=delivery.turn.host,
            )
            await deps.pictures.add(revision, [draft.directory / str(rendition) for rendition in renditions])
    except (RevisionGone, FileNotFoundError) as error:
        raise Retry(Delay.ONE_SECOND, "the revision went away", counted=False) from error
    state = await deps.pictures.state(revision.picture)  # of this moment: a refresh may have come in between
    forgotten = [str(rendition) for rendition in renditions if str(rendition) in state.failures]
    if forgotten or state.redelivered_starts or delivery.envelope.redelivered:
        await deps.pictures.put_state(revision.picture, state.recovered(*forgotten))
    return replace(revision, files=revision.files.union(map(str, renditions)))


async def original_of(revision: Revision, deps: Deps) -> StoredFile | None:
    """None where it was too large to keep, and is not spooled any more."""
    name = revision.manifest.original.file_name
    for file_name in (name, spool_name(name)):
        if original := await deps.pictures.at(revision.picture, revision.id, file_name):
            return original
    return None


async def count_start(picture: PictureId, delivery: JobDelivery, deps: Deps) -> None:
    """Count the starts of jobs that were delivered before: whatever kills the whole fetcher leaves no other trace.

    Not before a renderer is free: else a picture that kills would take all that wait beside it along.
    """
    if not delivery.envelope.redelivered:
        return
    state = await deps.pictures.state(picture)
    starts = state.redelivered_starts + 1
    if starts >= STARTS_AT_MOST:
        raise PictureError(FailureClass.UNSOUND, f"Rendering was started {starts} times and never ended.")
    await deps.pictures.put_state(picture, state.model_copy(update={"redelivered_starts": starts}))


def order_for(
    original: Path,
    draft: Draft,
    renditions: tuple[Rendition, ...],
    deps: Deps,
    *,
    bare: bool = False,
    kept_as: Format | None = None,
) -> Order:
    settings = deps.settings.render
    return Order(
        original,
        draft.directory,
        renditions,
        quality=settings.quality,
        max_pixels=settings.max_pixels,
        memory_bytes=settings.memory_bytes,
        bare=bare,
        kept_as=kept_as,
        faces=settings.faces,
        font_directories=settings.font_directories,
    )


_NOT_OF_POSTERS = "large"
"""The most expensive one. What stands upright is shown as a card beside others, and never fills a screen."""


def made_ahead(settings: RenderSettings, original: Original | None = None) -> tuple[Rendition, ...]:
    """The standard renditions that such a picture is shown in, which it gets before anybody asks. Without an original,
    for it is still to be fetched: those of any picture.
    """
    if not settings.ahead:
        return ()
    is_wide = original is not None and original.width >= original.height
    sizes = [size for size in STANDARD_SIZES if is_wide or size != _NOT_OF_POSTERS]
    return tuple(Rendition(size, format_) for format_ in settings.formats for size in sizes)


def missing_ahead(revision: Revision, settings: RenderSettings) -> tuple[Rendition, ...]:
    """The standard renditions that nobody has asked for yet."""
    ahead = made_ahead(settings, revision.manifest.original)
    return tuple(rendition for rendition in ahead if not revision.holds(rendition))
