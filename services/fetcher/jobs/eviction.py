"""Evicting: pictures that nobody has asked for lately make room for others."""

from services.fetcher.work import Delivery, Deps
from shared.contracts import Evictable, EvictPictures
from shared.telemetry import add_to_line
from shared.volume import Locked


async def evict_pictures(job: EvictPictures, _delivery: Delivery, deps: Deps) -> None:
    """One after the other, so that hits go on. What somebody works on, or has fetched again, stays."""
    evicted = [chosen.picture for chosen in job.pictures if await _evict(chosen, deps)]
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
