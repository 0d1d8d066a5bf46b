"""The steps in the order in which a job passes them, and where on the way what becomes true."""

from services.fetcher.steps import FetchStep
from shared.volume.local.commit import CommitStep
from tests.servers.stopping_fetcher import Step

OF_A_MISS: tuple[Step, ...] = (
    FetchStep.TAKEN,
    FetchStep.LOCKED,
    FetchStep.CONNECTED,
    FetchStep.DOWNLOADED,
    FetchStep.RENDERED,
    *CommitStep,
    FetchStep.COMMITTED,
    FetchStep.NAME_POINTED,
    FetchStep.UNLOCKED,
    FetchStep.ANNOUNCED,
    FetchStep.RECORDED,
    FetchStep.REST_QUEUED,
)

OF_A_REFRESH: tuple[Step, ...] = tuple(
    step for step in OF_A_MISS if step not in (FetchStep.TAKEN, FetchStep.NAME_POINTED, FetchStep.REST_QUEUED)
)


def is_in_sight(step: Step) -> bool:
    """Whether readers see what the job has made, once it is past this step."""
    return OF_A_MISS.index(step) >= OF_A_MISS.index(CommitStep.POINTER_SWITCHED)
