"""How every engine tells how its lanes are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from shared.contracts import Envelope, PurgePicture
from shared.queue import Delay, Lane, LaneMeasure, Queue, QueueUnavailable
from shared.queue.embedded.engine import open_embedded
from shared.queue.rabbitmq.engine import open_rabbitmq
from shared.queue.rabbitmq.topology import RENEWED_EVERY_S
from tests.contract.conftest import REAL, Engine, a_job
from tests.integration.onesheet import until
from tests.servers.rabbitmq import Broker
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


async def test_a_passive_declare_tells_how_many_wait_and_who_consumes(rabbitmq: Broker) -> None:
    async with open_rabbitmq(rabbitmq.vhost(), lane_limit=100) as queue:
        await publish(queue, 3)
        async with one_in_hand(queue):
            await until(lambda: _is(queue, LaneMeasure(2, consumers=1)))


async def test_the_management_api_tells_all_of_it(rabbitmq: Broker) -> None:
    vhost = rabbitmq.vhost()
    async with open_rabbitmq(vhost, lane_limit=100, management_url=rabbitmq.management_url) as queue:
        await publish(queue, 3)
        async with one_in_hand(queue):
            await until(lambda: _in_hand(queue, 1), every_s=0.2)
        found = await queue.measure(LANE)
        assert found.published_per_s is not None
        assert found.done_per_s is not None
        assert (found.exact, found.others_old_s) == (False, RENEWED_EVERY_S)


async def test_a_lane_that_the_management_api_does_not_list_yet_is_no_outage_of_it(rabbitmq: Broker) -> None:
    vhost = rabbitmq.vhost()
    with capture_logs() as lines:
        async with open_rabbitmq(vhost, lane_limit=100, management_url=rabbitmq.management_url) as queue:
            await until(lambda: _in_hand(queue, 0), every_s=0.2)
    assert not [line for line in lines if line["event"] == "management_unreachable"]


async def test_with_the_management_api_as_well_the_depth_is_of_this_moment(rabbitmq: Broker) -> None:
    """It renews its own numbers every five seconds."""
    vhost = rabbitmq.vhost()
    async with open_rabbitmq(vhost, lane_limit=100, management_url=rabbitmq.management_url) as queue:
        await until(lambda: _in_hand(queue, 0), every_s=0.2)
        await publish(queue, 7)
        found = await queue.measure(LANE)
        async with one_in_hand(queue):
            await until(lambda: _waiting(queue, 6), within_s=RENEWED_EVERY_S - 0.5)
    assert found.waiting == 7


async def test_what_is_put_off_is_counted(engine: Engine) -> None:
    async with engine.open(delays=REAL) as queue:
        assert await queue.put_off() == 0
        for number, delay in enumerate(Delay):
            await queue.publish(a_job(number), LANE, delay=delay)
        await until(lambda: _is_put_off(queue, len(Delay)))
        assert (await queue.measure(LANE)).waiting == 0
    with pytest.raises(QueueUnavailable):
        await queue.put_off()


@pytest.mark.parametrize("said", ["a text", ["a lane"], 3, {}])
async def test_where_something_else_answers_for_the_management_api_a_declare_tells(
    rabbitmq: Broker, said: object
) -> None:
    app = web.Application()

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(said)

    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as other:
        management_url = str(other.make_url("/"))
        async with open_rabbitmq(rabbitmq.vhost(), lane_limit=100, management_url=management_url) as queue:
            await publish(queue, 3)
            assert (await queue.measure(LANE)).waiting == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://guest:wrong@127.0.0.1:{port}"])
async def test_without_an_answer_of_the_management_api_a_declare_tells(rabbitmq: Broker, url: str) -> None:
    management_url = url.format(port=rabbitmq.management_port)
    async with open_rabbitmq(rabbitmq.vhost(), lane_limit=100, management_url=management_url) as queue:
        await publish(queue, 1)
        await until(lambda: _is(queue, LaneMeasure(1, consumers=0)))


async def _is(queue: Queue, expected: LaneMeasure) -> bool:
    return await queue.measure(LANE) == expected


async def _in_hand(queue: Queue, expected: int) -> bool:
    return (await queue.measure(LANE)).in_hand == expected


async def _waiting(queue: Queue, expected: int) -> bool:
    return (await queue.measure(LANE)).waiting == expected


async def _is_put_off(queue: Queue, expected: int) -> bool:
    return await queue.put_off() == expected
