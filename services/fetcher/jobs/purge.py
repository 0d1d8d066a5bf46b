"""Purging: the picture, all its revisions and what is remembered of it go out of sight at once."""

from services.fetcher.jobs.fetch import out_of_patience
from services.fetcher.work import Delivery, Deps
from shared.contracts import PurgePicture
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line
from shared.volume import Locked


async def purge_picture(job: PurgePicture, delivery: Delivery, deps: Deps) -> None:
    """Raise Retry while somebody else works on the picture."""
    add_to_line(picture=job.picture)
    try:
        async with deps.pictures.lock(job.picture, insist=out_of_patience(delivery, deps)):
            removed = await deps.pictures.remove(job.picture)
    except Locked as error:
        raise Retry(Delay.ONE_SECOND, str(error), counted=False) from error
    add_to_line(outcome="purged" if removed else "was not there")
    await deps.announcements.purged(job.picture)
    await deps.announcements.record(job.picture, None, "removed")
