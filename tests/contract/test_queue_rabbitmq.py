"""What only a broker can do: topology, refusals, giving up on a message, hosts in turn."""

import subprocess
import sys
from math import inf
from urllib.parse import urlsplit

import aio_pika
import pytest

from shared.contracts import Envelope
from shared.queue import Lane, Queue, QueueFull, QueueUnavailable, Retry, Unroutable
from shared.queue.port import MAX_DELIVERIES, Delay
from shared.queue.rabbitmq.engine import RabbitQueue
from shared.queue.rabbitmq.topology import BACKSTOP_LENGTH, JOBS
from tests.contract.conftest import REAL, OnRabbitMQ, Received, a_job
from tests.servers.rabbitmq import Broker, free_ports

LANE = Lane.PICTURES_NOW


@pytest.fixture
def broker(vhost: str) -> OnRabbitMQ:
    return OnRabbitMQ(vhost)


def vhost_of(broker: OnRabbitMQ) -> str:
    return urlsplit(broker.url).path[1:]


async def test_lanes_and_delays_are_durable_quorum_queues_that_lose_nothing(
    rabbitmq: Broker, broker: OnRabbitMQ
) -> None:
    async with broker.open(delays=REAL):
        declared = {
            queue["name"]: queue for queue in rabbitmq.manage("GET", f"/api/queues/{vhost_of(broker)}")
        }
    assert set(declared) == {lane.value for lane in Lane} | {f"onesheet.delay.{d.value}s" for d in Delay}
    for queue in declared.values():
        arguments = queue["arguments"]
        assert queue["durable"]
        assert arguments["x-queue-type"] == "quorum"
        assert (arguments["x-overflow"], arguments["x-max-length"]) == ("reject-publish", BACKSTOP_LENGTH)
        if queue["name"] != Lane.DEAD.value:
            assert arguments["x-dead-letter-strategy"] == "at-least-once"
            assert arguments["x-dead-letter-exchange"] == JOBS
    ttls = {d: declared[f"onesheet.delay.{d.value}s"]["arguments"]["x-message-ttl"] for d in Delay}
    assert ttls == {d: d.value * 1000 for d in Delay}
    assert declared[LANE.value]["arguments"]["x-delivery-limit"] == MAX_DELIVERIES


async def test_a_lane_whose_queue_is_missing_is_unroutable(rabbitmq: Broker, broker: OnRabbitMQ) -> None:
    async with broker.open() as queue:
        await queue.publish(a_job(), LANE)
        rabbitmq.manage("DELETE", f"/api/queues/{vhost_of(broker)}/{LANE.value}")
        with pytest.raises(Unroutable):
            await queue.publish(a_job(), LANE)
        with pytest.raises(Unroutable):
            await queue.depth(LANE)
        await queue.publish(a_job(), Lane.PICTURES_LATER)


async def test_the_brokers_own_refusal_is_a_full_queue(rabbitmq: Broker, broker: OnRabbitMQ) -> None:
    async with broker.open() as queue:
        policy = {"pattern": "^catalog$", "definition": {"max-length": 2}, "apply-to": "queues"}
        rabbitmq.manage("PUT", f"/api/policies/{vhost_of(broker)}/short", policy)
        with pytest.raises(QueueFull):
            await publish_many(queue, Lane.CATALOG)


async def test_after_a_refusal_jobs_are_published_on_another_channel(
    rabbitmq: Broker, broker: OnRabbitMQ
) -> None:
    """The one on which the broker refuses may do so for ever, where it met a queue without its leader."""
    async with broker.open() as queue:
        assert isinstance(queue, RabbitQueue)
        outlet = await queue._publisher._link.session()
        first = outlet.confirming
        policy = {"pattern": "^catalog$", "definition": {"max-length": 2}, "apply-to": "queues"}
        rabbitmq.manage("PUT", f"/api/policies/{vhost_of(broker)}/short", policy)
        with pytest.raises(QueueFull):
            await publish_many(queue, Lane.CATALOG)
        await queue.publish(a_job(), LANE)
        second = outlet.confirming
        assert second is not first
        assert not first.is_closed, "others may still wait for what they published on it"
        outlet.is_refused, outlet.renewed_s = True, -inf
        await queue.publish(a_job(), LANE)
        assert outlet.confirming not in (first, second)
        assert first.is_closed
        assert queue.connected


