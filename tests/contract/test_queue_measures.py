"""How every engine tells how its lanes are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.contracts import Envelope, PurgePicture
from shared.queue import Lane, LaneMeasure, Queue, QueueUnavailable
from shared.queue.embedded import open_embedded
from shared.queue.rabbitmq import open_rabbitmq
from tests.integration.onesheet import until
from tests.servers.rabbitmq import RabbitNode
from tests.unit.catalogs import picture

LANE = Lane.PICTURES_LATER


async def publish(queue: Queue, count: int) -> None:
    for number in range(count):
        await queue.publish(Envelope.of(PurgePicture(picture=picture(number)), trace_id="trace"), LANE)


@asynccontextmanager
async def one_in_hand(queue: Queue) -> AsyncIterator[None]:
    """A job is taken, and done when the block is left."""
    taken, done = asyncio.Event(), asyncio.Event()

    async def take(_envelope: Envelope) -> None:
        taken.set()
        await done.wait()

    async with queue.consume(LANE, take, concurrency=1):
        await taken.wait()
        yield
        done.set()


async def test_the_embedded_queue_tells_all_of_it_exactly(tmp_path: Path) -> None:
    async with open_embedded(tmp_path / "queue.sqlite", lane_limit=100) as queue:
        assert await queue.measure(LANE) == LaneMeasure(0, in_hand=0, consumers=0, exact=True)
        await publish(queue, 3)
        async with one_in_hand(queue):
            found = await queue.measure(LANE)
            assert (found.waiting, found.in_hand, found.consumers, found.exact) == (2, 1, 1, True)
            assert found.oldest_s is not None
            assert 0 <= found.oldest_s < 5
    with pytest.raises(QueueUnavailable):
        await queue.measure(LANE)


async def test_a_passive_declare_tells_how_many_wait_and_who_consumes(rabbitmq: RabbitNode) -> None:
    async with open_rabbitmq(rabbitmq.vhost(), lane_limit=100) as queue:
        await publish(queue, 3)
        async with one_in_hand(queue):
            await until(lambda: _is(queue, LaneMeasure(2, consumers=1)))


async def test_the_management_api_tells_all_of_it(rabbitmq: RabbitNode) -> None:
    vhost = rabbitmq.vhost()
    async with open_rabbitmq(vhost, lane_limit=100, management_url=rabbitmq.management_url) as queue:
        await publish(queue, 3)
        async with one_in_hand(queue):
            await until(lambda: _exactly(queue, waiting=2, in_hand=1, consumers=1), within_s=20, every_s=0.2)
        found = await queue.measure(LANE)
        assert found.published_per_s is not None
        assert found.done_per_s is not None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://guest:wrong@127.0.0.1:{port}"])
async def test_without_an_answer_of_the_management_api_a_declare_tells(
    rabbitmq: RabbitNode, url: str
) -> None:
    management_url = url.format(port=rabbitmq.management_port)
    async with open_rabbitmq(rabbitmq.vhost(), lane_limit=100, management_url=management_url) as queue:
        await publish(queue, 1)
        await until(lambda: _is(queue, LaneMeasure(1, consumers=0)))


async def _is(queue: Queue, expected: LaneMeasure) -> bool:
    return await queue.measure(LANE) == expected


async def _exactly(queue: Queue, *, waiting: int, in_hand: int, consumers: int) -> bool:
    found = await queue.measure(LANE)
    return found.exact and (found.waiting, found.in_hand, found.consumers) == (waiting, in_hand, consumers)
