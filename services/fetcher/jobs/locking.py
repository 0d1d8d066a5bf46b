"""Locking a picture for a job, and how long a job puts up with somebody else who has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.fetcher.work import Delivery, Deps
from shared.pictures import PictureId
from shared.queue import Delay, Retry
from shared.volume import Locked

_log = structlog.get_logger()


@asynccontextmanager
async def locked(picture: PictureId, delivery: Delivery, deps: Deps) -> AsyncIterator[None]:
    """Raise Retry while somebody else works on the picture."""
    try:
        async with deps.pictures.lock(picture, insist=out_of_patience(delivery, deps)):
            yield
    except Locked as error:
        raise Retry(Delay.ONE_SECOND, str(error), counted=False) from error


def out_of_patience(delivery: Delivery, deps: Deps) -> bool:
    """Whoever holds the lock for so long is suspended: go on without, for the commit compares and swaps."""
    since = delivery.envelope.deferred_since
    impatient = since is not None and deps.now() - since > deps.settings.lock_patience
    if impatient:
        _log.warning("going on without the lock", deferred_since=str(since))
    return impatient
