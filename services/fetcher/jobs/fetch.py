"""Fetching: the flow of a miss, from the job to the announcement.

Safe to do twice, and safe to die in at any line: nothing is in sight before it is whole, and the job is
acknowledged only after all of it is durable.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

from services.fetcher.admission import Seat
from services.fetcher.download.downloader import Downloaded, NotModified
from services.fetcher.download.host_breaker import Asker
from services.fetcher.errors import NotDialled, PictureError
from services.fetcher.jobs.committing import commit_original, out_of_patience, point_unless_pinned
from services.fetcher.jobs.failures import check_remembered, end_in_failure
from services.fetcher.jobs.making import made_ahead, make, missing_ahead, original_of
from services.fetcher.steps import FetchStep
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import FetchPicture
from shared.pictures import DOWNLOAD, ORIGINAL, FailureClass, Name, PictureId, Rendition, Source, Upload
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line, part_of_trace
from shared.volume import NOTHING, Draft, Locked, Revision, RevisionGone, Superseded, lacking

SECOND_TRY_AFTER_S = 0.5


async def fetch_picture(job: FetchPicture, delivery: JobDelivery, deps: Deps) -> None:
    """Raise Retry when somebody else is at it, or when the queue shall try again."""
    add_to_line(picture=job.source_url.picture, rendition=str(job.rendition))
    if job.name:
        add_to_line(name=str(job.name))
    deps.on_step(FetchStep.TAKEN)
    if await _is_there(job, delivery, deps):
        return
    revision = await deps.pictures.current(job.source_url.picture)
    if revision and await original_of(revision, deps):
        await _render_only(job, revision, delivery, deps)
    else:
        await _fetch(job, delivery, deps)


async def _is_there(job: FetchPicture, delivery: JobDelivery, deps: Deps) -> bool:
    """Somebody was faster, or we were, before we died: what is left is to say so."""
    if not await deps.pictures.find(job.source_url.picture, (job.rendition,)):
        return False
    revision = await deps.pictures.current(job.source_url.picture)
    if revision is None:
        return False
    add_to_line(outcome="was there")
    pointed = await _point_name(job, deps)
    await deps.announcements.stored(revision.picture, revision.id, (job.rendition,), name=pointed)
    if delivery.came_before:
        await record_and_queue_rest(job.source_url, revision, delivery, deps)
    return True


async def _render_only(job: FetchPicture, revision: Revision, delivery: JobDelivery, deps: Deps) -> None:
    """The original is there: no lock, for a rendition is only ever added, whole."""
    try:
        async with deps.renders.hold(f"{job.source_url.picture}/{job.rendition}"):
            if await _is_there(job, delivery, deps):  # made while we waited
                return
            await check_remembered(job.source_url, job.rendition, delivery, deps, stored=True)
            missing = await _missing(job, revision, delivery, deps)
            made = await make(revision, missing, delivery, deps)
    except PictureError as error:
        await _end(error, job, revision, delivery, deps)
        return
    add_to_line(outcome="rendered")
    pointed = await _point_name(job, deps)
    await deps.announcements.stored(made.picture, made.id, missing, name=pointed)
    await record_and_queue_rest(job.source_url, made, delivery, deps)


async def _fetch(job: FetchPicture, delivery: JobDelivery, deps: Deps) -> None:
    picture = job.source_url.picture
    base = made = pointed = None
    try:
        async with deps.pictures.lock(picture, insist=out_of_patience(delivery, deps)):
            deps.on_step(FetchStep.LOCKED)
            if await _is_there(job, delivery, deps):
                return
            base = await deps.pictures.current(picture)
            if base is None or not await original_of(base, deps):
                await check_remembered(job.source_url, job.rendition, delivery, deps, stored=base is not None)
                made = await _download_and_commit(job, base, delivery, deps)
                pointed = await _point_name(job, deps)
        deps.on_step(FetchStep.UNLOCKED)
    except PictureError as error:
        await _end(error, job, base, delivery, deps)
        return
    except (Locked, Superseded, RevisionGone) as error:
        locked = isinstance(error, Locked)
        raise Retry(Delay.ONE_SECOND, str(error), counted=False, locked=locked) from error
    if base and not made:  # somebody else fetched it while we waited for the lock
        await _render_only(job, base, delivery, deps)
    elif made:
        add_to_line(outcome="fetched", bytes=made.manifest.original.bytes)
        await deps.announcements.stored(picture, made.id, _asked(job, delivery, deps), name=pointed)
        deps.on_step(FetchStep.ANNOUNCED)
        await record_and_queue_rest(job.source_url, made, delivery, deps)


async def _end(
    error: PictureError, job: FetchPicture, revision: Revision | None, delivery: JobDelivery, deps: Deps
) -> None:
    """Without a revision nothing can be had; with one, all but this rendition, and the name shows that."""
    key, failed = DOWNLOAD, None
    if revision:
        key, failed = str(job.rendition), job.rendition
        await _point_name(job, deps)
    await end_in_failure(error, job.source_url, failed, delivery, deps, key=key, name=job.name)


def _asked(job: FetchPicture, delivery: JobDelivery, deps: Deps) -> tuple[Rendition, ...]:
    """What the job asks for; where nobody waits, with all that is made ahead, for one decode serves them all.

    What has a name is on a page that is about to ask for it: so that all of the page is there first, the others come behind
    it. A job that was begun before makes its own alone, too, for another one may be what it failed of.
    """
    if delivery.urgent or delivery.began_before or job.name:
        return (job.rendition,)
    return tuple(dict.fromkeys((job.rendition, *made_ahead(deps.settings.render))))


async def _missing(
    job: FetchPicture, revision: Revision, delivery: JobDelivery, deps: Deps
) -> tuple[Rendition, ...]:
    """What of it the revision lacks, without what was just tried in vain."""
    state = await deps.pictures.state(revision.picture)
    return tuple(
        asked
        for asked in _asked(job, delivery, deps)
        if not (revision.holds(asked) or state.blocking(asked, stored=True, now=deps.now()))
        or asked == job.rendition
    )


async def _download_and_commit(
    job: FetchPicture, base: Revision | None, delivery: JobDelivery, deps: Deps
) -> Revision:
    """`base`: there is a revision, whose original was too large to keep."""
    asked = (rendition for rendition in _asked(job, delivery, deps) if rendition != ORIGINAL)
    async with deps.pictures.draft() as draft:
        with part_of_trace("download"):
            downloaded = await _download(job, draft, delivery, deps)
        deps.on_step(FetchStep.DOWNLOADED)
        held = base.renditions if base and base.id != downloaded.revision else ()
        renditions = tuple(dict.fromkeys((*asked, *held)))
        return await commit_original(
            job.source_url,
            downloaded,
            renditions,
            delivery,
            deps,
            draft=draft,
            expected=base.id if base else None,
            shows=job.name,
        )


async def _download(job: FetchPicture, draft: Draft, delivery: JobDelivery, deps: Deps) -> Downloaded:
    """One more try in place where somebody waits and the source only hiccuped."""
    if isinstance(job.source_url, Upload):
        raise PictureError(FailureClass.GONE, "The upload is not stored any more.")
    await check_room(deps)
    into = draft.directory / "download"
    async with delivery.turn.at_host() as seat:
        asker = await asking_for(job.source_url.picture, seat, delivery, deps)
        get = partial(
            deps.downloader.get,
            job.source_url,
            into,
            asker=asker,
            authorised_host=job.authorised_host,
        )
        deps.sandbox.expect_orders()
        try:
            got = await get()
        except PictureError as error:
            if not delivery.urgent or error.failure_class is not FailureClass.UPSTREAM:
                raise
            await deps.sleep(SECOND_TRY_AFTER_S)
            try:
                got = await get(asker=replace(asker, fresh=False))
            except NotDialled:
                raise error from None
    if isinstance(got, NotModified):
        raise PictureError(
            FailureClass.UPSTREAM, "The source answered 304 to an unconditional request.", status=304
        )
    return got


async def asking_for(picture: PictureId, seat: Seat | None, delivery: JobDelivery, deps: Deps) -> Asker:
    """How the breaker of its host is to take it."""
    failed = DOWNLOAD in (await deps.pictures.state(picture)).failures
    return Asker(urgent=delivery.urgent, fresh=not failed and delivery.envelope.attempt == 1, seat=seat)


async def check_room(deps: Deps) -> None:
    """Raise PictureError where the disk is fuller than it may be: before downloading, not after."""
    if lacking(await deps.pictures.space(), deps.settings.room.floor) != NOTHING:
        raise PictureError(
            FailureClass.OURS,
            "The disk is nearly full: nothing new is downloaded.",
            retry_after=timedelta(seconds=30),
        )


async def _point_name(job: FetchPicture, deps: Deps) -> Name | None:
    """The name, where it points at the picture by now."""
    pointed = job.name and await point_unless_pinned(job.name, job.source_url.picture, deps)
    deps.on_step(FetchStep.NAME_POINTED)
    return job.name if pointed else None


async def record_and_queue_rest(
    source: Source, revision: Revision, delivery: JobDelivery, deps: Deps
) -> None:
    """Both at once: the queue makes them durable together. While others are waited for, the rest would only be taken in hand to
    step aside, and comes behind them instead.
    """
    recording = deps.announcements.record(revision.picture, source, "stored")
    rest = missing_ahead(revision, deps.settings.render)
    if rest:
        behind = deps.now() if delivery.others_are_waited_for() else None
        await asyncio.gather(recording, deps.announcements.render_later(source, rest, deferred_since=behind))
    else:
        await recording
    deps.on_step(FetchStep.RECORDED)
    deps.on_step(FetchStep.REST_QUEUED)
