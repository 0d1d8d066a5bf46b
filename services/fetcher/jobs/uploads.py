"""Uploads: bytes that an operator sent, from the inbox into `keep`, and pinned to a name."""

import asyncio
import hashlib
from http import HTTPStatus
from pathlib import Path

from services.fetcher.errors import PictureError
from services.fetcher.jobs.committing import Uploaded, commit_original
from services.fetcher.jobs.failures import end_in_failure
from services.fetcher.jobs.fetch import check_room, record_and_queue_rest
from services.fetcher.jobs.locking import locked
from services.fetcher.jobs.pinning import pin_to
from services.fetcher.steps import FetchStep
from services.fetcher.work import Delivery, Deps
from shared.contracts import StoreUpload
from shared.pictures import DOWNLOAD, FailureClass, Upload, revision_id
from shared.telemetry import add_to_line
from shared.volume import Revision


async def store_upload(job: StoreUpload, delivery: Delivery, deps: Deps) -> None:
    """There already is as good as stored: so doing it twice is, and sending the same bytes twice.

    Whoever sent it hears the end, and can send it again: what is left in the inbox then is of no use.
    """
    upload = Upload(job.sha256)
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


async def _stored(job: StoreUpload, upload: Upload, delivery: Delivery, deps: Deps) -> Revision:
    async with locked(upload.picture, delivery, deps):
        deps.on_step(FetchStep.LOCKED)
        stored = await deps.pictures.current(upload.picture)
        add_to_line(outcome="was there" if stored else "stored")
        return stored or await _commit(job, upload, delivery, deps)


async def _commit(job: StoreUpload, upload: Upload, delivery: Delivery, deps: Deps) -> Revision:
    await check_room(deps)
    async with deps.pictures.draft() as draft:
        file = draft.directory / "upload"
        if not await deps.inbox.copy(job.inbox, file):
            raise PictureError(FailureClass.GONE, "The upload is not there any more.")
        await asyncio.to_thread(_check, file, upload, deps.settings.render.max_kept_bytes)
        original = Uploaded(file, revision_id(upload.sha256))
        return await commit_original(upload, original, (), delivery, deps, draft=draft, expected=None)


def _check(file: Path, upload: Upload, max_bytes: int) -> None:
    if file.stat().st_size > max_bytes:
        raise PictureError(
            FailureClass.UNSOUND,
            f"The upload has more than {max_bytes} bytes.",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    with file.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != upload.sha256:
            raise PictureError(FailureClass.UNSOUND, "The upload is not what was announced.")


async def _tell(job: StoreUpload, upload: Upload, revision: Revision, delivery: Delivery, deps: Deps) -> None:
    if job.name:
        await pin_to(job.name, upload.picture, delivery, deps)
    else:
        await deps.announcements.stored(upload.picture, revision.id, revision.renditions)
    await record_and_queue_rest(upload, revision, deps)
