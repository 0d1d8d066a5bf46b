"""Endpoints of the queue: its lanes, and what failed for good."""

from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.keeper import dead_letters
from services.enricher.keeper.dead_letters.redriving import KIND
from services.enricher.keeper.lanes import LaneWatch
from services.enricher.tasks.tasks import Tasks
from shared.contracts import FailedAttempt
from shared.http import Problem
from shared.pictures import FailureClass
from shared.queue import Lane, LaneMeasure

_NAMED = 20


class FilterParameters(Parameters):
    model_config = ConfigDict(frozen=True, populate_by_name=True)

    lane: Lane | None = Field(None, description="Where the job was")
    failure_class: FailureClass | None = Field(None, alias="class", description="What it failed of")

    @property
    def chosen(self) -> dead_letters.LetterFilter:
        return dead_letters.LetterFilter(lane=self.lane and self.lane.value, failure_class=self.failure_class)


class DeadParameters(FilterParameters):
    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=10_000_000)


class AllParameters(FilterParameters):
    dry_run: bool = Field(default=False, description="Only say which")


class LetterParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class ShownLetter(BaseModel):
    """A job that failed for good. `about`: the name, source URL or picture that it was about."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    lane: str
    type: str | None = Field(description="Of the job; absent where it cannot be read")
    failure_class: str | None
    reason: str
    about: str | None
    trace_id: str
    died_at: AwareDatetime
    deaths: int = Field(description="How often it was sent again and died again, and the first time")


class WholeLetter(ShownLetter):
    history: tuple[FailedAttempt, ...] = Field(description="Its attempts, the last one included")
    body: str = Field(description="The message as it was")


class DeadLetters(BaseModel):
    model_config = ConfigDict(frozen=True)

    letters: tuple[ShownLetter, ...]
    total: int
    by_lane: Mapping[str, int]
    by_class: Mapping[str, int]

    @classmethod
    def of(cls, letters: Sequence[dead_letters.Letter], counts: Mapping[tuple[str, str | None], int]) -> Self:
        by_lane, by_class = Counter[str](), Counter[str]()
        for (lane, failure_class), count in counts.items():
            by_lane[lane] += count
            by_class[failure_class or "unknown"] += count
        shown = tuple(map(ShownLetter.model_validate, letters))
        return cls(letters=shown, total=by_lane.total(), by_lane=by_lane, by_class=by_class)


class Dropped(BaseModel):
    """How many were dropped, or with `dry_run` would be, and the latest of them."""

    model_config = ConfigDict(frozen=True)

    dropped: int
    dry_run: bool
    letters: tuple[ShownLetter, ...]


def dead_letter_endpoints(dead: dead_letters.OpenDeadLetters, tasks: Tasks) -> list[Endpoint]:
    table, redriving = dead.table, dead.redriving

    async def listed(asked: DeadParameters) -> DeadLetters:
        """What failed for good, the latest first."""
        counts = await table.counts(asked.chosen)
        letters = await table.list(asked.chosen, limit=asked.limit, offset=asked.offset)
        return DeadLetters.of(letters, counts)

    async def one(asked: LetterParameters) -> WholeLetter:
        """A dead letter with its history and the message itself."""
        return WholeLetter.model_validate(_known(await table.of_id(asked.id)))

    async def redrive(asked: LetterParameters) -> ShownLetter:
        """Send the job again, as if it had never been tried. The letter is gone then."""
        _known(await table.of_id(asked.id))
        try:
            return ShownLetter.model_validate(await redriving.one(asked.id))
        except dead_letters.LetterTaken:
            raise Problem(HTTPStatus.CONFLICT, "It is being sent again just now.") from None
        except dead_letters.NotReadable:
            raise Problem(
                HTTPStatus.CONFLICT, "Its message cannot be read: it can only be dropped."
            ) from None

    async def redrive_all(asked: AllParameters) -> ShownTask:
        """Send all jobs of a lane and class again, as if they had never been tried: a task. With `dry_run` it only says
        which.
        """
        chosen = asked.chosen
        arguments = {"lane": chosen.lane, "failure_class": chosen.failure_class, "dry_run": asked.dry_run}
        return await started(tasks, KIND, arguments)

    async def drop(asked: LetterParameters) -> None:
        """Drop a dead letter."""
        if not await table.drop(asked.id):
            _known(None)

    async def drop_all(asked: AllParameters) -> Dropped:
        """Drop all dead letters of a lane and class. With `dry_run`: only say how many, and which."""
        letters = await table.list(asked.chosen, limit=_NAMED, offset=0)
        there = sum((await table.counts(asked.chosen)).values())
        dropped = there if asked.dry_run else await table.drop_all(asked.chosen)
        shown = tuple(map(ShownLetter.model_validate, letters))
        return Dropped(dropped=dropped, dry_run=asked.dry_run, letters=shown)

    path, admin = "/api/v1/admin/dead", Access.ADMIN
    one_of_them = f"{path}/{{id:[0-9]+}}"
    return [
        Endpoint("GET", path, listed, DeadLetters, DeadParameters, access=admin),
        Endpoint("DELETE", path, drop_all, Dropped, AllParameters, access=admin),
        Endpoint(
            "POST",
            f"{path}/redrive",
            redrive_all,
            ShownTask,
            AllParameters,
            access=admin,
            status=HTTPStatus.ACCEPTED,
        ),
        Endpoint("GET", one_of_them, one, WholeLetter, LetterParameters, access=admin),
        Endpoint("DELETE", one_of_them, drop, parameters=LetterParameters, access=admin),
        Endpoint("POST", f"{one_of_them}/redrive", redrive, ShownLetter, LetterParameters, access=admin),
    ]


def _known(letter: dead_letters.Letter | None) -> dead_letters.Letter:
    if letter is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such dead letter.")
    return letter


class ShownLane(BaseModel):
    """One lane. What is absent, nobody can tell: exact numbers of RabbitMQ need `QUEUE_MANAGEMENT_URL`."""

    model_config = ConfigDict(frozen=True)

    lane: str
    waiting: int = Field(description="Messages that wait, without those that are put off")
    in_hand: int | None = Field(description="Taken, and not done yet")
    consumers: int | None
    oldest_s: float | None = Field(
        description="How long the first that waits has waited. With RabbitMQ: as far as it was seen, within some seconds"
    )
    published_per_s: float | None
    done_per_s: float | None
    others_old_s: float = Field(
        description="How old `in_hand` and the rates may be; `waiting` and `consumers` are of this moment"
    )
    exact: bool = Field(description="All of it is as the queue itself counts, at this moment")

    @classmethod
    def of(cls, lane: Lane, measure: LaneMeasure) -> "ShownLane":
        return cls(
            lane=lane.value,
            waiting=measure.waiting,
            in_hand=measure.in_hand,
            consumers=measure.consumers,
            oldest_s=measure.oldest_s,
            published_per_s=measure.published_per_s,
            done_per_s=measure.done_per_s,
            others_old_s=measure.others_old_s,
            exact=measure.exact,
        )


class Queues(BaseModel):
    model_config = ConfigDict(frozen=True)

    lanes: tuple[ShownLane, ...]
    put_off: int = Field(
        description="Messages of all lanes that come back later: retries, and what waits for a host"
    )


def queue_endpoints(watch: LaneWatch) -> list[Endpoint]:
    async def queues(_asked: Parameters) -> Queues:
        """How each lane is."""
        measures = await watch.look_at_all()
        return Queues(lanes=tuple(map(ShownLane.of, Lane, measures)), put_off=await watch.put_off())

    return [Endpoint("GET", "/api/v1/admin/queues", queues, Queues, access=Access.ADMIN)]