async def publish_many(queue: Queue, lane: Lane) -> None:
    """The broker refuses a little later than at the very limit."""
    for number in range(100):
        await queue.publish(a_job(number), lane)


async def test_a_message_that_nobody_survives_ends_among_the_dead(broker: OnRabbitMQ) -> None:
    letters = Received()
    async with broker.open() as queue:
        await queue.publish(job := a_job(), LANE, delay=Delay.ONE_SECOND)
        await give_back_until_given_up(broker.url)
        async with queue.consume(Lane.DEAD, letters, concurrency=1):
            letter = await letters.next_letter()
    assert letter.lane == LANE.value
    assert letter.reason == "given up by the broker: delivery_limit"
    assert Envelope.model_validate_json(letter.body) == job


async def give_back_until_given_up(url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        lane = await channel.get_queue(LANE.value)
        async with lane.iterator(timeout=10) as messages:
            handed_out = 0
            async for message in messages:
                handed_out += 1
                await message.nack(requeue=True)
                if handed_out > MAX_DELIVERIES:
                    return


async def test_a_job_whose_retry_cannot_be_published_is_given_back(
    rabbitmq: Broker, broker: OnRabbitMQ
) -> None:
    received = Received()

    async def put_off_until_redelivered(envelope: Envelope) -> None:
        if not envelope.redelivered:
            raise Retry(Delay.ONE_SECOND, "later", counted=True)
        await received(envelope)

    async with broker.open() as queue:
        rabbitmq.manage("DELETE", f"/api/queues/{vhost_of(broker)}/onesheet.delay.1s")
        async with queue.consume(LANE, put_off_until_redelivered, concurrency=1):
            await queue.publish(job := a_job(), LANE)
            again = await received.next()
    assert (again.id, again.attempt, again.history) == (job.id, 1, ())


async def test_hosts_are_tried_in_turn(rabbitmq: Broker, broker: OnRabbitMQ) -> None:
    (nobody,) = free_ports(1)
    several = broker.url.replace("@", f"@127.0.0.1:{nobody},")
    received = Received()
    async with OnRabbitMQ(several).open() as queue, queue.consume(LANE, received, concurrency=1):
        await queue.publish(job := a_job(), LANE)
        assert await received.next() == job


async def test_a_queue_with_other_arguments_stops_the_start(broker: OnRabbitMQ) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        await (await connection.channel()).declare_queue(LANE.value, durable=True)
    with pytest.raises(QueueUnavailable, match="inequivalent arg"):
        async with broker.open():
            pass


async def test_wrong_credentials_stop_the_start(broker: OnRabbitMQ) -> None:
    with pytest.raises(QueueUnavailable, match="ACCESS_REFUSED"):
        async with OnRabbitMQ(broker.url.replace("guest:guest", "guest:wrong")).open():
            pass


@pytest.mark.parametrize("path", ["", "/", "/nosuch"])
async def test_a_virtual_host_that_is_not_there_or_not_ones_own_stops_the_start(
    rabbitmq: Broker, broker: OnRabbitMQ, path: str
) -> None:
    """The usual mistakes: a user of one virtual host, and a URL without it."""
    user = {"password": "own", "tags": ""}
    rabbitmq.manage("PUT", "/api/users/stranger", user)
    url = broker.url.replace("guest:guest", "stranger:own").removesuffix(f"/{vhost_of(broker)}") + path
    vhost = path.removeprefix("/") or "/"
    with pytest.raises(
        QueueUnavailable, match=f"QUEUE_URL .* no virtual host '{vhost}', or the user 'stranger'"
    ):
        async with OnRabbitMQ(url).open():
            pass


@pytest.mark.parametrize(
    ("engine", "unwanted"),
    [
        ("rabbitmq", ["sqlite3", "aiosqlite", "sqlalchemy"]),
        ("embedded", ["aio_pika", "aiormq", "sqlalchemy"]),
    ],
)
def test_an_engine_does_not_load_the_other(engine: str, unwanted: list[str]) -> None:
    program = f"import sys, shared.queue.{engine}; print([m for m in {unwanted} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"
