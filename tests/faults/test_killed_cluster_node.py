"""Three RabbitMQ nodes as one broker, of which one is killed under load: no job that was taken is lost, and everybody goes on.

Three nodes take a minute of the processor: `make chaos` runs it, and each run of the tests where CLUSTER is set.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shared.contracts import Envelope
from shared.queue import Lane
from shared.queue.rabbitmq.engine import open_rabbitmq
from tests.contract.test_queue_outages import publishing
from tests.integration.onesheet import until
from tests.servers.rabbitmq import RabbitNode, running_cluster

LANE = Lane.PICTURES_NOW
PATIENCE_S = 120
ENOUGH = 200

pytestmark = pytest.mark.skipif(
    "CLUSTER" not in os.environ, reason="three brokers: set CLUSTER=1, or make chaos"
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Sequence[RabbitNode]]:
    with running_cluster(tmp_path) as nodes:
        yield nodes


def members(node: RabbitNode) -> list[int]:
    """Of each lane's queue."""
    queues = node.manage("GET", "/api/queues/%2F")
    return [len(queue["members"]) for queue in queues if queue["type"] == "quorum"]


@pytest.mark.timeout(600)
async def test_a_node_killed_under_load_loses_no_job_that_was_taken(cluster: Sequence[RabbitNode]) -> None:
    first, second, _ = cluster
    hosts = ",".join(f"127.0.0.1:{node.amqp_port}" for node in cluster)
    confirmed, seen = set[str](), set[str]()

    async def see(envelope: Envelope) -> None:
        seen.add(envelope.id)

    async with (
        open_rabbitmq(f"amqp://guest:guest@{hosts}", lane_limit=100_000) as queue,
        queue.consume(LANE, see, concurrency=8),
    ):
        publishers = publishing(queue, confirmed)
        async with publishers:
            await until(lambda: len(confirmed) >= ENOUGH, within_s=PATIENCE_S)
            counted = await asyncio.to_thread(members, second)
            assert counted
            assert set(counted) == {3}
            first.kill()
            before = len(confirmed)
            try:
                await until(lambda: len(confirmed) >= before + ENOUGH, within_s=PATIENCE_S)
            except TimeoutError:
                told = await asyncio.to_thread(second.manage, "GET", "/api/queues/%2F")
                states = [
                    (one["name"], one.get("state"), one.get("leader"), one.get("online")) for one in told
                ]
                pytest.fail(f"{len(confirmed) - before} more; {publishers.errors.most_common(5)}; {states}")
        await until(lambda: confirmed <= seen, within_s=PATIENCE_S)
