"""Committing an original: checked, rendered, and put in sight as one revision."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from services.fetcher.download.downloader import Downloaded
from services.fetcher.jobs.making import count_start, order_for
from services.fetcher.rendering.render import Rendered
from services.fetcher.steps import FetchStep
from services.fetcher.work import Delivery, Deps
from shared.contracts import DropSpool
from shared.pictures import (
    Manifest,
    Original,
    Placeholder,
    Rendition,
    RevisionId,
    Source,
    SourceUrl,
    State,
    Tree,
    Upload,
    picture_host,
)
from shared.pictures.formats import named_media_type
from shared.pictures.paths import spool_name
from shared.telemetry import add_to_line
from shared.volume import Draft, Revision


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An original in a file, as an operator sent it."""

    path: Path
    revision: RevisionId


async def commit_original(
    source: Source,
    original: Downloaded | Uploaded,
    renditions: tuple[Rendition, ...],
    delivery: Delivery,
    deps: Deps,
    *,
    draft: Draft,
    expected: RevisionId | None,
) -> Revision:
    """Check it, make the renditions of it, and commit all of it as one revision.

    An upload is kept without its metadata, and always: nobody could fetch it again.
    """
    is_upload = isinstance(source, Upload)
    draft.finished(original.path)
    order = order_for(original.path, draft, renditions, deps, bare=is_upload)
    rendered = await deps.sandbox.render(
        order, urgent=delivery.urgent, starting=lambda: count_start(source.picture, delivery, deps)
    )
    deps.on_step(FetchStep.RENDERED)
    _note_mismatch(source, original, rendered)
    kept = _kept(original, rendered)
    size = kept.stat().st_size
    manifest = _manifest(source, size, rendered, deps.now())
    too_large = size > deps.settings.render.max_kept_bytes and not is_upload
    name = manifest.original.file_name
    kept.rename(draft.directory / (spool_name(name) if too_large else name))
    if too_large:  # before the commit: whoever dies after it leaves no spool behind for good
        await deps.announcements.drop_spool_later(source.picture, original.revision)
    revision = await deps.pictures.commit(
        source.picture,
        original.revision,
        draft,
        manifest,
        _state(original, deps.now()),
        expected=expected,
        into=Tree.KEEP if is_upload else Tree.CACHE,
    )
    deps.on_step(FetchStep.COMMITTED)
    return revision


async def drop_spool(job: DropSpool, _delivery: Delivery, deps: Deps) -> None:
    """The original was there long enough for whoever asked for it."""
    add_to_line(picture=job.picture, outcome="spool dropped")
    await deps.pictures.drop_spool(job.picture, job.revision)


def _kept(original: Downloaded | Uploaded, rendered: Rendered) -> Path:
    """What came is not kept where it would not be safe to hand it out."""
    if rendered.sanitised is None:
        return original.path
    original.path.unlink()
    return rendered.sanitised


def _note_mismatch(source: Source, original: Downloaded | Uploaded, rendered: Rendered) -> None:
    """The bytes alone say what they are; a name or a source that says something else is worth a look."""
    if isinstance(source, Upload) or isinstance(original, Uploaded):
        return
    extension = PurePosixPath(source.url.path).suffix.removeprefix(".").lower()
    named = named_media_type(extension)
    if named and named != rendered.mime:
        add_to_line(named_as=extension)
    if original.media_type != rendered.mime:
        add_to_line(sent_as=original.media_type[:100])


def _manifest(source: Source, size: int, rendered: Rendered, now: datetime) -> Manifest:
    host = picture_host(source.host) if isinstance(source, SourceUrl) else None
    return Manifest(
        source_url=str(source),
        provider=host.provider if host else None,
        original=Original(
            mime=rendered.mime,
            bytes=size,
            width=rendered.width,
            height=rendered.height,
            frames=rendered.frames,
        ),
        placeholder=Placeholder(color=rendered.color, thumbhash=rendered.thumbhash),
        fetched_at=now,
    )


def _state(original: Downloaded | Uploaded, now: datetime) -> State:
    if isinstance(original, Uploaded):
        return State(revision=original.revision, checked_at=now)
    return State(
        revision=original.revision,
        checked_at=now,
        fresh_until=original.freshness.fresh_until,
        validators=original.freshness.validators,
    )
