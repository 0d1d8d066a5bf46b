"""Jobs that keep what somebody has for good: pins and uploads."""

import asyncio
import hashlib
from http import HTTPStatus
from pathlib import Path

from services.fetcher.errors import PictureError
from services.fetcher.jobs.committing import Uploaded, commit_original, locked
from services.fetcher.jobs.failures import end_in_failure
from services.fetcher.jobs.fetch import check_room, fetch_picture, record_and_queue_rest
from services.fetcher.steps import FetchStep
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import FetchPicture, PinPicture, StoreUpload, UnpinPicture
from shared.pictures import DOWNLOAD, ORIGINAL, FailureClass, Name, PictureId, Upload, revision_id
from shared.telemetry import add_to_line
from shared.volume import Draft, Revision


async def pin_picture(job: PinPicture, delivery: JobDelivery, deps: Deps) -> None:
    """Fetch the picture first where it is not stored; where that fails, the name shows what it showed."""
    picture = job.source_url.picture
    add_to_line(name=str(job.name), picture=picture)
    if not await deps.pictures.current(picture):
        fetch = FetchPicture(
            source_url=job.source_url, rendition=ORIGINAL, authorised_host=job.authorised_host
        )
        await fetch_picture(fetch, delivery, deps)
    if await pin_to(job.name, picture, delivery, deps):
        add_to_line(outcome="pinned")
        await deps.announcements.record(picture, job.source_url, "stored")


async def pin_to(name: Name, picture: PictureId, delivery: JobDelivery, deps: Deps) -> bool:
    """Pin a stored picture, say so, and let go of what was pinned to the name before. False: it is not stored.

    The new one first, and each under its own lock alone: killed in between, all of it is done again.
    """
    async with locked(picture, delivery, deps):
        if not await deps.pins.pin(picture, name):
            return False
    shown = await deps.names.picture(name)
    if shown and shown != picture:
        async with locked(shown, delivery, deps):
            await deps.pins.unpin(shown, name)
    await deps.names.point(name, picture)
    deps.on_step(FetchStep.NAME_POINTED)
    if revision := await deps.pictures.current(picture):
        await deps.announcements.stored(picture, revision.id, revision.renditions, name=name)
    deps.on_step(FetchStep.ANNOUNCED)
    return True


async def unpin_picture(job: UnpinPicture, delivery: JobDelivery, deps: Deps) -> None:
    add_to_line(name=str(job.name))
    picture = await deps.names.picture(job.name)
    if picture is None:
        add_to_line(outcome="was not pinned")
        return
    add_to_line(picture=picture)
    async with locked(picture, delivery, deps):
        unpinned = await deps.pins.unpin(picture, job.name)
    await deps.names.point(job.name, picture)  # in the tree where it lies by now
    deps.on_step(FetchStep.NAME_POINTED)
    add_to_line(outcome="unpinned" if unpinned else "was not pinned")
    await deps.announcements.record(picture, None, "checked")


async def store_upload(job: StoreUpload, delivery: JobDelivery, deps: Deps) -> None:
    """There already is as good as stored: so doing it twice is, and sending the same bytes twice.

    Whoever sent it hears the end, and can send it again: what is left in the inbox then is of no use.
    """
    upload = job.upload
    add_to_line(picture=upload.picture)
    if job.name:
        add_to_line(name=str(job.name))
    deps.on_step(FetchStep.TAKEN)
    try:
        revision = await _stored(job, upload, delivery, deps)
    except PictureError as error:
        await end_in_failure(error, upload, None, delivery, deps, key=DOWNLOAD)
    else:
        deps.on_step(FetchStep.UNLOCKED)
        await _tell(job, upload, revision, delivery, deps)
    await deps.inbox.remove(job.inbox)


async def _stored(job: StoreUpload, upload: Upload, delivery: JobDelivery, deps: Deps) -> Revision:
    async with locked(upload.picture, delivery, deps):
        deps.on_step(FetchStep.LOCKED)
        stored = await deps.pictures.current(upload.picture)
        add_to_line(outcome="was there" if stored else "stored")
        return stored or await _commit(job, upload, delivery, deps)


async def _commit(job: StoreUpload, upload: Upload, delivery: JobDelivery, deps: Deps) -> Revision:
    await check_room(deps)
    async with deps.pictures.draft() as draft:
        file = await _taken(job, draft, deps)
        original = Uploaded(file, revision_id(upload.sha256))
        return await commit_original(
            upload,
            original,
            (),
            delivery,
            deps,
            draft=draft,
            expected=None,
            kept_as=job.kept_as,
            shows=job.name,
        )


async def _taken(job: StoreUpload, draft: Draft, deps: Deps) -> Path:
    """What lies in the inbox, in the draft. Raise PictureError for what is not there, or not what was announced."""
    file = draft.directory / "upload"
    if not await deps.inbox.copy(job.inbox, file):
        raise PictureError(FailureClass.GONE, "The upload is not there any more.")
    await asyncio.to_thread(check_sent, file, job.sha256, max_bytes=deps.settings.render.max_kept_bytes)
    return file


def check_sent(file: Path, sha256: str, *, max_bytes: int) -> None:
    """Raise PictureError for what is too large, or not what was announced."""
    if file.stat().st_size > max_bytes:
        raise PictureError(
            FailureClass.UNSOUND,
            f"The upload has more than {max_bytes} bytes.",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    with file.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
            raise PictureError(FailureClass.UNSOUND, "The upload is not what was announced.")


async def _tell(
    job: StoreUpload, upload: Upload, revision: Revision, delivery: JobDelivery, deps: Deps
) -> None:
    for name in filter(None, (job.also, job.name)):
        await pin_to(name, upload.picture, delivery, deps)
    if not job.name:
        await deps.announcements.stored(upload.picture, revision.id, revision.renditions)
    await record_and_queue_rest(upload, revision, delivery, deps)
