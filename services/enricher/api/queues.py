"""The queues, for operators: how many wait in each lane, how old they are, and whether anybody takes them."""

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.lanes import LaneWatch
from shared.queue import Lane, LaneMeasure


class ShownLane(BaseModel):
    """One lane. What is absent, nobody can tell: exact numbers of RabbitMQ need `QUEUE_MANAGEMENT_URL`."""

    model_config = ConfigDict(frozen=True)

    lane: str
    waiting: int = Field(description="Messages that wait, without those that are put off")
    in_hand: int | None = Field(description="Taken, and not done yet")
    consumers: int | None
    oldest_s: float | None = Field(
        description="How long the first that waits has waited, or the oldest that was taken in the last seconds"
    )
    published_per_s: float | None
    done_per_s: float | None
    exact: bool = Field(description="As the queue itself counts, at this moment")

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
            exact=measure.exact,
        )


class Queues(BaseModel):
    model_config = ConfigDict(frozen=True)

    lanes: tuple[ShownLane, ...]


def queue_endpoints(watch: LaneWatch) -> list[Endpoint]:
    async def queues(_asked: Parameters) -> Queues:
        """How each lane is."""
        measures = await asyncio.gather(*map(watch.look, Lane))
        return Queues(lanes=tuple(map(ShownLane.of, Lane, measures)))

    return [Endpoint("GET", "/api/v1/admin/queues", queues, Queues, access=Access.ADMIN)]
