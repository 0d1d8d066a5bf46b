"""Jobs that remove pictures: evicted for room, or purged."""

import time

from services.fetcher.jobs.committing import locked
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import Evictable, EvictPictures, PurgePicture
from shared.pictures import PictureId
from shared.telemetry import add_to_line
from shared.volume import Locked

REST = 0.25
"""In times of how long one took: four hundred pictures or so go in a second, and hits hardly notice."""


async def evict_pictures(job: EvictPictures, _delivery: JobDelivery, deps: Deps) -> None:
    """One after the other, with a rest after each, so that hits go on. What somebody works on, or has fetched again,
    stays.
    """
    evicted: list[PictureId] = []
    for chosen in job.pictures:
        began = time.monotonic()
        if await _evict(chosen, deps):
            evicted.append(chosen.picture)
        await deps.sleep((time.monotonic() - began) * REST)
    add_to_line(pictures=len(job.pictures), evicted=len(evicted), outcome="evicted")
    if evicted:
        await deps.announcements.evicted(evicted)
    # Also of those that stayed: whoever chose them takes them to be gone.
    await deps.announcements.record_all([chosen.picture for chosen in job.pictures])


async def _evict(chosen: Evictable, deps: Deps) -> bool:
    try:
        async with deps.pictures.lock(chosen.picture):
            return await deps.pictures.evict(chosen.picture, chosen.revision, chosen.fetched_at)
    except Locked:
        return False


async def purge_picture(job: PurgePicture, delivery: JobDelivery, deps: Deps) -> None:
    """Raise Retry while somebody else works on the picture."""
    add_to_line(picture=job.picture)
    async with locked(job.picture, delivery, deps):
        removed = await deps.pictures.remove(job.picture)
    add_to_line(outcome="purged" if removed else "was not there")
    await deps.announcements.purged(job.picture)
    await deps.announcements.record(job.picture, None, "removed")
