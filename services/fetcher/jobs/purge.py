"""Purging: the picture, all its revisions and what is remembered of it go out of sight at once."""

from services.fetcher.jobs.locking import locked
from services.fetcher.work import Delivery, Deps
from shared.contracts import PurgePicture
from shared.telemetry import add_to_line


async def purge_picture(job: PurgePicture, delivery: Delivery, deps: Deps) -> None:
    """Raise Retry while somebody else works on the picture."""
    add_to_line(picture=job.picture)
    async with locked(job.picture, delivery, deps):
        removed = await deps.pictures.remove(job.picture)
    add_to_line(outcome="purged" if removed else "was not there")
    await deps.announcements.purged(job.picture)
    await deps.announcements.record(job.picture, None, "removed")
