"""Pinning: a picture that is kept for a name, and shown by it whatever anybody finds for it."""

from services.fetcher.jobs.fetch import fetch_picture
from services.fetcher.jobs.locking import locked
from services.fetcher.steps import FetchStep
from services.fetcher.work import Delivery, Deps
from shared.contracts import FetchPicture, PinPicture, UnpinPicture
from shared.pictures import ORIGINAL, Name, PictureId
from shared.telemetry import add_to_line


async def pin_picture(job: PinPicture, delivery: Delivery, deps: Deps) -> None:
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


async def pin_to(name: Name, picture: PictureId, delivery: Delivery, deps: Deps) -> bool:
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


async def unpin_picture(job: UnpinPicture, delivery: Delivery, deps: Deps) -> None:
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
