"""What the studio is asked for: kinds, states, prices, and a job as everybody sees it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

MILLION = 1_000_000
"""Amounts are whole millionths of a US dollar."""


class StudioKind(StrEnum):
    GENERATE = "generate"
    VIDEO = "video"
    EDIT = "edit"
    TITLE = "title"
    LENS = "lens"
    IMAGES = "images"


class StudioState(StrEnum):
    """waiting: nothing was sent. sending: the paid request is, or may be, on its way. running: the service works on it, under
    an id that we know. storing: it is made, and is being fetched or stored. Of those that have ended, `perhaps_paid` waits for
    a person's word, and `unfetched` was paid and can be fetched again.
    """

    WAITING = "waiting"
    SENDING = "sending"
    RUNNING = "running"
    STORING = "storing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PERHAPS_PAID = "perhaps_paid"
    UNFETCHED = "unfetched"

    @property
    def ended(self) -> bool:
        return self not in UNDER_WAY

    @property
    def is_over(self) -> bool:
        """Whether the same may be asked for anew."""
        return self in (StudioState.FAILED, StudioState.CANCELLED)


UNDER_WAY = (StudioState.WAITING, StudioState.SENDING, StudioState.RUNNING, StudioState.STORING)
STEPS = len(UNDER_WAY)
"""That a job makes from being asked for to its end."""

PRICES: Mapping[StudioKind, int] = {
    StudioKind.GENERATE: 3_000,
    StudioKind.VIDEO: 710_000,
    StudioKind.EDIT: 40_000,
    StudioKind.TITLE: 6_000,
    StudioKind.LENS: 15_000,
    StudioKind.IMAGES: 15_000,
}
"""What one costs with the models and plans that are the default, as of November 2026."""


def prices_in(text: str) -> dict[StudioKind, int]:
    """`generate:0.003 video:0.71`, in US dollars, over the table's. Raise ValueError for anything else."""
    prices = dict(PRICES)
    for word in text.replace(",", " ").split():
        kind, _, price = word.partition(":")
        try:
            amount = Decimal(price)
            prices[StudioKind(kind)] = round(amount * MILLION)
        except (ValueError, InvalidOperation, OverflowError):
            raise ValueError(f"a price is written as generate:0.003, and not {word!r}") from None
        if not amount.is_finite() or not 0 <= amount <= MILLION:
            raise ValueError(f"a price is 0 or more, and not {price}")
    return prices


@dataclass(frozen=True, slots=True)
class WantedJob:
    """What somebody asks for. `arguments` are what JSON can hold; `picture` is what is sent with them.

    `settings`: of the service, as far as another result would come of others.
    """

    kind: StudioKind
    service: str
    arguments: Mapping[str, object]
    price: int
    picture: bytes | None = None
    asked_by: str | None = None
    looked_at: int = 1
    settings: str = ""

    @property
    def fingerprint(self) -> str:
        """The same prompt, picture and settings are one job."""
        arguments = {name: value for name, value in self.arguments.items() if name not in _NO_PART}
        said = json.dumps([self.kind, self.service, self.settings, arguments], sort_keys=True)
        picture = hashlib.sha256(self.picture).hexdigest() if self.picture is not None else ""
        return hashlib.sha256(f"{said}\0{picture}".encode()).hexdigest()


_NO_PART = frozenset({"sent_url"})
"""Of what is asked for: a signed URL is another one each time."""


@dataclass(frozen=True, slots=True)
class StudioJob:
    """`looked_at`: how often it was asked for. `price`: in millionths of a dollar. `reason`: a sentence, of what has ended badly."""

    id: str
    kind: StudioKind
    service: str
    fingerprint: str
    arguments: Mapping[str, object]
    state: StudioState
    looked_at: int
    asked_by: str | None
    price: int
    created_at: datetime
    not_before: datetime | None
    sent_at: datetime | None
    provider_id: str | None
    result_url: str | None
    result: Mapping[str, object] | None
    reason: str | None
    cancelling: bool
    claimed_by: str | None
    heartbeat_at: datetime | None
    finished_at: datetime | None

    @property
    def done(self) -> int:
        """Of `STEPS`."""
        return UNDER_WAY.index(self.state) if self.state in UNDER_WAY else STEPS

    def said(self, name: str) -> str:
        """A text among its arguments; empty where there is none."""
        value = self.arguments.get(name)
        return value if isinstance(value, str) else ""


class BudgetReached(Exception):
    """What may be spent in a day is spent, or promised. `of_user`: by this user; else by all."""

    def __init__(self, until: datetime, *, of_user: bool) -> None:
        self.until = until
        self.of_user = of_user
        whose = "What you may spend" if of_user else "What the studio may spend"
        setting = "STUDIO_USER_BUDGET" if of_user else "STUDIO_BUDGET"
        super().__init__(f"{whose} today is spent ({setting}). It begins anew at {until:%Y-%m-%d %H:%M} UTC.")


class StudioFull(Exception):
    """Too many wait already."""


class JobLost(Exception):
    """Somebody else has the job by now, or it has ended: whoever worked on it leaves it alone."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Of a day, which is UTC's, in millionths of a dollar."""

    all: int
    user: int


def day_of(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def day_ends(now: datetime) -> datetime:
    return day_of(now) + timedelta(days=1)
