"""Names: pointed at what is stored, or refused for a time. A pin always wins."""

from services.fetcher.work import Delivery, Deps
from shared.contracts import PointName, RefuseName
from shared.pictures import Name, PictureId
from shared.telemetry import add_to_line


async def point_unless_pinned(name: Name, picture: PictureId, deps: Deps) -> bool:
    """False: another picture is pinned to the name."""
    shown = await deps.names.picture(name)
    if shown and shown != picture and await deps.pins.holds(shown, name):
        add_to_line(pinned=shown)
        return False
    await deps.names.point(name, picture)
    return True


async def point_name(job: PointName, _delivery: Delivery, deps: Deps) -> None:
    """Only at what is stored: a name that shows something is not changed for one that would show nothing."""
    add_to_line(name=str(job.name), picture=job.target)
    revision = await deps.pictures.current(job.target)
    if revision is None:
        add_to_line(outcome="nothing to point at")
    elif not await point_unless_pinned(job.name, job.target, deps):
        add_to_line(outcome="pinned elsewhere")
    else:
        add_to_line(outcome="pointed")
        await deps.announcements.stored(job.target, revision.id, revision.renditions, name=job.name)


async def refuse_name(job: RefuseName, _delivery: Delivery, deps: Deps) -> None:
    """What the name shows by now stays in sight."""
    add_to_line(name=str(job.name), failure_class=job.failure.failure_class, reason=job.failure.reason)
    await deps.names.refuse(job.name, job.failure)
    add_to_line(outcome="refused")
    await deps.announcements.refused(job.name, job.failure)
