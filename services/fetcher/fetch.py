"""Fetching: the flow of a miss, from the job to the announcement.

Safe to do twice, and safe to die in at any line: nothing is in sight before it is whole, and the job is
acknowledged only after all of it is durable.
"""

from datetime import timedelta

import structlog

from services.fetcher.download import Downloaded, NotModified
from services.fetcher.errors import PictureError
from services.fetcher.failures import check_remembered, end_in_failure
from services.fetcher.making import check_starts, make, manifest_of, missing_ahead, order_for
from services.fetcher.steps import FetchStep
from services.fetcher.work import Delivery, Deps
from shared.contracts import FetchPicture
from shared.pictures import DOWNLOAD, ORIGINAL, FailureClass, Rendition, RevisionId, SourceUrl, State
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line
from shared.volume import Draft, Locked, Revision, RevisionGone, Superseded

SECOND_TRY_AFTER_S = 0.5
_log = structlog.get_logger()


async def fetch_picture(job: FetchPicture, delivery: Delivery, deps: Deps) -> None:
    """Raise Retry when somebody else is at it, or when the queue shall try again."""
    add_to_line(picture=job.source_url.picture, rendition=str(job.rendition))
    deps.on_step(FetchStep.TAKEN)
    if await _is_there(job, delivery, deps):
        return
    revision = await deps.pictures.current(job.source_url.picture)
    if revision:
        await _render_only(job, revision, delivery, deps)
    else:
        await _fetch(job, delivery, deps)


async def _is_there(job: FetchPicture, delivery: Delivery, deps: Deps) -> bool:
    """Somebody was faster, or we were, before we died: what is left is to say so."""
    if not await deps.pictures.find(job.source_url.picture, (job.rendition,)):
        return False
    revision = await deps.pictures.current(job.source_url.picture)
    if revision is None:
        return False
    add_to_line(outcome="was there")
    await _point_name(job, deps)
    await deps.announcements.stored(revision.picture, revision.id, (job.rendition,))
    if delivery.envelope.redelivered:
        await _record_and_queue_rest(job, revision, deps)
    return True


async def _render_only(job: FetchPicture, revision: Revision, delivery: Delivery, deps: Deps) -> None:
    """The original is there: no lock, for a rendition is only ever added, whole."""
    try:
        await check_remembered(job.source_url, job.rendition, delivery, deps, stored=True)
        await make(revision, (job.rendition,), delivery, deps)
    except PictureError as error:
        await end_in_failure(error, job.source_url, job.rendition, delivery, deps, key=str(job.rendition))
        return
    add_to_line(outcome="rendered")
    await _point_name(job, deps)
    await deps.announcements.stored(revision.picture, revision.id, (job.rendition,))
    await _record_and_queue_rest(job, revision, deps)


async def _fetch(job: FetchPicture, delivery: Delivery, deps: Deps) -> None:
    picture = job.source_url.picture
    try:
        async with deps.pictures.lock(picture, insist=out_of_patience(delivery, deps)):
            deps.on_step(FetchStep.LOCKED)
            if await _is_there(job, delivery, deps):
                return
            meanwhile = await deps.pictures.current(picture)
            if meanwhile is None:
                await check_remembered(job.source_url, job.rendition, delivery, deps, stored=False)
                revision = await _download_and_commit(job, delivery, deps)
                await _point_name(job, deps)
        deps.on_step(FetchStep.UNLOCKED)
    except PictureError as error:
        await end_in_failure(error, job.source_url, None, delivery, deps, key=DOWNLOAD)
        return
    except (Locked, Superseded, RevisionGone) as error:
        raise Retry(Delay.ONE_SECOND, str(error), counted=False) from error
    if meanwhile:
        await _render_only(job, meanwhile, delivery, deps)
        return
    add_to_line(outcome="fetched", bytes=revision.manifest.original.bytes)
    await deps.announcements.stored(picture, revision.id, (job.rendition,))
    deps.on_step(FetchStep.ANNOUNCED)
    await _record_and_queue_rest(job, revision, deps)


def out_of_patience(delivery: Delivery, deps: Deps) -> bool:
    """Whoever holds the lock for so long is suspended: go on without, for the commit compares and swaps."""
    since = delivery.envelope.deferred_since
    impatient = since is not None and deps.now() - since > deps.settings.lock_patience
    if impatient:
        _log.warning("going on without the lock", deferred_since=str(since))
    return impatient


async def _download_and_commit(job: FetchPicture, delivery: Delivery, deps: Deps) -> Revision:
    renditions = () if job.rendition == ORIGINAL else (job.rendition,)
    async with deps.pictures.draft() as draft:
        downloaded = await _download(job, draft, delivery, deps)
        deps.on_step(FetchStep.DOWNLOADED)
        return await commit_downloaded(
            job.source_url, downloaded, renditions, delivery, deps, draft=draft, expected=None
        )


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
    state = await deps.pictures.state(source.picture)
    await check_starts(source.picture, state, delivery, deps)
    draft.finished(downloaded.path)
    order = order_for(downloaded.path, draft, renditions, deps)
    rendered = await deps.sandbox.render(order, urgent=delivery.urgent)
    deps.on_step(FetchStep.RENDERED)
    manifest = manifest_of(source, downloaded.bytes, rendered, deps.now())
    downloaded.path.rename(draft.directory / manifest.original.file_name)
    new_state = State(
        revision=downloaded.revision,
        checked_at=deps.now(),
        fresh_until=downloaded.freshness.fresh_until,
        validators=downloaded.freshness.validators,
    )
    revision = await deps.pictures.commit(
        source.picture, downloaded.revision, draft, manifest, new_state, expected=expected
    )
    deps.on_step(FetchStep.COMMITTED)
    return revision


async def _download(job: FetchPicture, draft: Draft, delivery: Delivery, deps: Deps) -> Downloaded:
    """One more try in place where somebody waits and the source only hiccuped."""
    await _check_room(deps)
    into = draft.directory / "download"
    try:
        got = await deps.downloader.get(job.source_url, into, authorised_host=job.authorised_host)
    except PictureError as error:
        if not delivery.urgent or error.failure_class is not FailureClass.UPSTREAM:
            raise
        await deps.sleep(SECOND_TRY_AFTER_S)
        got = await deps.downloader.get(job.source_url, into, authorised_host=job.authorised_host)
    if isinstance(got, NotModified):
        raise PictureError(
            FailureClass.UPSTREAM, "The source answered 304 to an unconditional request.", status=304
        )
    return got


async def _check_room(deps: Deps) -> None:
    if await deps.pictures.free_bytes() < deps.settings.free_floor_bytes:
        raise PictureError(
            FailureClass.OURS,
            "The disk is nearly full: nothing new is downloaded.",
            retry_after=timedelta(seconds=30),
        )


async def _point_name(job: FetchPicture, deps: Deps) -> None:
    if job.name:
        await deps.names.point(job.name, job.source_url.picture)
    deps.on_step(FetchStep.NAME_POINTED)


async def _record_and_queue_rest(job: FetchPicture, revision: Revision, deps: Deps) -> None:
    await deps.announcements.record(revision.picture, job.source_url, "stored")
    deps.on_step(FetchStep.RECORDED)
    rest = missing_ahead(revision, deps.settings.render)
    if rest:
        await deps.announcements.render_later(job.source_url, rest)
    deps.on_step(FetchStep.REST_QUEUED)
