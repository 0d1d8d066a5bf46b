"""A picture's lock, the commit under it, and the names that then point to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

import structlog

from services.fetcher.download.downloader import Downloaded
from services.fetcher.jobs.making import count_start, order_for
from services.fetcher.rendering.order import RenderResult
from services.fetcher.steps import FetchStep
from services.fetcher.work import Deps, JobDelivery
from shared import pictures
from shared.contracts import DropSpool, PointName, RefuseName
from shared.pictures.paths import spool_name
from shared.pictures.rendition import named_media_type
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line, part_of_trace
from shared.volume import Draft, Locked, NewRevision, Revision

_log = structlog.get_logger()


@asynccontextmanager
async def locked(picture: pictures.PictureId, delivery: JobDelivery, deps: Deps) -> AsyncIterator[None]:
    """Raise Retry while somebody else works on the picture."""
    try:
        async with deps.pictures.lock(picture, insist=out_of_patience(delivery, deps)):
            yield
    except Locked as error:
        raise Retry(Delay.ONE_SECOND, str(error), counted=False, locked=True) from error


def out_of_patience(delivery: JobDelivery, deps: Deps) -> bool:
    """Whoever holds the lock for so long is suspended: go on without, for the commit compares and swaps."""
    since = delivery.envelope.locked_since
    impatient = since is not None and deps.now() - since > deps.settings.lock_patience
    if impatient:
        _log.warning("going on without the lock", locked_since=str(since))
    return impatient


async def point_unless_pinned(name: pictures.Name, picture: pictures.PictureId, deps: Deps) -> bool:
    """False: another picture is pinned to the name."""
    shown = await deps.names.picture(name)
    if shown and shown != picture and await deps.pins.holds(shown, name):
        add_to_line(pinned=shown)
        return False
    await deps.names.point(name, picture)
    return True


async def point_name(job: PointName, _delivery: JobDelivery, deps: Deps) -> None:
    """Only at what is stored: a name that shows something is not changed for one that would show nothing."""
    add_to_line(name=str(job.name), picture=job.target)
    revision = await deps.pictures.current(job.target)
    if revision is None:
        add_to_line(outcome="nothing to point at")
    elif not await point_unless_pinned(job.name, job.target, deps):
        add_to_line(outcome="pinned elsewhere")
    else:
        add_to_line(outcome="pointed")
        await deps.announcements.stored(job.target, revision.id, revision.renditions, name=job.name)


async def refuse_name(job: RefuseName, _delivery: JobDelivery, deps: Deps) -> None:
    """What the name shows by now stays in sight."""
    add_to_line(name=str(job.name), failure_class=job.failure.failure_class, reason=job.failure.reason)
    await deps.names.refuse(job.name, job.failure)
    add_to_line(outcome="refused")
    await deps.announcements.refused(job.name, job.failure)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An original in a file, as an operator sent it. `fetched_at`: when somebody had it from its source."""

    path: Path
    revision: pictures.RevisionId
    fetched_at: datetime | None = None


async def commit_original(
    source: pictures.Source,
    original: Downloaded | Uploaded,
    renditions: tuple[pictures.Rendition, ...],
    delivery: JobDelivery,
    deps: Deps,
    *,
    draft: Draft,
    expected: pictures.RevisionId | None,
    kept_as: pictures.Format | None = None,
    shows: pictures.Name | None = None,
) -> Revision:
    """Check it, make the renditions of it, and commit all of it as one revision. `shows`: the name it was fetched for.

    An upload is kept without its metadata, in the format `kept_as` if there is one, and always: nobody could fetch it
    again.
    """
    is_upload = isinstance(source, pictures.Upload)
    draft.finished(original.path)
    order = order_for(original.path, draft, renditions, deps, bare=is_upload, kept_as=kept_as)
    with part_of_trace("render"):
        rendered = await deps.sandbox.render(
            order,
            urgent=delivery.urgent,
            starting=lambda: count_start(source.picture, delivery, deps),
            host=delivery.turn.host,
            late=delivery.turn.is_late,
        )
    deps.on_step(FetchStep.RENDERED)
    _note_mismatch(source, original, rendered)
    new = await to_commit(source, original, rendered, draft, deps)
    with part_of_trace("store", picture=source.picture):
        revision = await deps.pictures.commit(
            source.picture,
            original.revision,
            draft,
            new.manifest,
            new.state,
            expected=expected,
            into=pictures.Tree.KEEP if is_upload else pictures.Tree.CACHE,
            shows=shows,
        )
    deps.on_step(FetchStep.COMMITTED)
    return revision


async def to_commit(
    source: pictures.Source,
    original: Downloaded | Uploaded,
    rendered: RenderResult,
    draft: Draft,
    deps: Deps,
) -> NewRevision:
    """With the original as it is kept in its place in the draft."""
    kept = _kept(original, rendered)
    size = kept.stat().st_size
    since = (original.fetched_at if isinstance(original, Uploaded) else None) or deps.now()
    manifest = _manifest(source, size, rendered, since)
    too_large = size > deps.settings.render.max_kept_bytes and not isinstance(source, pictures.Upload)
    name = manifest.original.file_name
    kept.rename(draft.directory / (spool_name(name) if too_large else name))
    if too_large:  # before the commit: whoever dies after it leaves no spool behind for good
        await deps.announcements.drop_spool_later(source.picture, original.revision)
    return NewRevision(source.picture, original.revision, draft, manifest, _state(original, since))


async def drop_spool(job: DropSpool, _delivery: JobDelivery, deps: Deps) -> None:
    """The original was there long enough for whoever asked for it."""
    add_to_line(picture=job.picture, outcome="spool dropped")
    await deps.pictures.drop_spool(job.picture, job.revision)


def _kept(original: Downloaded | Uploaded, rendered: RenderResult) -> Path:
    """What came is not kept where it would not be safe to hand it out."""
    if rendered.sanitised is None:
        return original.path
    original.path.unlink()
    return rendered.sanitised


def _note_mismatch(source: pictures.Source, original: Downloaded | Uploaded, rendered: RenderResult) -> None:
    """The bytes alone say what they are; a name or a source that says something else is worth a look."""
    if isinstance(source, pictures.Upload) or isinstance(original, Uploaded):
        return
    extension = PurePosixPath(source.url.path).suffix.removeprefix(".").lower()
    named = named_media_type(extension)
    if named and named != rendered.mime:
        add_to_line(named_as=extension)
    if original.media_type != rendered.mime:
        add_to_line(sent_as=original.media_type[:100])


def _manifest(source: pictures.Source, size: int, rendered: RenderResult, now: datetime) -> pictures.Manifest:
    host = pictures.picture_host(source.host) if isinstance(source, pictures.SourceUrl) else None
    return pictures.Manifest(
        source_url=str(source),
        provider=host.provider if host else None,
        original=pictures.Original(
            mime=rendered.mime,
            bytes=size,
            width=rendered.width,
            height=rendered.height,
            frames=rendered.frames,
        ),
        placeholder=pictures.Placeholder(color=rendered.color, thumbhash=rendered.thumbhash),
        fetched_at=now,
        notes=rendered.notes,
        measure=rendered.measure,
    )


def _state(original: Downloaded | Uploaded, now: datetime) -> pictures.State:
    if isinstance(original, Uploaded):
        return pictures.State(revision=original.revision, checked_at=now)
    return pictures.State(
        revision=original.revision,
        checked_at=now,
        fresh_until=original.freshness.fresh_until,
        validators=original.freshness.validators,
    )
