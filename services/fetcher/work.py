"""What a job works with: the delivery it came in, and everything the fetcher is made of."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from services.fetcher.announcements import Announcements
from services.fetcher.download.downloader import Downloader
from services.fetcher.rendering.sandbox import Sandbox
from services.fetcher.settings import FetcherSettings
from services.fetcher.shares import Admitted
from shared.contracts import Envelope
from shared.locks import KeyedLock
from shared.telemetry import Metrics, utc_now
from shared.volume import Inbox, Mending, NameStore, OnStep, PictureStore, Pins, unwatched


@dataclass(frozen=True, slots=True)
class JobDelivery:
    """How a job came to us."""

    envelope: Envelope
    urgent: bool
    """Somebody is waiting: the lane `now`."""
    turn: Admitted
    others_are_waited_for: Callable[[], bool] = lambda: False
    """Somebody waits, at this moment, for another job than this."""

    @property
    def came_before(self) -> bool:
        """Somebody has had this job before, and may have died or been stopped at any line of it."""
        return self.began_before or self.envelope.deferred_since is not None

    @property
    def began_before(self) -> bool:
        """Somebody has had it, and did not merely wait for a lock or a host."""
        return self.envelope.redelivered or self.envelope.attempt > 1

    @property
    def is_retry(self) -> bool:
        """The queue brought a `later` job back: it is the retry that the remembered failure speaks of."""
        return not self.urgent and (self.envelope.attempt > 1 or self.envelope.deferred_since is not None)


@dataclass(frozen=True, slots=True)
class Deps:
    pictures: PictureStore
    names: NameStore
    pins: Pins
    inbox: Inbox
    mending: Mending
    downloader: Downloader
    sandbox: Sandbox
    announcements: Announcements
    settings: FetcherSettings
    metrics: Metrics
    renders: KeyedLock = field(default_factory=KeyedLock)
    """Jobs that make the same, ahead or on demand, wait for one another: the second finds the work done."""
    on_step: OnStep = unwatched
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
