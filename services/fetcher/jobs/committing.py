"""Committing what was downloaded: checked, rendered, and put in sight as one revision."""

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
    SourceUrl,
    State,
    picture_host,
)
from shared.pictures.formats import named_media_type
from shared.pictures.paths import spool_name
from shared.telemetry import add_to_line
from shared.volume import Draft, Revision


async def commit_downloaded(
    source: SourceUrl,
    downloaded: Downloaded,
    renditions: tuple[Rendition, ...],
    delivery: Delivery,
    deps: Deps,
    *,
    draft: Draft,
    expected: RevisionId | None,
) -> Revision:
    """Check what was downloaded, make the renditions of it, and commit all of it as one revision."""
    draft.finished(downloaded.path)
    order = order_for(downloaded.path, draft, renditions, deps)
    rendered = await deps.sandbox.render(
        order, urgent=delivery.urgent, starting=lambda: count_start(source.picture, delivery, deps)
    )
    deps.on_step(FetchStep.RENDERED)
    _note_mismatch(source, downloaded, rendered)
    original = _original(downloaded, rendered)
    size = original.stat().st_size
    manifest = _manifest(source, size, rendered, deps.now())
    too_large = size > deps.settings.render.max_kept_bytes
    name = manifest.original.file_name
    original.rename(draft.directory / (spool_name(name) if too_large else name))
    if too_large:  # before the commit: whoever dies after it leaves no spool behind for good
        await deps.announcements.drop_spool_later(source.picture, downloaded.revision)
    revision = await deps.pictures.commit(
        source.picture,
        downloaded.revision,
        draft,
        manifest,
        _state(downloaded, deps.now()),
        expected=expected,
    )
    deps.on_step(FetchStep.COMMITTED)
    return revision


async def drop_spool(job: DropSpool, _delivery: Delivery, deps: Deps) -> None:
    """The original was there long enough for whoever asked for it."""
    add_to_line(picture=job.picture, outcome="spool dropped")
    await deps.pictures.drop_spool(job.picture, job.revision)


def _original(downloaded: Downloaded, rendered: Rendered) -> Path:
    """What came is not kept where it would not be safe to hand it out."""
    if rendered.sanitised is None:
        return downloaded.path
    downloaded.path.unlink()
    return rendered.sanitised


def _note_mismatch(source: SourceUrl, downloaded: Downloaded, rendered: Rendered) -> None:
    """The bytes alone say what they are; a name or a source that says something else is worth a look."""
    extension = PurePosixPath(source.url.path).suffix.removeprefix(".").lower()
    named = named_media_type(extension)
    if named and named != rendered.mime:
        add_to_line(named_as=extension)
    if downloaded.media_type != rendered.mime:
        add_to_line(sent_as=downloaded.media_type[:100])


def _manifest(source: SourceUrl, size: int, rendered: Rendered, now: datetime) -> Manifest:
    host = picture_host(source.host)
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


def _state(downloaded: Downloaded, now: datetime) -> State:
    return State(
        revision=downloaded.revision,
        checked_at=now,
        fresh_until=downloaded.freshness.fresh_until,
        validators=downloaded.freshness.validators,
    )
